"""The chain of the audit log: every row carries the digest of itself and of the row before it.

The database makes the digests (a trigger on `audit_log`), and this recomputes them from the rows as they are read. The two
must agree to the byte: see `canonical`.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

START = bytes(32)
"""What stands before the first row."""


@dataclass(frozen=True, slots=True)
class Link:
    """One row as the database renders it.

    Attributes:
        seq: 1, 2, 3 …, without a gap.
        at: UTC to the microsecond, `2027-01-31T09:00:00.000000Z`.
        detail: JSON as PostgreSQL writes what it has stored.
        previous: the digest of the row before.
        digest: its own, as stored.
    """

    seq: int
    id: str
    at: str
    actor: str
    action: str
    subject: str
    detail: str
    previous: bytes
    digest: bytes


class Flaw(StrEnum):
    """What can be wrong with a link; the value is what is said of it."""

    MISSING = "rows are missing before it"
    UNLINKED = "it does not follow from the row before it, which was changed or replaced"
    CHANGED = "it was changed after it was written"


def canonical(link: Link) -> bytes:
    """What is hashed: every field as UTF-8 after its length in bytes, so that no two rows are written alike."""
    texts = (str(link.seq), link.id, link.at, link.actor, link.action, link.subject, link.detail)
    fields = [link.previous, *(text.encode() for text in texts)]
    return b"".join(b"%d:%b" % (len(field), field) for field in fields)


def digest(link: Link) -> bytes:
    """What its digest should be."""
    return hashlib.sha256(canonical(link)).digest()


@dataclass(slots=True)
class Chain:
    """A walk along the log, from its first row. Mutable on purpose: it holds one digest, however long the log is.

    Attributes:
        count: how many rows were found good.
        head: the digest of the last of them.
    """

    count: int = 0
    head: bytes = START

    def add(self, link: Link) -> Flaw | None:
        """Judge the next row; the walk ends at the first flaw."""
        flaw = self._flaw(link)
        if flaw is None:
            self.count, self.head = link.seq, link.digest
        return flaw

    def _flaw(self, link: Link) -> Flaw | None:
        if link.seq != self.count + 1:
            return Flaw.MISSING
        if link.previous != self.head:
            return Flaw.UNLINKED
        return None if digest(link) == link.digest else Flaw.CHANGED
