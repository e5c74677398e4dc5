"""Lists that are searched: jobs and events, the views of them that people keep, and what is done with a selection."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from multidict import CIMultiDict

from hub.domain.access import Scope
from hub.domain.errors import Invalid, NotFound
from hub.domain.jobs import JobState
from hub.domain.plans import Action
from hub.domain.search import JOBS, MAX_LENGTH, Name, NotUnderstood, Query, Term, parse
from hub.domain.views import Listed, NewView, SavedView
from hub.services.finding import SearchedPage, Tally
from hub.web.answers import dumps
from hub.web.console.page import Page, Visit
from hub.web.console.rendering import number
from hub.web.reading import id_in

_PAGE = 50
_MOST_SELECTED = 200
VIEWS = "/console/views"


async def show_jobs(visit: Visit) -> web.StreamResponse:
    """A part of the jobs that a search finds."""
    return await _show(visit, Listed.JOBS)


async def show_events(visit: Visit) -> web.StreamResponse:
    """A part of the events that a search finds."""
    return await _show(visit, Listed.EVENTS)


async def _show(visit: Visit, listed: Listed) -> web.StreamResponse:
    asked, views = visit.request.query.get("q"), await visit.hub.views.of(visit.principal)
    if asked is None and (first := _first(views, listed)):
        return visit.redirect(_address(listed, first.query))
    text = asked or ""
    query, wrong = _understood(visit, text, listed)
    found = _NOTHING if wrong else await _find(visit, query, listed)
    return visit.render(
        "list.html",
        status=422 if wrong else 200,
        listed=listed.value,
        search=text,
        query=query,
        wrong=wrong,
        views=views,
        page=found.page,
        tabs=found.tabs,
        tagged=tagged,
        about=_about(query),
        plan=f"/console/plans/new?{urlencode({'q': str(query), 'action': Action.RETRY.value})}",
    )


Tab = tuple[str, str, bool, str | None]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a list shows: a page of it, and the tabs above."""

    page: SearchedPage[Any] | None
    tabs: list[Tab]


_NOTHING = _Shown(None, [])


async def _find(visit: Visit, query: Query, listed: Listed) -> _Shown:
    cursor = visit.request.query.get("cursor")
    if listed is Listed.EVENTS:
        return _Shown(await visit.hub.inspect.list_events(query, limit=_PAGE, cursor=cursor), [])
    jobs = visit.hub.inspect.list_jobs(visit.principal, query, limit=_PAGE, cursor=cursor)
    # Further pages are of the same search, and say nothing new about how much there is of it.
    if cursor:
        return _Shown(await jobs, _tabs(query, {}))
    # At once: each may take as long as a page should.
    page, tally = await asyncio.gather(jobs, visit.hub.inspect.tally_jobs(visit.principal, query))
    return _Shown(page, _tabs(query, tally))


def tagged(tag: str) -> str:
    """The search for a tag."""
    field = JOBS.find("tag")
    assert field is not None
    return str(Query(JOBS, (Term(field, (Name(tag),)),)))


def _about(query: Query) -> str | None:
    """The one business key of what was searched for, of which there is a timeline."""
    match query.having("tag"):
        case (Term(values=(Name(text=tag, prefix=False),)),):
            return tag
        case _:
            return None


def _understood(visit: Visit, text: str, listed: Listed) -> tuple[Query, NotUnderstood | None]:
    try:
        return parse(text, visit.hub.clock(), listed.language), None
    except NotUnderstood as wrong:
        return Query(listed.language), wrong


def _first(views: list[SavedView], listed: Listed) -> SavedView | None:
    return next((view for view in views if view.default and view.page is listed), None)


def _address(listed: Listed, query: str) -> str:
    return f"/console/{listed.value}?{urlencode({'q': query})}"


def _tabs(query: Query, tally: Mapping[JobState, Tally]) -> list[Tab]:
    """Every state, with the rest of the search as it is."""
    rest = str(query.without("state"))
    here = [term for term in query.terms if term.field.name == "state"]
    told = str(Query(query.language, tuple(here)))
    tabs: list[Tab] = [("All", _address(Listed.JOBS, rest), not here, None)]
    for state in JobState:
        text = f"state:{state.value}"
        address = _address(Listed.JOBS, f"{text} {rest}".strip())
        tabs.append((state.value.capitalize(), address, told == text, _counted(tally.get(state))))
    return tabs


def _counted(tally: Tally | None) -> str | None:
    return None if tally is None else number(tally.count) + ("" if tally.exact else "+")


async def selected(visit: Visit) -> web.StreamResponse:
    """Go on with the jobs that were selected: to the dry run of a plan, which changes nothing yet."""
    try:
        ids = [UUID(text) for text in dict.fromkeys(visit.form.getall("job", []))]
        action = Action(visit.field("action") or "")
    except ValueError:
        raise Invalid("the form says nothing that can be done with jobs", code="unknown_action") from None
    if not ids:
        return visit.redirect(_address(Listed.JOBS, visit.form.get("q", "")), "nothing_selected")
    query = "id:" + ",".join(map(str, ids[:_MOST_SELECTED]))
    return visit.redirect(f"/console/plans/new?{urlencode({'q': query, 'action': action.value})}")


async def suggest(visit: Visit) -> web.StreamResponse:
    """How a search could go on, for the search box."""
    listed, query = _listed(visit.request.match_info["listed"]), visit.request.query
    cursor = query.get("cursor", "")
    at = int(cursor) if cursor.isdecimal() and len(cursor) < 6 else MAX_LENGTH
    text = query.get("q", "")[:MAX_LENGTH]
    found = await visit.hub.suggest.complete(visit.principal, text, at, listed.language)
    headers = CIMultiDict(visit.renderer.headers)
    headers["Content-Type"] = "application/json"
    return web.Response(body=dumps(found), headers=headers)


async def explain(visit: Visit) -> web.StreamResponse:
    """What can be searched for, and how."""
    return visit.render("search.html", languages=[(listed.value, listed.language) for listed in Listed])


async def show_views(visit: Visit) -> web.StreamResponse:
    """The views one has, to be changed."""
    return visit.render("views.html", views=await visit.hub.views.of(visit.principal))


async def keep(visit: Visit) -> web.StreamResponse:
    """Keep a search under a name."""
    wanted = NewView(
        visit.form.get("name", ""),
        _listed(visit.form.get("page", "")),
        visit.form.get("q", ""),
        shared=visit.form.get("shared") == "yes",
    )
    view = await visit.hub.views.create(visit.principal, wanted)
    return visit.redirect(_address(view.page, view.query), "view_kept")


async def change(visit: Visit) -> web.StreamResponse:
    """Give a view another name or search."""
    name, query = visit.form.get("name", ""), visit.form.get("q", "")
    await visit.hub.views.change(visit.principal, id_in(visit.request, "view"), name=name, query=query)
    return visit.redirect(VIEWS, "view_changed")


async def begin_with(visit: Visit) -> web.StreamResponse:
    """Let a page begin with a view, or with everything again."""
    begin = visit.form.get("begin") == "yes"
    await visit.hub.views.begin_with(visit.principal, id_in(visit.request, "view"), begin=begin)
    return visit.redirect(VIEWS, "view_changed")


async def delete(visit: Visit) -> web.StreamResponse:
    """Forget a view."""
    await visit.hub.views.delete(visit.principal, id_in(visit.request, "view"))
    return visit.redirect(VIEWS, "view_deleted")


def _listed(name: str) -> Listed:
    try:
        return Listed(name)
    except ValueError:
        raise NotFound(f"there is no list of {name[:50]!r}") from None


PAGES = (
    Page("GET", "/console/jobs", show_jobs, Scope.JOBS_READ, "jobs"),
    Page("POST", "/console/jobs/selected", selected, Scope.JOBS_OPERATE, "jobs"),
    Page("GET", "/console/events", show_events, Scope.EVENTS_LIST, "events"),
    Page("GET", "/console/search", explain, Scope.JOBS_READ, "jobs"),
    Page("GET", "/console/search/{listed}/suggestions", suggest, Scope.JOBS_READ, "jobs"),
    Page("GET", VIEWS, show_views, Scope.JOBS_READ, "jobs"),
    Page("POST", VIEWS, keep, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", f"{VIEWS}/{{id}}", change, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", f"{VIEWS}/{{id}}/default", begin_with, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", f"{VIEWS}/{{id}}/delete", delete, Scope.JOBS_OPERATE, "jobs"),
)
