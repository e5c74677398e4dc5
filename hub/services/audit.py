"""The audit log: who did what, when and why, and whether it still says what it once said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.domain.audit import Chain, Flaw
from hub.infra.store.audit import SINCE, UNTIL, AuditRecord, AuditStore
from hub.infra.store.reading import Where
from hub.services.cursors import format_number, parse_number
from hub.services.listings import Page


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did."""

    seq: int
    """Its place in the chain, from 1 without a gap."""
    id: UUID
    at: datetime
    actor: str
    """An operator's e-mail address, `cli:` and a system user, or an application with its key."""
    action: str
    """What was done, as `job.retry`."""
    subject: str
    """What it was done to: mostly an id."""
    detail: dict[str, Any]
    """What else was said, such as the `reason`."""
    previous: str
    """The `hash` of the entry before, in hexadecimal."""
    hash: str
    """SHA-256 of this entry and `previous`."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries; what is not given does not matter."""

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link that does not hold."""

    seq: int
    id: str
    flaw: Flaw


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk along the chain found.

    Attributes:
        count: how many entries hold.
        head: the hash of the last of them, in hexadecimal. Kept elsewhere, it shows later that nothing up to it is gone.
        broken: where it ended early.
        expected: whether the hash that was to be found was; None if none was.
    """

    count: int
    head: str
    broken: Broken | None = None
    expected: bool | None = None

    @property
    def good(self) -> bool:
        """Nothing is wrong."""
        return self.broken is None and self.expected is not False


class AuditTrail:
    """Lists and verifies."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    async def list(
        self, wanted: AuditFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[AuditEntry]:
        """Entries, newest first. Raises Invalid for a bad cursor."""
        where = _where(wanted)
        if cursor is not None:
            where = where.and_("a.seq < :after", after=parse_number("audit", cursor, bits=64))
        records = await self._store.page(where, limit + 1)
        more = format_number("audit", records[limit - 1].seq) if len(records) > limit else None
        return Page([_entry(record) for record in records[:limit]], more)

    async def actions(self) -> Sequence[str]:
        """Every action there has been, for a choice of them."""
        return await self._store.actions()

    async def verify(self, expected: str | None = None) -> Verdict:
        """Walk the whole chain, in constant memory.

        A tail that was cut off leaves a chain that holds: only a hash that was kept elsewhere shows it. The same is true of
        a chain that somebody with the rights of the table's owner has made anew from some row on.

        Args:
            expected: the hash of an earlier head, in hexadecimal, that must be in the chain.
        """
        chain = Chain()
        wanted = bytes.fromhex(expected) if expected else None
        found = None if wanted is None else wanted == chain.head
        async for link in self._store.links():
            if (flaw := chain.add(link)) is not None:
                return Verdict(chain.count, chain.head.hex(), Broken(link.seq, link.id, flaw), found)
            found = found or link.digest == wanted if wanted is not None else None
        return Verdict(chain.count, chain.head.hex(), None, found)


def _where(wanted: AuditFilter) -> Where:
    where = Where()
    equal = {"actor": wanted.actor, "action": wanted.action, "subject": wanted.subject}
    for column, value in equal.items():
        if value is not None:
            where = where.and_(f"a.{column} = :{column}", **{column: value})
    if wanted.since is not None:
        where = where.and_(SINCE, since=wanted.since)
    if wanted.until is not None:
        where = where.and_(UNTIL, until=wanted.until)
    return where


def _entry(record: AuditRecord) -> AuditEntry:
    return AuditEntry(
        record.seq,
        record.id,
        record.at,
        record.actor,
        record.action,
        record.subject,
        record.detail,
        record.previous.hex(),
        record.hash.hex(),
    )
