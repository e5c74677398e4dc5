"""The search box: what could come next."""

from typing import Literal

from aiohttp import web
from pydantic import Field

from hub.domain.access import Scope
from hub.domain.search import EVENTS, JOBS, MAX_LENGTH, Suggestion
from hub.services.suggest import Suggestions
from hub.web.answers import json_answer
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import query_of
from hub.web.schemas import Query, Search


class SuggestionsQuery(Query):
    """What is typed so far."""

    q: Search = ""
    """The search so far; it need not make sense yet."""
    cursor: int = Field(default=MAX_LENGTH, ge=0, le=MAX_LENGTH)
    """Where the next character goes, counted from 0; by default at the end."""
    among: Literal["jobs", "events"] = "jobs"
    """What is searched."""


async def suggest(request: web.Request, context: Context) -> web.StreamResponse:
    """How the word at the cursor could go on."""
    query = query_of(request, SuggestionsQuery)
    language = EVENTS if query.among == "events" else JOBS
    found = await context.hub.suggest.complete(context.principal, query.q, query.cursor, language)
    return json_answer(found)


def endpoints() -> tuple[Endpoint, ...]:
    """Everything about searching that is not a list itself."""
    example = Suggestions([Suggestion(6, 8, "failed")])
    return (
        Endpoint(
            "GET", "/v1/search/suggestions", suggest, Scope.JOBS_READ, "completeSearch", "Jobs", "Complete a search",
            "For search boxes: fields and their values that fit what stands before the cursor. Each says which characters of"
            " the search its `text` replaces.",
            (Outcome(200, "At most twelve, the best first", Shape(Suggestions, example)),),
            query=SuggestionsQuery,
        ),
    )  # fmt: skip
