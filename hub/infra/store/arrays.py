"""Columns for `unnest`, written as PostgreSQL's own array literals.

asyncpg takes lists too, but asks two abstract base classes about every element of every column whether it is a list
itself; that was a third of all that a busy worker's processor did. A literal is one string, and PostgreSQL reads it as
fast. https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

Element = UUID | str | int | float | datetime | None


def literal(values: Sequence[Element]) -> str | None:
    """A column as an array literal, to be bound as text and cast to its type.

    A column of nothing but NULLs is NULL itself: `unnest` fills up what is shorter.
    """
    if not any(value is not None for value in values):
        return None
    return f"{{{','.join(_written(values))}}}"


def _written(values: Sequence[Element]) -> Iterable[str]:
    return map(_WRITERS.get(type(next(value for value in values if value is not None)), _plain), values)


def _quoted(value: Element) -> str:
    if value is None:
        return "NULL"
    text = str(value)
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    if '"' in text:
        text = text.replace('"', '\\"')
    return f'"{text}"'


def _hex(value: Element) -> str:
    return value.hex if isinstance(value, UUID) else "NULL"


def _moment(value: Element) -> str:
    return value.isoformat() if isinstance(value, datetime) else "NULL"


def _plain(value: Element) -> str:
    return "NULL" if value is None else str(value)


_WRITERS: Mapping[type, Callable[[Element], str]] = {str: _quoted, UUID: _hex, datetime: _moment}
