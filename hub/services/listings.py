"""Lists as the API answers them: a page of many, or all of a few."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, newest first.

    Attributes:
        items: at most `limit`.
        next_cursor: hand it back as `cursor` for what comes after; null at the end.
    """

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list that is short enough to be given whole.

    Attributes:
        items: all of them, by name.
    """

    items: list[T]
