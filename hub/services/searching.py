"""Searches as conditions of statements. Values are bound; what is written into the text of a statement are constants of ours."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

import orjson

from hub.domain.search import EVENTS, Comparison, Kind, Moment, Name, Query, Term, Value, is_id
from hub.infra.store.reading import Where

# An id is made by a web process's clock, a row's time by the database's: how far the two may differ.
_SKEW = 5 * 60 * 1000  # milliseconds

_JOB_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "id": "j.id",
        "state": "j.state",
        "reason": "j.reason",
        "job": "j.name",
        "queue": "j.queue",
        "code": "j.error_code",
        "signature": "j.error_signature",
        "correlation": "j.correlation_id",
        "event": "j.event_id",
        "parent": "j.parent_id",
        "priority": "j.priority",
        "attempts": "j.attempt",
        "failures": "j.failures",
        # Not EXISTS: the planner would answer that for a list by reading all events there are into a hash.
        "source": "(SELECT e.source FROM events e WHERE e.id = j.event_id)",
    }
)
_EVENT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "id": "e.id",
        "source": "e.source",
        "type": "e.type",
        "external": "e.external_id",
        "correlation": "e.correlation_id",
        "subject": "e.subject",
    }
)
_CAUSE_COLUMNS: Mapping[str, str] = MappingProxyType(
    {"provider": "g.provider", "operation": "g.operation", "job": "g.job"}
)
_JOB_WORDS = ("j.name", "j.error_message", "j.error_code", "j.correlation_id", "CAST(j.tags AS text)")
_EVENT_WORDS = ("e.type", "e.external_id", "e.correlation_id", "e.subject")


def where_of(query: Query, prefix: str = "q") -> Where:
    """What a search means: conditions on `jobs j`, or on `events e` for a search among events.

    Nothing else need be joined. The parameters are named `q0`, `q1` and so on, or after another prefix.
    """
    return _written(_Events(prefix) if query.language is EVENTS else _Jobs(prefix), query.terms)


def causes_of(query: Query, prefix: str = "c") -> Where | None:
    """What a search means for `error_groups g`: every job it finds failed of one of these. None where it need not have.

    Codes do not count: not every error with a code has a group of that code.
    """
    terms = [term for term in query.terms if term.field.name in _CAUSE_COLUMNS and not term.negated]
    if all(term.field.name == "job" for term in terms):
        return None
    return _written(_Causes(prefix), terms)


def _written(writer: "_Writer", terms: Sequence[Term]) -> Where:
    where = Where()
    for term in terms:
        condition = writer.condition(term)
        where = where.and_(f"({condition}) IS NOT TRUE" if term.negated else condition)
    return Where(where.conditions, writer.values)


class _Writer:
    """Writes conditions, and keeps the values they name."""

    columns: Mapping[str, str]
    key: str
    time: str

    def __init__(self, prefix: str) -> None:
        self.values: dict[str, object] = {}
        self._prefix = prefix

    def condition(self, term: Term) -> str:
        field, values = term.field, term.values
        names = [value for value in values if isinstance(value, Name)]
        match field.kind:
            case Kind.WORD:
                any_of = [self.word(name.text) for name in names]
            case Kind.CHOICE:
                # Written out, so that the planner sees when a partial index serves it. Only what the parser knows is here.
                chosen = ", ".join(f"'{name.text}'" for name in names)
                any_of = [f"{self.columns[field.name]} IN ({chosen})"]
            case Kind.NAME | Kind.EXACT:
                any_of = [self.named(field.name, names)]
            case Kind.TAG:
                any_of = [self.tag(name.text) for name in names]
            case Kind.TEXT:
                any_of = [self.text(name.text) for name in names]
            case Kind.ID:
                any_of = [_is_one(self.columns[field.name], "uuid", self.bind, values)]
            case Kind.NUMBER:
                any_of = [self._compared(self.columns[field.name], value) for value in values]
            case Kind.TIME:
                any_of = [self._bounded(field.name, value) for value in values]
            case _:
                assert_never(field.kind)
        return _any(any_of)

    def bind(self, value: object) -> str:
        """The parameter that stands for a value."""
        name = f"{self._prefix}{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def named(self, field: str, names: list[Name]) -> str:
        return self.matching(self.columns[field], names)

    def matching(self, column: str, names: list[Name]) -> str:
        exact = [name.text for name in names if not name.prefix]
        begun = [
            f"starts_with({column}, CAST({self.bind(name.text)} AS text))" for name in names if name.prefix
        ]
        return _any([_is_one(column, "text", self.bind, exact), *begun] if exact else begun)

    def word(self, word: str) -> str:
        raise NotImplementedError

    def tag(self, tag: str) -> str:
        raise NotImplementedError

    def text(self, text: str) -> str:
        raise NotImplementedError

    def holding(self, columns: Iterable[str], text: str) -> str:
        """Any of the columns has this in it, in capitals or not."""
        pattern = self.bind(f"%{_literal(text)}%")
        return _any(f"{column} ILIKE {pattern}" for column in columns)

    def _compared(self, column: str, value: Value) -> str:
        assert isinstance(value, Comparison)
        return f"{column} {value.operator} CAST({self.bind(value.number)} AS integer)"

    def _bounded(self, field: str, value: Value) -> str:
        """From `since` on, and without `until`; bounds on the id as well, so that the primary key serves it."""
        assert isinstance(value, Moment)
        operator = ">=" if field == "since" else "<"
        at, key = self.bind(value.at), self.bind(first_id(value.at, early=field == "since"))
        return (
            f"{self.time} {operator} CAST({at} AS timestamptz) AND {self.key} {operator} CAST({key} AS uuid)"
        )


class _Jobs(_Writer):
    columns = _JOB_COLUMNS
    key = "j.id"
    time = "j.created_at"

    def named(self, field: str, names: list[Name]) -> str:
        match field:
            case "application":
                found = f"SELECT id FROM applications WHERE {self.matching('name', names)}"  # noqa: S608 - values are bound
                # One name stands for one id: the index by application then gives its jobs in order.
                single = len(names) == 1 and not names[0].prefix
                return (
                    f"j.application_id = ({found})" if single else f"j.application_id = ANY(ARRAY({found}))"
                )
            case "provider" | "operation":
                # What is known of a cause is known of each error that has it.
                which = f"g.{field} <> '' AND {self.matching(f'g.{field}', names)}"
                found = f"SELECT g.signature FROM error_groups g WHERE {which}"  # noqa: S608 - values are bound
                return f"j.error_signature = ANY(ARRAY({found}))"
            case _:
                return super().named(field, names)

    def tag(self, tag: str) -> str:
        return f"(j.tags <> '[]' AND j.tags @> CAST({self.bind(orjson.dumps([tag]).decode())} AS jsonb))"

    def text(self, text: str) -> str:
        return self.holding(("j.error_message", "j.error_code"), text)

    def word(self, word: str) -> str:
        if not is_id(word):
            return self.holding(_JOB_WORDS, word)
        # Only what has an index: an id is found at once, however much there is.
        key, text = self.bind(UUID(word)), self.bind(word)
        return (
            f"(j.id = CAST({key} AS uuid) OR j.event_id = CAST({key} AS uuid)"
            f" OR j.correlation_id = CAST({text} AS text) OR {self.tag(word)})"
        )


class _Causes(_Writer):
    columns = _CAUSE_COLUMNS

    def named(self, field: str, names: list[Name]) -> str:
        # Where a name is asked for, none is not one.
        return f"{self.columns[field]} <> '' AND {super().named(field, names)}"


class _Events(_Writer):
    columns = _EVENT_COLUMNS
    key = "e.id"
    time = "e.received_at"

    def word(self, word: str) -> str:
        if not is_id(word):
            return self.holding(_EVENT_WORDS, word)
        key, text = f"CAST({self.bind(UUID(word))} AS uuid)", self.bind(word)
        of_job = f"SELECT event_id FROM jobs WHERE id = {key}"  # noqa: S608 - the value is bound
        return f"(e.id = {key} OR e.correlation_id = CAST({text} AS text) OR e.id = ({of_job}))"


def _is_one(column: str, kind: str, bind: Callable[[object], str], values: Sequence[object]) -> str:
    if len(values) == 1:
        return f"{column} = CAST({bind(values[0])} AS {kind})"
    return f"{column} = ANY(CAST({bind(list(values))} AS {kind}[]))"


def _any(conditions: Iterable[str]) -> str:
    every = list(conditions)
    return every[0] if len(every) == 1 else "({})".format(" OR ".join(every))


def time_of(key: UUID) -> datetime:
    """When a UUIDv7 was made."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC)


def first_id(at: datetime, *, early: bool) -> UUID:
    """The lowest UUIDv7 that a row of this time can have, or, not early, one above all that rows before it can have."""
    milliseconds = int(at.timestamp() * 1000) + (-_SKEW if early else _SKEW)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)  # RFC 9562, 5.7


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
