"""Saved views: searches under a name."""

from typing import Annotated
from uuid import UUID

from aiohttp import web
from pydantic import StringConstraints

from hub.domain.access import Scope
from hub.domain.views import MAX_NAME, Listed, NewView, SavedView
from hub.services.listings import Listing
from hub.web.answers import json_answer
from hub.web.api import examples
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import id_in, json_of, validated
from hub.web.schemas import Request, Search

_Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]


class ViewSubmission(Request):
    """A search to be kept."""

    name: _Name
    """How it is called in the side bar."""
    page: Listed = Listed.JOBS
    """What it searches."""
    query: Search
    """The search, as in the search box; times such as `since:2h` stay relative."""
    shared: bool = False
    """Whether everybody sees it, or only whoever keeps it."""


class ViewChange(Request):
    """What a view becomes."""

    name: _Name
    """How it is called in the side bar."""
    query: Search
    """The search, as in the search box."""


async def list_views(_request: web.Request, context: Context) -> web.StreamResponse:
    """One's own and everybody's."""
    return json_answer(Listing(await context.hub.views.of(context.principal)))


async def create(request: web.Request, context: Context) -> web.StreamResponse:
    """Keep a search."""
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    wanted = validated(ViewSubmission, value)
    view = NewView(wanted.name, wanted.page, wanted.query, wanted.shared)
    return json_answer(await context.hub.views.create(context.principal, view), status=201)


async def change(request: web.Request, context: Context) -> web.StreamResponse:
    """Give it another name or search."""
    view = id_in(request, "view")
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    wanted = validated(ViewChange, value)
    changed = await context.hub.views.change(context.principal, view, name=wanted.name, query=wanted.query)
    return json_answer(changed)


async def delete(request: web.Request, context: Context) -> web.StreamResponse:
    """Forget it; gives what is left."""
    await context.hub.views.delete(context.principal, id_in(request, "view"))
    return await list_views(request, context)


def endpoints() -> tuple[Endpoint, ...]:
    """Everything about saved views."""
    view = SavedView(
        UUID("01980a3c-7d1e-7cc3-9a41-5f0c2b8a4e80"), "Declined", Listed.JOBS, "state:failed code:card_declined since:1d",
        shared=True, default=False, created_at=examples.AT,
    )  # fmt: skip
    asked = {"name": view.name, "page": "jobs", "query": view.query, "shared": True}
    changed = {"name": "Refused", "query": view.query}
    return (
        Endpoint(
            "GET", "/v1/views", list_views, Scope.JOBS_READ, "listViews", "Jobs", "List saved views",
            "The caller's own, and the shared ones for keys that see every application's jobs.",
            (Outcome(200, "All of them", Shape(Listing[SavedView], Listing([view]))),),
        ),
        Endpoint(
            "POST", "/v1/views", create, Scope.JOBS_OPERATE, "createView", "Jobs", "Keep a search",
            "It is read as it is kept, so that nobody finds out later that it makes no sense.",
            (Outcome(201, "The view", Shape(SavedView, view)),),
            body=Shape(ViewSubmission, asked), refusals=(409,),
        ),
        Endpoint(
            "POST", "/v1/views/{id}", change, Scope.JOBS_OPERATE, "changeView", "Jobs", "Change a saved view",
            "One of the caller's own, or one that everybody sees.",
            (Outcome(200, "The view", Shape(SavedView, view)),),
            body=Shape(ViewChange, changed), refusals=(404, 409),
        ),
        Endpoint(
            "POST", "/v1/views/{id}/delete", delete, Scope.JOBS_OPERATE, "deleteView", "Jobs", "Delete a saved view",
            "What it was is in the audit log.",
            (Outcome(200, "What is left", Shape(Listing[SavedView], Listing([]))),),
            refusals=(404,),
        ),
    )  # fmt: skip
