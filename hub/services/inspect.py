"""Looking at jobs, events and queues. Reads only, and only what the caller may see."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from hub.domain.access import Principal, Scope
from hub.domain.errors import NotFound
from hub.domain.jobs import JobState
from hub.domain.search import Query
from hub.infra.store.reading import (
    ReadingStore,
    Where,
)
from hub.registry import Registry
from hub.services.cursors import format_cursor, parse_cursor
from hub.services.event_views import EventDetail, EventView
from hub.services.filters import EventFilter, JobFilter
from hub.services.finding import Find, Found, SearchedPage, Tally
from hub.services.fleet_views import QueueView
from hub.services.job_views import JobDetail, JobView
from hub.services.names import no_such
from hub.services.showing import (
    event_detail,
    event_view,
    job_detail,
    job_view,
    queue_view,
)
from hub.services.waiting import Waiting

_MINUTE = timedelta(minutes=1)
T = TypeVar("T")


class Inspect:
    """Reads for people and programs.

    Args:
        store: where it reads.
        find: searches for what it lists.
        registry: what there is, whose words say where an effect can be looked up.
    """

    def __init__(self, store: ReadingStore, find: Find, registry: Registry) -> None:
        self._store = store
        self._find = find
        self._registry = registry
        self.waiting = Waiting(store.unsettled)

    async def list_jobs(
        self, principal: Principal, wanted: JobFilter | Query, *, limit: int = 50, cursor: str | None = None
    ) -> SearchedPage[JobView]:
        """Jobs that the caller may see, newest first. Raises Invalid for a bad cursor."""
        query = wanted if isinstance(wanted, Query) else wanted.query()
        own = None if principal.sees_all else principal.application
        after = None if cursor is None else parse_cursor("jobs", cursor)
        found = await self._find.page(query, limit=limit, after=after, own=own)
        where = Where(("j.id = ANY(CAST(:ids AS uuid[]))",), {"ids": found.ids})
        records = await self._store.jobs(where, limit) if found.ids else []
        return _page("jobs", [job_view(record) for record in records], found)

    async def tally_jobs(self, principal: Principal, query: Query) -> dict[JobState, Tally]:
        """How many of a search's jobs are in each state, as far as that is cheap to tell."""
        return await self._find.tally(query, own=None if principal.sees_all else principal.application)

    async def get_job(self, principal: Principal, job: UUID) -> JobDetail:
        """One job with all that is known of it. Raises NotFound if there is none, or not for this caller."""
        file = await self._store.job(_visible(principal, Where(("j.id = CAST(:id AS uuid)",), {"id": job})))
        if file is None:
            raise NotFound(f"there is no job {job}", code="unknown_job_id")
        detail = job_detail(file, self._registry.providers)
        if file.record.event_id is not None and not principal.may(Scope.EVENTS_READ):
            # Edited, they are the event's body, all of it.
            return replace(detail, args=None)
        return detail

    async def find_jobs(self, principal: Principal, jobs: Sequence[UUID]) -> dict[UUID, JobView]:
        """Those of the jobs that there are and that the caller may see, in one look."""
        where = _visible(principal, Where(("j.id = ANY(CAST(:ids AS uuid[]))",), {"ids": list(jobs)}))
        return {record.id: job_view(record) for record in await self._store.jobs(where, len(jobs))}

    async def wait_settled(self, jobs: Sequence[UUID], timeout: float) -> None:  # noqa: ASYNC109 - callers give seconds
        """Return when all of the jobs are settled or gone, or after `timeout` seconds."""
        await self.waiting.settled(jobs, timeout)

    async def list_events(
        self, wanted: EventFilter | Query, *, limit: int = 50, cursor: str | None = None
    ) -> SearchedPage[EventView]:
        """Events, newest first. Raises Invalid for a bad cursor."""
        query = wanted if isinstance(wanted, Query) else wanted.query()
        after = None if cursor is None else parse_cursor("events", cursor)
        found = await self._find.page(query, limit=limit, after=after)
        where = Where(("e.id = ANY(CAST(:ids AS uuid[]))",), {"ids": found.ids})
        records = await self._store.events(where, limit) if found.ids else []
        return _page("events", [event_view(record) for record in records], found)

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
        raise no_such("queue", name, self._registry.queues)

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


def _page(kind: str, items: list[T], found: Found) -> SearchedPage[T]:
    following = None if found.last is None else format_cursor(kind, found.last)
    return SearchedPage(items, following, found.searched_to)
