"""Names that are not there, and what may have been meant."""

from collections.abc import Iterable
from difflib import get_close_matches

from hub.domain.errors import NotFound


def no_such(thing: str, name: str, known: Iterable[str]) -> NotFound:
    """Of a `thing` there is none of this name; one that is nearly it is named, so that a typing error is seen."""
    near = get_close_matches(name[:100], list(known), 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return NotFound(f"there is no {thing} {name[:100]!r}{meant}", code=f"unknown_{thing}")
