"""Statistics: what happened lately, in steps that a chart can show."""

from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field

from hub.domain.access import Scope
from hub.domain.spans import parse_since
from hub.services.statistics_views import (
    AttemptsPoint,
    CallsPoint,
    CallsSummary,
    DepthPoint,
    Percentiles,
    ProviderSeries,
    QueueSeries,
    StatisticsView,
)
from hub.web.answers import json_answer
from hub.web.api.examples import AT
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import query_of
from hub.web.schemas import Name, Query


def _readable(text: str) -> str:
    parse_since(text)
    return text


class StatisticsQuery(Query):
    """How far back."""

    since: Annotated[str, AfterValidator(_readable), Field(examples=["24h"], max_length=10)] = "24h"
    """Minutes, hours or days: `90m`, `24h`, `7d`; 90 days at most. The longer, the longer the steps."""
    queue: Name | None = None
    """Attempts and depth of this queue alone."""


async def read(request: web.Request, context: Context) -> web.StreamResponse:
    """What happened lately."""
    wanted = query_of(request, StatisticsQuery)
    view = await context.hub.statistics.over(parse_since(wanted.since), queue=wanted.queue)
    return json_answer(view)


_TOOK = Percentiles(0.043, 0.388, 1.12)
_CALLED = Percentiles(0.212, 0.611, 1.42)
_VIEW = StatisticsView(
    AT,
    AT + timedelta(hours=24),
    3600,
    AT + timedelta(hours=23, minutes=58),
    [AttemptsPoint(AT, 18_202, 41, 1, 120, _TOOK)],
    [QueueSeries("payments", [DepthPoint(AT, 40, 0.8)])],
    [
        ProviderSeries(
            "stripe",
            CallsSummary(5_214, 26, 12, 0, 0.005, _CALLED),
            [CallsPoint(AT, 5_214, 26, 12, 0, _CALLED)],
        )
    ],
)


def endpoints() -> tuple[Endpoint, ...]:
    """Where they are found."""
    return (
        Endpoint(
            "GET", "/v1/statistics", read, Scope.JOBS_READ_ALL, "getStatistics", "Statistics", "What happened lately",
            "Attempts, queues and providers over time. Attempts are added up about a minute after they end; percentiles are"
            " estimated within the buckets that times are counted in.",
            (Outcome(200, "One point for each step", Shape(StatisticsView, _VIEW)),),
            query=StatisticsQuery,
        ),
    )  # fmt: skip
