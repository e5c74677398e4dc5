"""Looking at jobs, events and queues. Reads only, and only what the caller may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Principal
from hub.domain.errors import NotFound
from hub.domain.jobs import JobState
from hub.infra.store.reading import (
    ReadingStore,
    Where,
)
from hub.registry import Registry
from hub.services.cursors import format_cursor, parse_cursor
from hub.services.showing import (
    event_detail,
    event_view,
    job_detail,
    job_view,
    queue_view,
)
from hub.services.views import (
    EventDetail,
    EventView,
    JobDetail,
    JobView,
    Page,
    QueueView,
)
from hub.services.waiting import Waiting

_MINUTE = timedelta(minutes=1)
# An id is made by a web process's clock, a row's time by the database's: how far the two may differ.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; what is not given does not matter."""

    states: tuple[JobState, ...] = ()
    job: str | None = None
    queue: str | None = None
    application: str | None = None
    signature: str | None = None
    tag: str | None = None
    correlation_id: str | None = None
    event_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; what is not given does not matter."""

    source: str | None = None
    type: str | None = None
    external_id: str | None = None
    correlation_id: str | None = None
    received_after: datetime | None = None
    received_before: datetime | None = None


class Inspect:
    """Reads for people and programs.

    Args:
        store: where it reads.
        registry: the providers there are, whose words say where an effect can be looked up.
    """

    def __init__(self, store: ReadingStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self.waiting = Waiting(store.unsettled)

    async def list_jobs(
        self, principal: Principal, wanted: JobFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[JobView]:
        """Jobs that the caller may see, newest first. Raises Invalid for a bad cursor."""
        where = _visible(principal, _jobs_where(wanted))
        if cursor is not None:
            where = where.and_("j.id < CAST(:after AS uuid)", after=parse_cursor("jobs", cursor))
        records = await self._store.jobs(where, limit + 1)
        more = format_cursor("jobs", records[limit - 1].id) if len(records) > limit else None
        return Page([job_view(record) for record in records[:limit]], more)

    async def get_job(self, principal: Principal, job: UUID) -> JobDetail:
        """One job with all that is known of it. Raises NotFound if there is none, or not for this caller."""
        file = await self._store.job(_visible(principal, Where(("j.id = CAST(:id AS uuid)",), {"id": job})))
        if file is None:
            raise NotFound(f"there is no job {job}", code="unknown_job_id")
        return job_detail(file, self._registry.providers)

    async def find_jobs(self, principal: Principal, jobs: Sequence[UUID]) -> dict[UUID, JobView]:
        """Those of the jobs that there are and that the caller may see, in one look."""
        where = _visible(principal, Where(("j.id = ANY(CAST(:ids AS uuid[]))",), {"ids": list(jobs)}))
        return {record.id: job_view(record) for record in await self._store.jobs(where, len(jobs))}

    async def wait_settled(self, jobs: Sequence[UUID], timeout: float) -> None:  # noqa: ASYNC109 - callers give seconds
        """Return when all of the jobs are settled or gone, or after `timeout` seconds."""
        await self.waiting.settled(jobs, timeout)

    async def list_events(
        self, wanted: EventFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[EventView]:
        """Events, newest first. Raises Invalid for a bad cursor."""
        where = _events_where(wanted)
        if cursor is not None:
            where = where.and_("e.id < CAST(:after AS uuid)", after=parse_cursor("events", cursor))
        records = await self._store.events(where, limit + 1)
        more = format_cursor("events", records[limit - 1].id) if len(records) > limit else None
        return Page([event_view(record) for record in records[:limit]], more)

    async def get_event(self, event: UUID) -> EventDetail:
        """One event with what was received. Raises NotFound."""
        file = await self._store.event(event)
        if file is None:
            raise NotFound(f"there is no event {event}", code="unknown_event_id")
        return event_detail(file)

    async def queues(self) -> list[QueueView]:
        """Every queue, by name."""
        return await self._queues(None)

    async def queue(self, name: str) -> QueueView:
        """One queue. Raises NotFound."""
        for queue in await self._queues(name):
            return queue
        raise NotFound(f"there is no queue {name!r}", code="unknown_queue")

    async def _queues(self, name: str | None) -> list[QueueView]:
        depths, finished = await self._store.depths(name), await self._store.finished(_MINUTE)
        by_name: dict[str, list[Sequence[Any]]] = {}
        for row in depths:
            by_name.setdefault(row[0], []).append(row)
        return [queue_view(queue, rows, finished.get(queue, (0, 0))) for queue, rows in by_name.items()]

    async def revision(self) -> str | None:
        """The revision that the database's schema is at."""
        return await self._store.revision()


def _visible(principal: Principal, where: Where) -> Where:
    if principal.sees_all:
        return where
    return where.and_("j.application_id = CAST(:own AS uuid)", own=principal.application)


def _jobs_where(wanted: JobFilter) -> Where:
    where = Where()
    equal = {
        "j.name": wanted.job,
        "j.queue": wanted.queue,
        "a.name": wanted.application,
        "j.error_signature": wanted.signature,
        "j.correlation_id": wanted.correlation_id,
        "j.event_id": wanted.event_id,
    }
    for number, (column, value) in enumerate(equal.items()):
        if value is not None:
            where = where.and_(f"{column} = :equal{number}", **{f"equal{number}": value})
    if len(wanted.states) == 1:
        # Written out, so that the planner can see that a partial index serves it.
        where = where.and_(f"j.state = '{wanted.states[0].value}'")
    elif wanted.states:
        where = where.and_(
            "j.state = ANY(CAST(:states AS text[]))", states=[state.value for state in wanted.states]
        )
    if wanted.tag is not None:
        where = where.and_(
            "j.tags <> '[]' AND j.tags @> CAST(:tag AS jsonb)", tag=orjson.dumps([wanted.tag]).decode()
        )
    if wanted.text is not None:
        where = where.and_("j.error_message ILIKE :text", text=f"%{_literal(wanted.text)}%")
    return _between(where, "j.id", "j.created_at", wanted.created_after, wanted.created_before)


def _events_where(wanted: EventFilter) -> Where:
    where = Where()
    equal = {
        "source": wanted.source,
        "type": wanted.type,
        "external_id": wanted.external_id,
        "correlation_id": wanted.correlation_id,
    }
    for column, value in equal.items():
        if value is not None:
            where = where.and_(f"e.{column} = :{column}", **{column: value})
    return _between(where, "e.id", "e.received_at", wanted.received_after, wanted.received_before)


def _between(where: Where, key: str, time: str, after: datetime | None, before: datetime | None) -> Where:
    """From `after` up to, and without, `before`; bounds on the id as well, so that the primary key serves it."""
    if after is not None:
        where = where.and_(f"{time} >= CAST(:after_at AS timestamptz)", after_at=after)
        where = where.and_(f"{key} >= CAST(:after_id AS uuid)", after_id=_first_id(after, -_SKEW))
    if before is not None:
        where = where.and_(f"{time} < CAST(:before_at AS timestamptz)", before_at=before)
        where = where.and_(f"{key} < CAST(:before_id AS uuid)", before_id=_first_id(before, _SKEW))
    return where


def _first_id(at: datetime, shift: timedelta) -> UUID:
    """The lowest UUIDv7 of a millisecond. RFC 9562, 5.7."""
    milliseconds = int(at.timestamp() * 1000) + int(shift.total_seconds() * 1000)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
