"""The inbox: failures grouped by cause."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BeforeValidator, Field, StringConstraints

from hub.domain.access import Scope
from hub.domain.inbox import GroupAction, GroupState
from hub.services.inbox import GroupFilter, Sort
from hub.services.inbox_views import ChangeView, ErrorGroupDetail, ErrorGroupView, HourView
from hub.services.listings import Page
from hub.web.answers import json_answer
from hub.web.api import examples
from hub.web.endpoints import Context, Endpoint, Handler, Outcome, Shape
from hub.web.reading import optional_body, query_of
from hub.web.schemas import Moment, Name, PageQuery, Why, comma_separated


class ErrorsQuery(PageQuery):
    """Which error groups."""

    state: Annotated[list[GroupState], BeforeValidator(comma_separated)] = Field(
        default=[], examples=[["open", "acknowledged"]]
    )
    """In one of these states, with commas between."""
    failed: bool | None = None
    """`true`: only causes that a job has failed of for good; `false`: only those that retries have cured so far."""
    job: Name | None = None
    """Of the job of this name."""
    provider: Name | None = None
    """Of calls to this provider."""
    q: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """With this text in the message, code, class, job, step, provider or operation, in capitals or not."""
    since: Moment | None = None
    """That happened at this time or later."""
    sort: Literal["last_seen", "failed_for_good"] = "last_seen"
    """What stands first: what happened last, or what failed most jobs for good."""


async def list_errors(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of the error groups."""
    query = query_of(request, ErrorsQuery)
    wanted = GroupFilter(
        states=tuple(dict.fromkeys(query.state)),
        job=query.job,
        provider=query.provider,
        text=query.q,
        since=query.since,
        failed=query.failed,
    )
    page = await context.hub.inbox.list_groups(
        wanted, sort=Sort(query.sort), limit=query.limit, cursor=query.cursor
    )
    return json_answer(page)


async def read(request: web.Request, context: Context) -> web.StreamResponse:
    """One error group."""
    return json_answer(await context.hub.inbox.get_group(request.match_info["signature"]))


def acting(action: GroupAction) -> Handler:
    """Does this with an error group."""

    async def act(request: web.Request, context: Context) -> web.StreamResponse:
        signature, why = request.match_info["signature"], await optional_body(request, context, Why)
        inbox = context.hub.inbox
        return json_answer(await inbox.act(context.principal, signature, action, reason=why.reason))

    return act


_DAY = [0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 41, 112, 97, 64, 12]
_GROUP = ErrorGroupView(
    signature="9f2b6c1d04e7a853",
    job="payments.charge",
    step="stripe POST /v1/payment_intents",
    provider="stripe",
    operation="stripe.create_payment_intent",
    kind="Declined",
    code="card_declined",
    message="Your card was declined.",
    state=GroupState.OPEN,
    actions=[GroupAction.ACKNOWLEDGE, GroupAction.RESOLVE, GroupAction.IGNORE],
    failed_jobs=318,
    bounded=False,
    failed_attempts=331,
    failed_for_good=331,
    trend=_DAY,
    first_seen_at=examples.AT - timedelta(days=3),
    last_seen_at=examples.AT,
    first_release="1.4.0",
    last_release="1.4.1",
    example_id=UUID("01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10"),
    reopened=0,
    change=None,
)
_FIELDS = {name: getattr(_GROUP, name) for name in ErrorGroupView.__dataclass_fields__}
_HOURS = [
    HourView(examples.AT - timedelta(hours=47 - hour), failed, failed)
    for hour, failed in enumerate([0] * 24 + _DAY)
]
_DETAIL = ErrorGroupDetail(
    **_FIELDS,
    hours=_HOURS,
    jobs={"failed": 318, "queued": 1},
    jobs_bounded=False,
    example_message="Your card was declined.",
)
_MOVED = {
    GroupAction.ACKNOWLEDGE: (GroupState.ACKNOWLEDGED, "looking at it"),
    GroupAction.RESOLVE: (GroupState.RESOLVED, "the account has money again"),
    GroupAction.IGNORE: (GroupState.IGNORED, "customers see to their cards themselves"),
    GroupAction.REOPEN: (GroupState.OPEN, "not solved after all"),
}
_SAID = {
    GroupAction.ACKNOWLEDGE: (
        "Acknowledge an error group",
        "Somebody looks at it. Further failures change nothing about that.",
    ),
    GroupAction.RESOLVE: (
        "Resolve an error group",
        "It should not come back; when a job fails of it for good once more, it opens again by itself.",
    ),
    GroupAction.IGNORE: ("Ignore an error group", "Nobody needs to look, however often it happens."),
    GroupAction.REOPEN: ("Reopen an error group", "Somebody should look after all."),
}


def endpoints() -> tuple[Endpoint, ...]:
    """What can be done with error groups."""
    return (
        Endpoint(
            "GET", "/v1/errors", list_errors, Scope.JOBS_READ_ALL, "listErrors", "Errors", "List failures by cause",
            "Failed attempts grouped by job, step, provider, operation, class, code and message; what happened last stands"
            " first. The jobs of a group: `GET /v1/jobs?error_signature=…`.",
            (Outcome(200, "A part of the list", Shape(Page[ErrorGroupView], Page([_GROUP], None))),),
            query=ErrorsQuery,
        ),
        Endpoint(
            "GET", "/v1/errors/{signature}", read, Scope.JOBS_READ_ALL, "getError", "Errors", "Look a cause up",
            "With two days by the hour, and its jobs counted by state.",
            (Outcome(200, "The group", Shape(ErrorGroupDetail, _DETAIL)),),
            refusals=(404,),
        ),
        *(_act(action, *_SAID[action]) for action in GroupAction),
    )  # fmt: skip


def _act(action: GroupAction, summary: str, description: str) -> Endpoint:
    state, reason = _MOVED[action]
    change = ChangeView(examples.AT, "ada", reason)
    return Endpoint(
        "POST", f"/v1/errors/{{signature}}/{action}", acting(action), Scope.JOBS_OPERATE, f"{action}Error", "Errors",
        summary, description,
        (Outcome(200, "The group", Shape(ErrorGroupDetail, replace(_DETAIL, state=state, change=change))),),
        body=Shape(Why, {"reason": reason}, optional=True), refusals=(404, 409),
    )  # fmt: skip
