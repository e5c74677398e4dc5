"""What was asked for, understood; and how it is written down again."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never
from uuid import UUID

from hub.domain.search.fields import WORD, Field, Kind, Language

Operator = Literal["=", ">", ">=", "<", "<="]


@dataclass(frozen=True, slots=True)
class Name:
    """A text; `prefix`: whatever begins so."""

    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number, and how to compare with it."""

    operator: Operator
    number: int


@dataclass(frozen=True, slots=True)
class Moment:
    """A time in UTC, and how it was given: a saved `2h` stays two hours before whenever it is asked."""

    text: str
    at: datetime


Value = Name | Comparison | Moment | UUID


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: the field has any of the values, or none of them."""

    field: Field
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Terms that must all hold.

    Attributes:
        hints: what may have been meant instead, for people; a query with hints is as good as any.
    """

    language: Language
    terms: tuple[Term, ...] = ()
    hints: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(_written(term, self.language) for term in self.terms)

    def having(self, name: str) -> tuple[Term, ...]:
        """The terms about a field that must hold; not those that must not."""
        return tuple(term for term in self.terms if term.field.name == name and not term.negated)

    def without(self, name: str) -> "Query":
        """The same, whatever a field is."""
        return Query(self.language, tuple(term for term in self.terms if term.field.name != name))


# A name before a colon is a field, or the kind of a business key.
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*+(?=:)")
_PLAIN_WORD = re.compile(r"[^\s\":*-][^\s\":*]*")
_PLAIN_VALUE = re.compile(r"[^\s\",*][^\s,\"*]*")


def _written(term: Term, language: Language) -> str:
    minus = "-" if term.negated else ""
    if term.field is WORD:
        return minus + _quoted(term.values[0], _PLAIN_WORD)
    if term.field.kind is Kind.TAG and len(term.values) == 1 and _is_key(term.values[0], language):
        return minus + str(_bare(term.values[0]))
    return f"{minus}{term.field.name}:" + ",".join(_quoted(value, _PLAIN_VALUE) for value in term.values)


def _is_key(value: Value, language: Language) -> bool:
    """Whether a tag can be written as it is: `order:1234`."""
    text = _bare(value)
    named = FIELD_NAME.match(text)
    return bool(named and not language.find(named[0]) and _PLAIN_VALUE.fullmatch(text[named.end() + 1 :]))


def _quoted(value: Value, plain: re.Pattern[str]) -> str:
    text = _bare(value)
    if isinstance(value, Name):
        whole = plain.fullmatch(text) or (value.prefix and not text)
        text = text if whole else '"{}"'.format(text.replace("\\", "\\\\").replace('"', '\\"'))
        return text + "*" * value.prefix
    return text


def _bare(value: Value) -> str:
    match value:
        case Name():
            return value.text
        case Comparison():
            return f"{'' if value.operator == '=' else value.operator}{value.number}"
        case Moment():
            return value.text
        case UUID():
            return str(value)
        case _:
            assert_never(value)
