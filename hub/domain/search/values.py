"""Reading one value of a field."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import NoReturn, assert_never, get_args
from uuid import UUID

from hub.domain.errors import Invalid, Problem
from hub.domain.search.fields import Field, Kind
from hub.domain.search.query import Comparison, Moment, Name, Operator, Value

_COMPARISON = re.compile(r"(>=|<=|>|<|=)?([0-9]{1,9})")
_AGO = re.compile(r"([0-9]{1,6})([smhdw])", re.IGNORECASE)
_UNIT = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"})
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class NotUnderstood(Invalid):
    """A search that cannot be read.

    Args:
        at: where, in characters from 0.
        what: why, and what to write instead.
    """

    code = "invalid_search"

    def __init__(self, at: int, what: str) -> None:
        super().__init__(f"character {at + 1} of the search: {what}", problems=(Problem("/query/q", what),))
        self.at = at
        self.what = what


@dataclass(frozen=True, slots=True)
class Piece:
    """A value as written, and where; `open_end`: behind its closing quote stands a `*`, for anything that follows."""

    at: int
    text: str
    quoted: bool = False
    open_end: bool = False


def value_of(field: Field, piece: Piece, now: datetime) -> Value:
    """A value as its field takes it. Raises NotUnderstood for what it does not take."""
    match field.kind:
        case Kind.CHOICE:
            return _choice(field, piece)
        case Kind.NAME:
            return _name(piece)
        case Kind.EXACT | Kind.TAG | Kind.TEXT | Kind.WORD:
            return _exact(field, piece)
        case Kind.ID:
            return _id(field, piece)
        case Kind.NUMBER:
            return _number(field, piece)
        case Kind.TIME:
            return _moment(field, piece, now)
        case _:
            assert_never(field.kind)


def _choice(field: Field, piece: Piece) -> Name:
    if piece.text.lower() in field.choices and not piece.open_end:
        return Name(piece.text.lower())
    near = get_close_matches(piece.text[:40].lower(), field.choices, 1)
    instead = f"did you mean {near[0]}?" if near else "there are " + ", ".join(field.choices)
    raise NotUnderstood(piece.at, f"{field.name}: there is no '{shown(piece.text)}', {instead}")


def _name(piece: Piece) -> Name:
    if piece.quoted:
        return Name(piece.text, prefix=piece.open_end)
    return Name(piece.text.removesuffix("*"), prefix=piece.text.endswith("*"))


def _exact(field: Field, piece: Piece) -> Name:
    if piece.open_end:
        raise NotUnderstood(
            piece.at, f"{field.name}: takes {field.kind.value}, so leave out the * after the quote"
        )
    return Name(piece.text)


def is_id(word: str) -> bool:
    """Whether a word is an id of the hub's, or looks like one."""
    return _UUID.fullmatch(word) is not None


def _id(field: Field, piece: Piece) -> UUID:
    if not is_id(piece.text):
        _refuse(field, piece, f"takes whole ids, as {field.example}")
    return UUID(piece.text)


def _number(field: Field, piece: Piece) -> Comparison:
    found = _COMPARISON.fullmatch(piece.text)
    if found is None:
        _refuse(field, piece, f"takes {field.kind.value}")
    operator: Operator = next(known for known in get_args(Operator) if known == (found[1] or "="))
    return Comparison(operator, int(found[2]))


def _moment(field: Field, piece: Piece, now: datetime) -> Moment:
    try:
        if ago := _AGO.fullmatch(piece.text):
            passed = timedelta(**{_UNIT[ago[2].lower()]: int(ago[1])})
            return Moment(piece.text.lower(), now - passed)
        at = datetime.fromisoformat(piece.text)
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        _refuse(field, piece, f"takes {field.kind.value}")
    return Moment(at.isoformat().replace("+00:00", "Z"), at)


def _refuse(field: Field, piece: Piece, what: str) -> NoReturn:
    raise NotUnderstood(piece.at, f"{field.name}: {what}, not '{shown(piece.text)}'")


def shown(text: str) -> str:
    """What was typed, short enough for a sentence."""
    return text if len(text) <= 40 else f"{text[:39]}…"
