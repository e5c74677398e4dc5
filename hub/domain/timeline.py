"""What happened to a job, in order of time: entries of several kinds, merged and cut into pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class EntryKind(StrEnum):
    """What an entry is about. At one moment they are told in this order."""

    RECEIVED = "received"  # a webhook came in
    SUBMITTED = "submitted"  # the job was accepted
    OPERATOR = "operator"  # a person did something
    EDIT = "edit"  # its arguments were changed, or were to be
    ATTEMPT = "attempt"
    STEP = "step"  # a provider was called, or any other line of the ledger
    UNDONE = "undone"
    SETTLED = "settled"
    TO_COME = "to_come"  # what is planned


_RANK = {kind: rank for rank, kind in enumerate(EntryKind)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        at: when it happened, or began.
        ref: tells entries of one kind and moment apart, and puts them in order.
        job: whom it concerns; None for an event.
        text: in words, one sentence.
        ended_at: when it was over, for what takes time.
        detail: the rest, by the entry's kind.
    """

    at: datetime
    kind: EntryKind
    ref: str
    job: UUID | None
    text: str
    ended_at: datetime | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> "Place":
        """Where it stands among all."""
        return Place(self.at, _RANK[self.kind], self.ref)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the order of entries, from which a list goes on."""

    at: datetime
    rank: int
    ref: str

    @property
    def event(self) -> UUID | None:
        """Which event stands there, if it is one's. Raises ValueError for a place of no entry's."""
        return UUID(self.ref) if self.rank == _RANK[EntryKind.RECEIVED] else None


def page_of(
    entries: Iterable[Entry], *, limit: int, after: Place | None = None, newest_first: bool = False
) -> tuple[Sequence[Entry], Place | None]:
    """So many entries after a place, in order, and the place to go on from; None at the end.

    Args:
        entries: all that may be among them: of each source at least `limit` + 1 that come after `after`.
        limit: at most so many.
        after: where to go on; None for the beginning.
        newest_first: whether the order is turned round.
    """
    ordered = sorted(entries, key=lambda entry: entry.place, reverse=newest_first)
    if after is not None:
        ordered = [
            entry for entry in ordered if (entry.place < after if newest_first else entry.place > after)
        ]
    shown = ordered[:limit]
    return shown, shown[-1].place if len(ordered) > limit else None
