"""Filters of lists as separate values, as the API's parameters and the options of commands give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hub.domain.jobs import JobState
from hub.domain.search import EVENTS, JOBS, Language, Moment, Name, Query, Term, Value


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; what is not given does not matter.

    Attributes:
        search: what must hold besides.
    """

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
    search: Query = field(default=Query(JOBS))

    def query(self) -> Query:
        """The same as a search."""
        given: dict[str, Sequence[str | UUID | datetime | None]] = {
            "state": [state.value for state in self.states],
            "job": [self.job],
            "queue": [self.queue],
            "application": [self.application],
            "signature": [self.signature],
            "tag": [self.tag],
            "correlation": [self.correlation_id],
            "event": [self.event_id],
            "since": [self.created_after],
            "until": [self.created_before],
            "error": [self.text],
        }
        return _also(self.search, JOBS, given)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; what is not given does not matter.

    Attributes:
        search: what must hold besides.
    """

    source: str | None = None
    type: str | None = None
    external_id: str | None = None
    correlation_id: str | None = None
    received_after: datetime | None = None
    received_before: datetime | None = None
    search: Query = field(default=Query(EVENTS))

    def query(self) -> Query:
        """The same as a search."""
        given: dict[str, Sequence[str | UUID | datetime | None]] = {
            "source": [self.source],
            "type": [self.type],
            "external": [self.external_id],
            "correlation": [self.correlation_id],
            "since": [self.received_after],
            "until": [self.received_before],
        }
        return _also(self.search, EVENTS, given)


def _also(
    query: Query, language: Language, given: Mapping[str, Sequence[str | UUID | datetime | None]]
) -> Query:
    terms = list(query.terms)
    for name, values in given.items():
        one = language.find(name)
        assert one is not None
        if kept := tuple(_value(value) for value in values if value is not None):
            terms.append(Term(one, kept))
    return Query(language, tuple(terms), query.hints)


def _value(given: str | UUID | datetime) -> Value:
    if isinstance(given, datetime):
        return Moment(given.isoformat(), given)
    return given if isinstance(given, UUID) else Name(given)
