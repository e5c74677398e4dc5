"""How arguments are written into a path and into form fields, and what PostgreSQL cannot hold."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hub.domain.errors import Rejected

_PLACE = re.compile(r"\{(\w+)\}")


def fill(path: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put arguments into a path's `{places}`; gives the path, and the arguments that are left.

    Raises:
        Rejected: an argument is missing, or cannot stand in a path; nothing is sent, and no repeat will help.
    """
    names = set(_PLACE.findall(path))
    written = {name: _segment(name, fields.get(name)) for name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    return _PLACE.sub(lambda place: written[place[1]], path), rest


def _segment(name: str, value: Any) -> str:
    # Empty or made of dots only, it would name another resource (a list, a parent): no quoting prevents that.
    text = _scalar(value) if isinstance(value, str | int | float) else ""
    if not text.strip("."):
        raise Rejected(f"{name} must be a value that can stand in a path", code="invalid_path_argument")
    return quote(text, safe="", errors="replace")


def flatten(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested values as form fields: `metadata[order]`, `items[0][price]`; booleans as true and false."""
    return [pair for name, value in fields.items() for pair in _walk(str(name), value)]


def _walk(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [pair for key, inner in value.items() for pair in _walk(f"{prefix}[{key}]", inner)]
    if isinstance(value, list | tuple):
        return [pair for index, inner in enumerate(value) for pair in _walk(f"{prefix}[{index}]", inner)]
    return [(prefix, _scalar(value))]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def without_nul(value: Any) -> Any:
    """A JSON value without NUL, which PostgreSQL's text and jsonb cannot hold."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case Mapping():
            return {without_nul(key): without_nul(item) for key, item in value.items()}
        case list() | tuple():
            return [without_nul(item) for item in value]
        case _:
            return value
