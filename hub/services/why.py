"""Why a job is not running: what the database, the ready buffer and the breakers know of it, put together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from hub.domain.access import Principal
from hub.domain.errors import NotFound, Unavailable
from hub.domain.jobs import JobState
from hub.domain.situation import Awaited, HeldOpen, Holder, Paused, Place, Situation
from hub.domain.why import WhyCode, why
from hub.infra.store.why import MOST, WhyRecord, WhyStore

Look = Callable[[str, UUID, int], Awaitable[Place]]
ClosedIn = Callable[[str], Awaitable[timedelta | None]]


@dataclass(frozen=True, slots=True)
class WhyView:
    """Why a job is not running, or that it is.

    Attributes:
        job_id: the job.
        code: what keeps it, for machines.
        text: the same in words.
        until: when that ends by itself at the latest; null if no time is known.
        todo: what a person can do about it; null if nothing has to be done.
        besides: what would keep it after that, as things are now.
        ahead: how many jobs of its queue come before it; null where it does not wait in line.
        ahead_bounded: whether counting stopped, so that there may be more.
        as_of: when this was so, by the database's clock.
    """

    job_id: UUID
    code: WhyCode
    text: str
    until: datetime | None
    todo: str | None
    besides: list[str]
    ahead: int | None
    ahead_bounded: bool
    as_of: datetime


class Why:
    """Collects the facts and asks the rule.

    Args:
        store: what the database knows.
        look: where a job stands in the ready buffer.
        closed_in: how long a provider is left alone; None if it is not. Raises Unavailable where nobody can say.
        bound: how many jobs a ready buffer may hold.
    """

    def __init__(self, store: WhyStore, look: Look, closed_in: ClosedIn, *, bound: int) -> None:
        self._store = store
        self._look = look
        self._closed_in = closed_in
        self._bound = bound

    async def of(self, principal: Principal, job: UUID) -> WhyView:
        """Say it of one job. Raises NotFound if there is none, or not for this caller."""
        record = await self._store.of(job, None if principal.sees_all else principal.application)
        if record is None:
            raise NotFound(f"there is no job {job}", code="unknown_job_id")
        place = await self._place(record, job)
        if not principal.sees_all:
            record = replace(record, holder=[(None, None, *rest) for _host, _pid, *rest in record.holder])
        known = await self._with_breaker(self._situation(record, place))
        answer = why(known)
        in_line = answer.code in {WhyCode.BEHIND_OTHERS, WhyCode.BUFFER_FULL, WhyCode.NEXT}
        ahead = known.ahead if known.position is None else known.position
        return WhyView(
            job,
            answer.code,
            answer.text,
            answer.until,
            answer.todo or None,
            list(answer.besides),
            ahead if in_line else None,
            in_line and known.ahead_bounded,
            known.now,
        )

    async def _place(self, record: WhyRecord, job: UUID) -> Place:
        if record.state != JobState.QUEUED:
            return Place()
        try:
            return await self._look(record.queue, job, record.dispatch)
        except Unavailable:
            # What the database knows is told all the same.
            return Place()

    def _situation(self, record: WhyRecord, place: Place) -> Situation:
        holder = next((Holder(*row) for row in record.holder), None)
        bounded = record.ahead >= MOST
        return Situation(
            JobState(record.state),
            record.reason,
            record.name,
            record.queue,
            record.run_at,
            record.now,
            record.attempt,
            record.started_at,
            next((Paused(*row) for row in record.paused), None),
            record.error_code,
            record.provider,
            held_open=next((HeldOpen(*row) for row in record.held_open), None),
            awaited=tuple(
                Awaited(source, tuple(types), about, since) for source, types, about, since in record.waits
            ),
            workers=record.workers,
            holder=holder,
            ahead=min(record.ahead, MOST) + (place.depth or 0),
            ahead_bounded=bounded,
            position=place.position if record.dispatched_at is not None else None,
            buffered=place.depth,
            bound=self._bound,
            undoing=record.undoing,
        )

    async def _with_breaker(self, known: Situation) -> Situation:
        if known.provider is None or not known.met_a_breaker:
            return known
        try:
            wait = await self._closed_in(known.provider)
        except Unavailable:
            return replace(known, breaker_known=False)
        return known if wait is None else replace(known, breaker_until=known.now + wait)
