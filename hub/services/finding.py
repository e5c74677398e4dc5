"""Lists of whatever is searched for, each page within a moment.

What few things can satisfy is looked up by an index; what many may is walked from the newest back until the page is full or the
time is over. Then the page says how far the search has come, and its cursor goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from typing import TypeVar
from uuid import UUID

from hub.domain.jobs import JobState
from hub.domain.search import EVENTS, Kind, Moment, Name, Query, Term, is_id
from hub.infra.store.finding import EVENTS as EVENTS_TABLE
from hub.infra.store.finding import JOBS as JOBS_TABLE
from hub.infra.store.finding import FindingStore, Span, Table
from hub.infra.store.reading import Where
from hub.services.listings import Page
from hub.services.searching import causes_of, first_id, time_of, where_of

T = TypeVar("T")

_FEW = 2_000  # so many rows are read and sorted within 10 ms
_TALLY = 1_000  # so many of each state are looked at for the tabs
_PATHS = 32  # so many are merged without the planning being the most of it


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a page may cost.

    Attributes:
        seconds: of walking; what is on its way then is finished.
        first: rows looked at in the first step.
        most: rows looked at in any step.
        timer: seconds, from anywhere.
    """

    seconds: float = 0.04
    first: int = 500
    most: int = 20_000
    timer: Callable[[], float] = perf_counter


@dataclass(frozen=True, slots=True)
class Found:
    """A part of what there is.

    Attributes:
        ids: newest first.
        last: where the next part begins; None at the end.
        searched_to: how far back the search came, if that is why there are not more.
    """

    ids: list[UUID]
    last: UUID | None = None
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class SearchedPage(Page[T]):
    """A part of a list that was searched for.

    Attributes:
        searched_to: null, unless the search stopped to stay quick before the page was full: then everything since this time
            has been looked at, and `next_cursor` goes on from there.
    """

    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """A count; where it is not exact there may be more."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Route:
    """How to get at what satisfies a search.

    Attributes:
        few: conditions of which one holds for all of it and only for little more, as it seems; empty if there are none.
        paths: conditions to walk along.
        span: the ids among which it is.
    """

    few: tuple[Where, ...]
    paths: tuple[Where, ...]
    span: Span


class Find:
    """Searches jobs and events.

    Args:
        store: where it looks.
        pace: what a page may cost.
    """

    def __init__(self, store: FindingStore, pace: Pace | None = None) -> None:
        self._store = store
        self._pace = pace or Pace()

    async def page(
        self, query: Query, *, limit: int, after: UUID | None = None, own: UUID | None = None
    ) -> Found:
        """A part of what satisfies a search, newest first.

        Args:
            query: the search.
            limit: at most so many.
            after: `last` of the part before.
            own: the application whose jobs alone may be seen.
        """
        table = EVENTS_TABLE if query.language is EVENTS else JOBS_TABLE
        route, where = route_of(query, own), where_of(query)
        if own is not None:
            where = where.and_(_OWN, own=own)
        if after is not None:
            route = replace(route, span=Span(route.span.low, min(route.span.high, after)))
        began = self._pace.timer()
        if route.few and await self._store.count(table, route.few, _FEW + 1) <= _FEW:
            ids = await self._store.among(table, route.few, route.span, where, most=_FEW + 1, limit=limit + 1)
            return _cut(ids, limit)
        if (causes := causes_of(query)) is not None:
            signatures = await self._store.causes(causes, _PATHS + 1)
            if len(signatures) <= _PATHS:
                route = replace(route, paths=_by_signature(signatures))
        return await self._walk(table, route, where, limit, began) if route.paths else Found([])

    async def tally(self, query: Query, *, own: UUID | None = None) -> dict[JobState, Tally]:
        """How many jobs are in each state, whatever state the search asks for; bounded, and silent where it cannot be told."""
        query = query.without("state")
        where = where_of(query) if own is None else where_of(query).and_(_OWN, own=own)
        few = route_of(query).few
        if few and await self._store.count(JOBS_TABLE, few, _FEW + 1) <= _FEW:
            counts = dict(await self._store.tally_few(few, where, _FEW + 1))
            return {state: Tally(counts.get(state, 0), exact=True) for state in JobState}
        told = await self._store.tally(_KINDS, where, _TALLY)
        return {
            JobState(state): Tally(fitting, exact=looked < _TALLY)
            for state, fitting, looked in told
            if fitting or looked < _TALLY
        }

    async def _walk(self, table: Table, route: Route, where: Where, limit: int, began: float) -> Found:
        pace, span, window, looked, ids = self._pace, route.span, self._pace.first, 0, list[UUID]()
        while True:
            last = await self._store.end_of(table, route.paths, span, window)
            step = Span(span.low if last is None else last, span.high)
            ids += await self._store.on(
                table, route.paths, step, where, window=window, limit=limit + 1 - len(ids)
            )
            if len(ids) > limit or last is None:
                return _cut(ids, limit)
            span, looked = Span(span.low, last), looked + window
            window = self._next(window, looked, pace.timer() - began)
            if window <= 0:
                return Found(ids, last, time_of(last))

    def _next(self, window: int, looked: int, passed: float) -> int:
        """As many rows as there is time for at the speed so far, but no leap; 0 when the time is over."""
        left = self._pace.seconds - passed
        if left <= 0:
            return 0
        affordable = int(looked * left / passed) if passed > 0 else self._pace.most
        return max(min(affordable, window * 4, self._pace.most), self._pace.first)


def route_of(query: Query, own: UUID | None = None) -> Route:
    """How to get at what satisfies a search, as far as the search itself tells."""
    if query.language is EVENTS:
        return Route(_few_events(query), _paths_of_events(query), _span(query))
    return Route(_few_jobs(query), _paths_of_jobs(query, own), _span(query))


_OWN = "j.application_id = CAST(:own AS uuid)"
# Few as long as the hub keeps up; each is served by its partial index.
_OPEN = {
    JobState.QUEUED: ("j.state = 'queued' AND j.dispatched_at IS NULL", "j.dispatched_at IS NOT NULL"),
    JobState.SCHEDULED: ("j.state = 'scheduled'",),
    JobState.RETRYING: ("j.state = 'retrying'",),
    JobState.WAITING: ("j.state = 'waiting'",),
    JobState.RUNNING: ("j.state = 'running'",),
    JobState.HELD: ("j.state = 'held'",),
}
# What is counted for the tabs of a list: all states but the one of which there is no end.
_KINDS = {
    **{state.value: tuple(Where((kind,)) for kind in kinds) for state, kinds in _OPEN.items()},
    **{state: (Where((f"j.state = '{state}'",)),) for state in ("failed", "cancelled")},
}
# Both unique keys of events begin with the source, of which there are few: looked up one after the other.
_SOURCES = """e.source = ANY(ARRAY(
    WITH RECURSIVE known AS (
        (SELECT source FROM events ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT source FROM events WHERE source > known.source ORDER BY source LIMIT 1) FROM known
        WHERE known.source IS NOT NULL
    ) SELECT source FROM known WHERE source IS NOT NULL
))"""


def _few_jobs(query: Query) -> tuple[Where, ...]:
    for name in ("id", "event", "parent", "correlation", "tag"):
        if terms := query.having(name):
            return (_meaning(query, terms),)
    if terms := _ids_among_words(query):
        return (_meaning(query, terms[:1]),)
    states = {JobState(state) for state in _names(query, "state")}
    if states and states <= _OPEN.keys():
        return tuple(Where((kind,)) for state in sorted(states) for kind in _OPEN[state])
    return ()


def _few_events(query: Query) -> tuple[Where, ...]:
    for name in ("id", "correlation"):
        if terms := query.having(name):
            return (_meaning(query, terms),)
    for name in ("external", "subject"):
        if terms := query.having(name):
            return (_meaning(query, terms).and_(_SOURCES),)
    if terms := _ids_among_words(query):
        return (_meaning(query, terms[:1]),)
    return ()


def _paths_of_jobs(query: Query, own: UUID | None) -> tuple[Where, ...]:
    if signatures := _names(query, "signature"):
        return _by_signature(signatures)
    if own is not None:
        return (Where((_OWN,), {"own": own}),)
    states = dict.fromkeys(_names(query, "state"))
    if states and states.keys() <= {"failed", "cancelled"}:
        return tuple(Where((f"j.state = '{state}'",)) for state in states)
    applications = query.having("application")
    if applications and len(applications[0].values) == 1 and not _begun(applications[0]):
        return (_meaning(query, applications),)
    return (Where(),)


def _paths_of_events(query: Query) -> tuple[Where, ...]:
    types = query.having("type")
    if types and not any(map(_begun, types)):
        return tuple(
            Where((f"e.type = CAST(:type{number} AS text)",), {f"type{number}": name})
            for number, name in enumerate(dict.fromkeys(_names(query, "type")))
        )
    return (Where(),)


def _by_signature(signatures: list[str]) -> tuple[Where, ...]:
    return tuple(
        Where((f"j.error_signature = CAST(:cause{number} AS text)",), {f"cause{number}": signature})
        for number, signature in enumerate(dict.fromkeys(signatures))
    )


def _span(query: Query) -> Span:
    span = Span()
    for term in query.terms:
        match term.field.name, term.values[0]:
            case "since", Moment(at=at):
                span = Span(max(span.low, first_id(at, early=True)), span.high)
            case "until", Moment(at=at):
                span = Span(span.low, min(span.high, first_id(at, early=False)))
    return span


def _meaning(query: Query, terms: tuple[Term, ...]) -> Where:
    return where_of(Query(query.language, terms), "f")


def _ids_among_words(query: Query) -> tuple[Term, ...]:
    words = (term for term in query.terms if term.field.kind is Kind.WORD and not term.negated)
    return tuple(term for term in words if isinstance(term.values[0], Name) and is_id(term.values[0].text))


def _names(query: Query, field: str) -> list[str]:
    return [value.text for term in query.having(field) for value in term.values if isinstance(value, Name)]


def _begun(term: Term) -> bool:
    return any(isinstance(value, Name) and value.prefix for value in term.values)


def _cut(ids: list[UUID], limit: int) -> Found:
    return Found(ids[:limit], ids[limit - 1] if len(ids) > limit else None)
