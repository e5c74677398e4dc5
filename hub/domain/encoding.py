"""How arguments are written into a path and into form fields."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from hub.domain.errors import Invalid, Problem

_PLACE = re.compile(r"\{(\w+)\}")


def fill(path: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Put arguments into a path's `{places}`; gives the path, and the arguments that are left.

    Raises:
        Invalid: an argument is missing, or cannot stand in a path.
    """
    names = set(_PLACE.findall(path))
    written = {name: _segment(name, fields.get(name)) for name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    return _PLACE.sub(lambda place: written[place[1]], path), rest


def _segment(name: str, value: Any) -> str:
    # Empty or made of dots only, it would name another resource (a list, a parent): no quoting prevents that.
    text = _scalar(value) if isinstance(value, str | int | float) else ""
    if not text.strip("."):
        message = f"{name} must be a value that can stand in a path"
        raise Invalid(message, code="invalid_path_argument", problems=(Problem(f"/{name}", message),))
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
