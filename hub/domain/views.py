"""Searches that people keep under a name."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.domain.errors import Invalid, Problem
from hub.domain.search import EVENTS, JOBS, Language, parse

MAX_NAME = 60
MAX_VIEWS = 50  # of one person, or of all together


class Listed(StrEnum):
    """The lists that can be searched."""

    JOBS = "jobs"
    EVENTS = "events"

    @property
    def language(self) -> Language:
        """What its searches are written in."""
        return EVENTS if self is Listed.EVENTS else JOBS


@dataclass(frozen=True, slots=True)
class NewView:
    """A view as it is asked for.

    Attributes:
        shared: everybody's, not one's own.
    """

    name: str
    page: Listed
    query: str
    shared: bool = False


def judged(view: NewView, now: datetime) -> NewView:
    """The view with its search as it is kept. Raises Invalid for a name or search that cannot be."""
    name = " ".join(view.name.split())
    if not 0 < len(name) <= MAX_NAME:
        raise _wrong("/name", f"a name of 1 to {MAX_NAME} characters is needed")
    return replace(view, name=name, query=str(parse(view.query, now, view.page.language)))


def _wrong(pointer: str, what: str) -> Invalid:
    return Invalid(what, problems=(Problem(pointer, what),))


@dataclass(frozen=True, slots=True)
class SavedView:
    """A search that somebody keeps.

    Attributes:
        id: a UUIDv7.
        name: unique among one's own, or among everybody's, of a page.
        page: what it searches.
        query: the search.
        shared: everybody sees it.
        default: what the page shows its owner who asks for nothing else.
        created_at: when it was kept.
    """

    id: UUID
    name: str
    page: Listed
    query: str
    shared: bool
    default: bool
    created_at: datetime
