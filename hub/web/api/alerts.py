"""Alerts: what people are told of by themselves, and whether that works."""

from datetime import timedelta
from typing import Literal

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.alerts import AlertKind
from hub.services.alert_views import AlertTest, AlertView, TestedChannel
from hub.services.listings import Page
from hub.web.answers import json_answer
from hub.web.api.examples import AT, JOB
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import query_of
from hub.web.schemas import PageQuery

TAG = "Alerts"


class AlertsQuery(PageQuery):
    """Which alerts."""

    state: Literal["open", "past", "all"] = "open"
    """`open`: what is not over, 500 at most and without a cursor; `past`: what is; `all`."""


async def list_alerts(request: web.Request, context: Context) -> web.StreamResponse:
    """What is open, or was."""
    wanted, alerts = query_of(request, AlertsQuery), context.hub.alerts
    if wanted.state == "open":
        return json_answer(Page(await alerts.open(), None))
    past = wanted.state == "past"
    return json_answer(await alerts.list_all(limit=wanted.limit, cursor=wanted.cursor, past=past))


async def test(_request: web.Request, context: Context) -> web.StreamResponse:
    """Send a test message to every channel."""
    return json_answer(await context.hub.alerts.test(context.principal))


_ALERT = AlertView(
    JOB,
    AlertKind.BREAKER_OPEN,
    "stripe",
    "stripe is not called",
    "it has been failing; its jobs wait, at no cost to their retries",
    "/console/providers/stripe",
    AT,
    AT + timedelta(minutes=3),
    36,
    None,
    AT + timedelta(seconds=12),
    2,
)
_TEST = AlertTest([TestedChannel("slack", "", JOB)])


def endpoints() -> tuple[Endpoint, ...]:
    """Where they are found."""
    return (
        Endpoint(
            "GET", "/v1/alerts", list_alerts, Scope.JOBS_READ_ALL, "listAlerts", TAG, "List alerts",
            "One for each episode: new causes of failure, causes that came back, uncertain payments, breakers that opened,"
            " queues that do not keep up. Kept for 90 days after they are over.",
            (Outcome(200, "Alerts, the latest first", Shape(Page[AlertView], Page([_ALERT], None))),),
            query=AlertsQuery,
        ),
        Endpoint(
            "POST", "/v1/alerts/test", test, Scope.PROVIDERS_OPERATE, "testAlerts", TAG, "Send a test message to every channel",
            "By the jobs that tell alerts: look them up for what became of it.",
            (Outcome(200, "The jobs that tell it", Shape(AlertTest, _TEST)),), refusals=(409,),
        ),
    )  # fmt: skip
