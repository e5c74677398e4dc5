"""One job whole, or all that belongs together: what happened, in order of time.

The records come from `hub.infra.store.timeline`; `telling` and `telling_outside` put them into words.
"""

import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hub.domain.access import Principal, Scope
from hub.domain.errors import NotFound
from hub.domain.jobs import JobState
from hub.domain.redaction import Redactor
from hub.domain.timeline import Entry, Place, page_of
from hub.infra.store.stories import StoryEvent, StoryJob
from hub.infra.store.timeline import MOST_JOBS, Span, TimelineStore
from hub.services.cursors import seal, unseal
from hub.services.telling import told_of_attempts, told_of_job, told_of_steps
from hub.services.telling_outside import Sight, told_of_events, told_of_notes
from hub.services.timeline_views import EventStory, TimelineEntry, TimelineJob, TimelineView

_KIND = "timeline"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = struct.Struct(">qB")


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a timeline is wanted."""

    limit: int = 100
    cursor: str | None = None
    newest_first: bool = False


class Timeline:
    """Tells what is on record.

    Args:
        store: where it is.
        redactor: takes out what must not be shown.
        sources: whose events are about something.
    """

    def __init__(self, store: TimelineStore, redactor: Redactor, sources: Sequence[str]) -> None:
        self._store = store
        self._redactor = redactor
        self._sources = sources

    async def of_job(self, principal: Principal, job: UUID, part: Part) -> TimelineView:
        """One job from the inbound request to its end.

        Raises:
            NotFound: there is no such job, or not for this caller.
            Invalid: the cursor is not one.
        """
        jobs = await self._store.job(job, _application(principal))
        if not jobs:
            raise NotFound(f"there is no job {job}", code="unknown_job_id")
        paused = {jobs[0].queue: jobs[0].created_at}
        return await self._told(principal, jobs, part, self._events_of(jobs), paused)

    async def correlated(self, principal: Principal, correlation_id: str, part: Part) -> TimelineView:
        """All that has one correlation id: events, and the newest jobs. Raises Invalid."""
        jobs = await self._store.correlated(correlation_id, _application(principal))
        return await self._told(
            principal, jobs, part, lambda span: self._store.events_of(correlation_id, span)
        )

    async def tagged(self, principal: Principal, tag: str, part: Part) -> TimelineView:
        """The newest jobs with one tag, such as `order:1042`, and the events that started them. Raises Invalid."""
        jobs = await self._store.tagged(tag, _application(principal))
        return await self._told(principal, jobs, part, self._events_of(jobs))

    async def about(self, principal: Principal, subject: str, part: Part) -> TimelineView:
        """Events about one thing, such as a payment's id, and the jobs they concern. Raises Invalid."""
        jobs = await self._store.about(subject, self._sources, _application(principal))
        events = lambda span: self._store.events_about(subject, self._sources, span)  # noqa: E731
        return await self._told(principal, jobs, part, events)

    async def of_event(self, principal: Principal, event: UUID) -> EventStory:
        """What came in, as far as the caller may see it. Raises NotFound."""
        found = await self._store.events([event], Span(None, 1))
        if not found:
            raise NotFound(f"there is no event {event}", code="unknown_event_id")
        sight = Sight(principal.may(Scope.EVENTS_READ))
        [told] = told_of_events(found, sight, self._redactor)
        return EventStory(**told.detail, received_at=told.at, raw=sight.raw)

    def _events_of(self, jobs: Sequence[StoryJob]) -> "Events":
        ids = list({job.event_id for job in jobs if job.event_id is not None})
        return lambda span: self._store.events(ids, span)

    async def _told(
        self,
        principal: Principal,
        found: Sequence[StoryJob],
        part: Part,
        events: "Events",
        queues: Mapping[str, datetime] | None = None,
    ) -> TimelineView:
        after = _parse(part.cursor) if part.cursor else None
        # One more than is shown, to know whether there are more, besides the one that was shown last.
        span = Span(
            after.at if after else None,
            part.limit + 2,
            part.newest_first,
            beyond=after.event if after else None,
        )
        jobs = found[:MOST_JOBS]
        entries = [
            entry
            for told in (
                await self._records(principal, jobs, span),
                await self._received(principal, events, span),
                await self._actions(jobs, queues or {}, span),
            )
            for entry in told
        ]
        shown, last = page_of(entries, limit=part.limit, after=after, newest_first=part.newest_first)
        return TimelineView(
            [_view(entry) for entry in shown],
            _format(last) if last else None,
            [TimelineJob(job.id, job.name, JobState(job.state), job.created_at) for job in jobs],
            len(found) > MOST_JOBS,
        )

    async def _records(self, principal: Principal, jobs: Sequence[StoryJob], span: Span) -> Iterable[Entry]:
        ids, by_id = [job.id for job in jobs], {job.id: job for job in jobs}
        attempts = await self._store.attempts(ids, span)
        if not principal.sees_all:
            attempts = [replace(one, host=None, pid=None) for one in attempts]
        steps = await self._store.steps(ids, span)
        return [
            *(entry for job in jobs for entry in told_of_job(job)),
            *told_of_attempts(attempts, by_id),
            *told_of_steps(steps, self._redactor),
        ]

    async def _received(self, principal: Principal, events: "Events", span: Span) -> Iterable[Entry]:
        if not principal.may(Scope.EVENTS_LIST):
            return ()
        return told_of_events(await events(span), Sight(principal.may(Scope.EVENTS_READ)), self._redactor)

    async def _actions(
        self, jobs: Sequence[StoryJob], queues: Mapping[str, datetime], span: Span
    ) -> Iterable[Entry]:
        """What people did to the jobs, to the events that started them, and, while a job was there, to its queue."""
        since = {str(job.id): _EPOCH for job in jobs}
        since |= {str(job.event_id): _EPOCH for job in jobs if job.event_id is not None}
        since |= queues
        by_id = {str(job.id): job.id for job in jobs}
        notes = await self._store.notes(list(since), span, list(since.values()))
        ended = jobs[0].settled_at if queues and jobs else None
        relevant = [note for note in notes if not (note.subject in queues and ended and note.at > ended)]
        planned = await self._store.planned([job.id for job in jobs], span)
        return told_of_notes([*relevant, *planned], self._redactor, by_id.get)


Events = Callable[[Span], Awaitable[list[StoryEvent]]]


def _application(principal: Principal) -> UUID | None:
    return None if principal.sees_all else principal.application


def _view(entry: Entry) -> TimelineEntry:
    return TimelineEntry(entry.at, entry.ended_at, entry.kind, entry.job, entry.text, entry.detail)


def _format(place: Place) -> str:
    micros = (place.at - _EPOCH) // timedelta(microseconds=1)
    return seal(_KIND, _PLACE.pack(micros, place.rank) + place.ref.encode())


def _parse(cursor: str) -> Place:
    return unseal(_KIND, cursor, _place)


def _place(raw: bytes) -> Place:
    micros, rank = _PLACE.unpack(raw[: _PLACE.size])
    place = Place(_EPOCH + timedelta(microseconds=micros), rank, raw[_PLACE.size :].decode())
    _ = place.event  # of a made-up cursor it may be none
    return place
