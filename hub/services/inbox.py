"""The operators' inbox: failures grouped by cause, looked at and moved from state to state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Principal
from hub.domain.errors import Conflict, NotFound
from hub.domain.inbox import BECOMES, GroupAction, GroupState, allowed, sources_of
from hub.infra.store.inbox import MOST_JOBS, MOST_STANDING, GroupFile, GroupRecord, InboxStore
from hub.infra.store.operations import Audit
from hub.infra.store.reading import Where
from hub.services.cursors import seal, unseal, within
from hub.services.inbox_views import ChangeView, ErrorGroupDetail, ErrorGroupView, HourView, Tally
from hub.services.listings import Page
from hub.services.operate import actor_of

TREND_HOURS, DETAIL_HOURS = 24, 48
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)


class Sort(StrEnum):
    """The order of a list of groups; what happened latest, or most often, stands first."""

    LAST_SEEN = "last_seen"
    FAILED_FOR_GOOD = "failed_for_good"


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups to list; what is not given does not matter.

    Attributes:
        failed: whether a job has failed of it for good; False for what retries have cured so far.
        since: happened at this time or later.
    """

    states: tuple[GroupState, ...] = ()
    job: str | None = None
    provider: str | None = None
    text: str | None = None
    since: datetime | None = None
    failed: bool | None = None


class Inbox:
    """Error groups for people and programs. Callers must be allowed to see every application's jobs.

    Args:
        store: where they are.
        new_id: makes UUIDv7s.
    """

    def __init__(self, store: InboxStore, *, new_id: Callable[[], UUID]) -> None:
        self._store = store
        self._new_id = new_id

    async def list_groups(
        self,
        wanted: GroupFilter,
        *,
        sort: Sort = Sort.LAST_SEEN,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[ErrorGroupView]:
        """A part of the groups. Raises Invalid for a bad cursor."""
        where = _where(wanted)
        if cursor is not None:
            where = _after(where, sort, unseal(f"errors {sort}", cursor, _place))
        records = await self._store.groups(where, _ORDER[sort], limit + 1, hours=TREND_HOURS)
        more = len(records) > limit
        return Page(
            [_view(record) for record in records[:limit]], _cursor(records[limit - 1], sort) if more else None
        )

    async def get_group(self, signature: str) -> ErrorGroupDetail:
        """One group. Raises NotFound."""
        file = await self._store.group(signature, hours=DETAIL_HOURS)
        if file is None:
            raise NotFound(f"there is no error group {signature[:100]!r}", code="unknown_error_group")
        return _detail(file)

    async def has(self, signature: str) -> bool:
        """Whether there is this group: jobs wait for a breaker, say, under a name that no failure was counted by."""
        return await self._store.has(signature)

    async def tally(self) -> Tally:
        """How many groups there are in each state."""
        counts = await self._store.tally()
        return Tally(
            **{state.value: counts.get((state, True), 0) for state in GroupState},
            cured=counts.get((GroupState.OPEN, False), 0),
        )

    async def act(
        self, principal: Principal, signature: str, action: GroupAction, *, reason: str | None = None
    ) -> ErrorGroupDetail:
        """Acknowledge, resolve, ignore or reopen a group.

        Raises:
            NotFound: there is no such group.
            Conflict: its state forbids it.
        """
        detail = orjson.dumps({"reason": reason} if reason else {}).decode()
        audit = Audit(self._new_id(), actor_of(principal), detail)
        moved = await self._store.move(
            signature, action, sorted(sources_of(action)), BECOMES[action], reason=reason, audit=audit
        )
        group = await self.get_group(signature)
        if not moved:
            raise _why_not(group, action)
        return group


_ORDER = {
    Sort.LAST_SEEN: "g.last_seen_at DESC, g.signature DESC",
    Sort.FAILED_FOR_GOOD: "g.lost DESC, g.signature DESC",
}


def _where(wanted: GroupFilter) -> Where:
    where = Where()
    if wanted.states:
        where = where.and_("g.state = ANY(CAST(:states AS text[]))", states=[*wanted.states])
    if wanted.failed is not None:
        where = where.and_("g.lost > 0" if wanted.failed else "g.lost = 0")
    if wanted.job is not None:
        where = where.and_("g.job = :job", job=wanted.job)
    if wanted.provider is not None:
        where = where.and_("g.provider = :provider", provider=wanted.provider)
    if wanted.since is not None:
        where = where.and_("g.last_seen_at >= :since", since=wanted.since)
    if wanted.text is not None:
        said = "concat_ws(' ', g.message, g.code, g.kind, g.job, g.provider, g.operation, g.step)"
        where = where.and_(f"strpos(lower({said}), lower(:text)) > 0", text=wanted.text)
    return where


def _cursor(last: GroupRecord, sort: Sort) -> str:
    place = (last.last_seen_at - _EPOCH) // _MICROSECOND if sort is Sort.LAST_SEEN else last.lost
    return seal(f"errors {sort}", f"{place} {last.signature}".encode())


def _place(last: bytes) -> tuple[int, datetime, str]:
    """Where a list goes on: a number, the same as a time, and a signature. Raises ValueError, OverflowError."""
    place, _, signature = last.decode().partition(" ")
    if "\0" in signature:
        raise ValueError("no text in the database holds NUL characters")
    number = within(int(place), 64)
    return number, _EPOCH + number * _MICROSECOND, signature


def _after(where: Where, sort: Sort, last: tuple[int, datetime, str]) -> Where:
    number, at, signature = last
    if sort is Sort.LAST_SEEN:
        return where.and_(
            "(g.last_seen_at, g.signature) < (CAST(:at AS timestamptz), :after)", at=at, after=signature
        )
    return where.and_("(g.lost, g.signature) < (CAST(:lost AS bigint), :after)", lost=number, after=signature)


def _view(record: GroupRecord) -> ErrorGroupView:
    return ErrorGroupView(
        **_fields(record), trend=[hour.failed_attempts for hour in _hours(record, TREND_HOURS)]
    )


def _detail(file: GroupFile) -> ErrorGroupDetail:
    record, hours = file.record, _hours(file.record, DETAIL_HOURS)
    counted = sum(file.jobs.values())
    return ErrorGroupDetail(
        **_fields(record),
        trend=[hour.failed_attempts for hour in hours[-TREND_HOURS:]],
        hours=hours,
        jobs=dict(file.jobs),
        jobs_bounded=counted > MOST_STANDING,
        example_message=file.example_message,
    )


def _fields(record: GroupRecord) -> dict[str, Any]:
    state = GroupState(record.state)
    changed = record.changed_at and ChangeView(
        record.changed_at, record.changed_by or "", record.change_reason
    )
    return {
        "signature": record.signature,
        "job": record.job,
        "step": record.step or None,
        "provider": record.provider or None,
        "operation": record.operation or None,
        "kind": record.kind,
        "code": record.code,
        "message": record.message,
        "state": state,
        "actions": [*allowed(state)],
        "failed_jobs": min(record.failed_now, MOST_JOBS),
        "bounded": record.failed_now > MOST_JOBS,
        "failed_attempts": record.attempts,
        "failed_for_good": record.lost,
        "first_seen_at": record.first_seen_at,
        "last_seen_at": record.last_seen_at,
        "first_release": record.first_release,
        "last_release": record.last_release,
        "example_id": record.example_id,
        "reopened": record.reopened,
        "change": changed,
    }


def _hours(record: GroupRecord, count: int) -> list[HourView]:
    """Every hour of the time that is shown, those without a failure too."""
    known = {second: (attempts, lost) for second, attempts, lost in record.hours}
    present = record.now.replace(minute=0, second=0, microsecond=0)
    begins: Sequence[datetime] = [present - _HOUR * back for back in reversed(range(count))]
    return [HourView(at, *known.get((at - _EPOCH) // timedelta(seconds=1), (0, 0))) for at in begins]


_DONE = {
    GroupAction.ACKNOWLEDGE: "acknowledged",
    GroupAction.RESOLVE: "resolved",
    GroupAction.IGNORE: "ignored",
    GroupAction.REOPEN: "reopened",
}


def _why_not(group: ErrorGroupDetail, action: GroupAction) -> Conflict:
    if action in group.actions:
        return Conflict("the group has just changed; look again", code="just_changed")
    could = ", ".join(group.actions)
    return Conflict(
        f"a group that is {group.state} cannot be {_DONE[action]}; it allows: {could}",
        code=f"error_group_{group.state}",
    )
