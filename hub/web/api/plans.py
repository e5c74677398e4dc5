"""Plans: dry run, start, watch, report."""

from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field, StringConstraints

from hub.domain.access import Scope
from hub.domain.plans import (
    MAX_CANARY,
    MAX_IN_FLIGHT,
    MAX_RATE,
    MIN_RATE,
    Action,
    Command,
    ItemState,
    PlanState,
    Settings,
)
from hub.services.listings import Page
from hub.services.plan_reports import COLUMNS, CSV, NDJSON, lines_of
from hub.services.plan_views import PlanItemView, PlanView
from hub.services.plans import PlanRequest
from hub.web.answers import dumps, json_answer
from hub.web.api import plan_examples as examples
from hub.web.downloads import download
from hub.web.endpoints import Context, Endpoint, Handler, Outcome, Shape
from hub.web.reading import id_in, json_of, optional_body, query_of, validated
from hub.web.schemas import PageQuery, Query, Request, Why, comma_separated

_DEFAULTS = Settings()


class PlanSubmission(Request):
    """What is to be done to which jobs, and how carefully."""

    action: Action = Action.RETRY
    """`retry` queues them again; `cancel` ends what is not settled; `discard` closes what has failed or is held for good,
    where nothing is to be undone; `requeue` runs what is planned for later, or held, now."""
    filter: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8_000)]
    """Which jobs, in the search language."""
    canary: int = Field(default=_DEFAULTS.canary, ge=0, le=MAX_CANARY)
    """How many are released and judged before the rest; 0 for none."""
    rate: float = Field(default=_DEFAULTS.rate, ge=MIN_RATE, le=MAX_RATE)
    """Jobs released in a second, at most."""
    stop_above: float = Field(default=_DEFAULTS.stop_above, ge=0, le=1)
    """The share of failures above which it stops by itself: of the canary, then of the latest 200 outcomes; 1 for never."""
    max_in_flight: int = Field(default=_DEFAULTS.max_in_flight, ge=1, le=MAX_IN_FLIGHT)
    """Released jobs without an outcome, at most."""
    wait_for_go: bool = _DEFAULTS.wait_for_go
    """Wait for a person's go after the canary."""
    include_uncertain: bool = False
    """Include jobs whose effects may exist: you have looked them up. Takes the scope `jobs:decide` and a reason."""
    reason: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)] | None
    ) = None
    """Why; kept with the plan and in the audit log."""

    def request(self) -> PlanRequest:
        """As the service takes it."""
        settings = Settings(
            self.canary, self.rate, self.stop_above, self.max_in_flight, wait_for_go=self.wait_for_go
        )
        return PlanRequest(self.action, self.filter, settings, self.include_uncertain, self.reason)


class PlansQuery(PageQuery):
    """Which plans."""

    state: Annotated[list[PlanState], BeforeValidator(comma_separated)] = Field(
        default=[], examples=[["running"]]
    )
    """In one of these states, with commas between."""


class PlanItemsQuery(PageQuery):
    """Which jobs of a plan."""

    state: Annotated[list[ItemState], BeforeValidator(comma_separated)] = Field(
        default=[], examples=[["failed"]]
    )
    """In one of these states, with commas between."""


class PlanReportQuery(Query):
    """Which jobs of a plan."""

    state: Annotated[list[ItemState], BeforeValidator(comma_separated)] = Field(
        default=[], examples=[["failed"]]
    )
    """In one of these states, with commas between; every job without."""


async def create(request: web.Request, context: Context) -> web.StreamResponse:
    """Make a dry run."""
    # A million jobs take a while to look at.
    context.call.waits = True
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    made = await context.hub.plans.create(context.principal, validated(PlanSubmission, value).request())
    answer = json_answer(made, 201)
    answer.headers["Location"] = f"/v1/plans/{made.id}"
    return answer


async def list_plans(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of the plans."""
    query = query_of(request, PlansQuery)
    return json_answer(
        await context.hub.plans.list_plans(query.state, limit=query.limit, cursor=query.cursor)
    )


async def read(request: web.Request, context: Context) -> web.StreamResponse:
    """One plan."""
    return json_answer(await context.hub.plans.get(id_in(request, "plan")))


async def list_items(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of a plan's jobs."""
    plan, query = id_in(request, "plan"), query_of(request, PlanItemsQuery)
    page = await context.hub.plans.list_items(plan, query.state, limit=query.limit, cursor=query.cursor)
    return json_answer(page)


async def report_csv(request: web.Request, context: Context) -> web.StreamResponse:
    """Every job of a plan, for a spreadsheet."""
    return await _report(request, context, CSV)


async def report_ndjson(request: web.Request, context: Context) -> web.StreamResponse:
    """Every job of a plan, for a program."""
    return await _report(request, context, NDJSON)


async def _report(request: web.Request, context: Context, kind: str) -> web.StreamResponse:
    plan, query = id_in(request, "plan"), query_of(request, PlanReportQuery)
    # Before anything is sent, so that an error is answered as one.
    await context.hub.plans.get(plan)
    name = f"plan-{plan}.{'csv' if kind == CSV else 'ndjson'}"
    lines = lines_of(kind, context.hub.plans.report(plan, query.state))
    return await download(request, context.call, name, kind, lines)


def telling(command: Command) -> Handler:
    """The handler that tells a plan something."""

    async def tell(request: web.Request, context: Context) -> web.StreamResponse:
        plan, why = id_in(request, "plan"), await optional_body(request, context, Why)
        return json_answer(
            await context.hub.plans.command(context.principal, plan, command, reason=why.reason)
        )

    return tell


_REASON = {"reason": "Stripe is back"}
_SUBMISSION = {
    "action": "retry",
    "filter": "state:failed provider:stripe",
    "canary": 10,
    "rate": 50,
    "stop_above": 0.2,
    **_REASON,
}
_TOLD = {
    Command.START: (
        "Start a plan",
        "From a dry run: its canary first, if it has one. Jobs that have changed since are skipped.",
    ),
    Command.GO: ("Go on after the canary", "Without waiting for its judgement, or for a person's go."),
    Command.PAUSE: (
        "Pause a plan",
        "Nothing more is released; what was runs on, and its outcomes are noted.",
    ),
    Command.RESUME: (
        "Resume a plan",
        "Whether a person has paused it or it has stopped by itself; then only new outcomes count against it.",
    ),
    Command.ABORT: ("Abort a plan", "For good. What was released runs on, and its outcomes are noted."),
}


def endpoints() -> tuple[Endpoint, ...]:
    """The endpoints of plans."""
    line = ",".join(COLUMNS) + f"\r\n17,{examples.JOB},failed,rejected,failed,2,stripe,card_declined,,,\r\n"
    return (
        Endpoint(
            "POST", "/v1/plans", create, Scope.JOBS_OPERATE, "createPlan", "Plans", "Make a dry run",
            "Finds the jobs, says what would become of each of them and why, and keeps that as a draft: nothing is touched"
            " until it is started. No more than 1,000,000 jobs.",
            (Outcome(201, "The draft", Shape(PlanView, examples.DRAFT), {"Location": "where to look the plan up"}),),
            body=Shape(PlanSubmission, _SUBMISSION), refusals=(409,),
        ),
        Endpoint(
            "GET", "/v1/plans", list_plans, Scope.JOBS_READ_ALL, "listPlans", "Plans", "List plans", "Newest first.",
            (Outcome(200, "A part of the list", Shape(Page[PlanView], Page([examples.RUNNING], None))),),
            query=PlansQuery,
        ),
        Endpoint(
            "GET", "/v1/plans/{id}", read, Scope.JOBS_READ_ALL, "getPlan", "Plans", "Look a plan up",
            "Its dry run, its progress, and what keeps it, if anything does.",
            (Outcome(200, "The plan", Shape(PlanView, examples.RUNNING)),),
            refusals=(404,),
        ),
        Endpoint(
            "GET", "/v1/plans/{id}/items", list_items, Scope.JOBS_READ_ALL, "listPlanItems", "Plans", "List a plan's jobs",
            "In the order of the plan, each with its outcome.",
            (Outcome(200, "A part of the list", Shape(Page[PlanItemView], Page([examples.ITEM], None))),),
            query=PlanItemsQuery, refusals=(404,),
        ),
        Endpoint(
            "GET", "/v1/plans/{id}/report.csv", report_csv, Scope.JOBS_READ_ALL, "getPlanReportAsCsv", "Plans",
            "Download a plan's jobs as CSV", "Every job with its outcome, sent as it is read.",
            (Outcome(200, "A line for each job", Shape(None, line, CSV)),),
            query=PlanReportQuery, refusals=(404,),
        ),
        Endpoint(
            "GET", "/v1/plans/{id}/report.ndjson", report_ndjson, Scope.JOBS_READ_ALL, "getPlanReport", "Plans",
            "Download a plan's jobs as JSON lines", "Every job with its outcome, sent as it is read.",
            (Outcome(200, "A JSON document for each job", Shape(None, dumps(examples.ITEM).decode() + "\n", NDJSON)),),
            query=PlanReportQuery, refusals=(404,),
        ),
        *(_told(command) for command in Command),
    )  # fmt: skip


def _told(command: Command) -> Endpoint:
    summary, description = _TOLD[command]
    return Endpoint(
        "POST", f"/v1/plans/{{id}}/{command.value}", telling(command), Scope.JOBS_OPERATE, f"{command.value}Plan", "Plans",
        summary, description,
        (Outcome(200, "The plan", Shape(PlanView, examples.RUNNING)),),
        body=Shape(Why, _REASON, optional=True), refusals=(404, 409),
    )  # fmt: skip
