"""One job whole: why it is not running, and what happened to it and to all that belongs to it."""

from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, model_validator

from hub.domain.access import Scope
from hub.services.timeline import Part
from hub.services.timeline_views import TimelineView
from hub.services.why import WhyView
from hub.web.answers import json_answer
from hub.web.api import story_examples as examples
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import id_in, query_of
from hub.web.schemas import Query

Text = Annotated[str, Field(min_length=1, max_length=255)]


class PartQuery(Query):
    """Which part of a timeline."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    """How many entries at most."""

    cursor: Annotated[str, Field(max_length=400)] | None = None
    """The `next_cursor` of the part before, in the same order."""

    order: Literal["asc", "desc"] = "asc"
    """`asc`: from the beginning; `desc`: the newest first."""

    def part(self) -> Part:
        """As the service takes it."""
        return Part(self.limit, self.cursor, self.order == "desc")


class CombinedQuery(PartQuery):
    """Which timeline, and which part of it."""

    correlation_id: Text | None = None
    """All that has this correlation id."""

    tag: Text | None = None
    """Jobs with this tag, such as `order:1042`."""

    subject: Text | None = None
    """Events about this, such as a payment's id, and the jobs they concern."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "CombinedQuery":
        if sum(wanted is not None for wanted in (self.correlation_id, self.tag, self.subject)) != 1:
            raise ValueError("give one of correlation_id, tag and subject")
        return self


def endpoints() -> tuple[Endpoint, ...]:
    """The endpoints."""
    return (
        Endpoint(
            "GET", "/v1/jobs/{id}/why", why, Scope.JOBS_READ, "whyJob", "Jobs", "Say why a job is not running",
            "One answer for any job: its queue is paused, a breaker is open, it is not due, it waits for an event, no worker"
            " serves its queue, others come first, or a worker is at it; with what a person can do about it.",
            (Outcome(200, "The answer", Shape(WhyView, examples.WHY)),),
            refusals=(404,),
        ),
        Endpoint(
            "GET", "/v1/jobs/{id}/timeline", of_job, Scope.JOBS_READ, "jobTimeline", "Jobs", "Tell what happened to a job",
            "From the webhook or request to the end: attempts, steps, what people did and why, and what is to come. The body"
            " and headers of the webhook are as received for keys with `events:read`, and without secrets for those with"
            " `events:list`.",
            (Outcome(200, "A part of the timeline", Shape(TimelineView, examples.TIMELINE)),),
            query=PartQuery, refusals=(404,),
        ),
        Endpoint(
            "GET", "/v1/timeline", combined, Scope.JOBS_READ, "timeline", "Jobs", "Tell what happened to all that belongs together",
            "The same across jobs: by correlation id, by tag (a business key, such as `order:1042`), or by what events are"
            " about. Of more than 100 jobs it tells of the newest, and says so in `more_jobs`.",
            (Outcome(200, "A part of the timeline", Shape(TimelineView, examples.TIMELINE)),),
            query=CombinedQuery,
        ),
    )  # fmt: skip


async def why(request: web.Request, context: Context) -> web.StreamResponse:
    """Why a job is not running."""
    return json_answer(await context.hub.why.of(context.principal, id_in(request, "job")))


async def of_job(request: web.Request, context: Context) -> web.StreamResponse:
    """One job whole."""
    job, query = id_in(request, "job"), query_of(request, PartQuery)
    return json_answer(await context.hub.timeline.of_job(context.principal, job, query.part()))


async def combined(request: web.Request, context: Context) -> web.StreamResponse:
    """All that belongs together."""
    query = query_of(request, CombinedQuery)
    principal, timeline, part = context.principal, context.hub.timeline, query.part()
    if query.correlation_id is not None:
        return json_answer(await timeline.correlated(principal, query.correlation_id, part))
    if query.tag is not None:
        return json_answer(await timeline.tagged(principal, query.tag, part))
    return json_answer(await timeline.about(principal, query.subject or "", part))
