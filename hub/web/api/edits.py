"""Edit and retry: other arguments for a job that failed."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, JsonValue, StringConstraints, model_validator

from hub.domain.access import Scope
from hub.domain.edits import EditState
from hub.domain.errors import NotFound
from hub.services.edit_views import ChangeView, EditView
from hub.services.edits import Wanted
from hub.services.listings import Listing
from hub.web.answers import json_answer
from hub.web.api.examples import AT, JOB
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import id_in, json_of, optional_body, validated
from hub.web.schemas import Request, WhyRetry

Pointer = Annotated[str, StringConstraints(max_length=500)]


class EditRequest(Request):
    """Other arguments for a job: whole, or by pointer."""

    args: dict[str, Any] | None = None
    """The new arguments, whole."""

    set: Annotated[dict[Pointer, JsonValue], Field(max_length=200)] | None = None
    """New values by JSON pointer into the arguments, such as `{"/amount": 1999}`."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    """Why; kept with the edit and in the audit log."""

    dry_run: bool = False
    """Only say what would change, and what stands against it."""

    version: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The `version` of an earlier answer: the edit is applied to the job as it was then, or refused."""

    decided: bool = False
    """You have seen what of its record stands against it (`objection`), and want it all the same."""

    @model_validator(mode="after")
    def _one_of_them(self) -> "EditRequest":
        if (self.args is None) == (self.set is None):
            raise ValueError("give either args or set")
        return self


_EDIT = EditView(
    job_id=JOB,
    number=1,
    state=EditState.APPLIED,
    changes=[ChangeView("/to", "changed", "jenny.rosen@exmaple.com", "jenny.rosen@example.com")],
    reason="a typing error in the address",
    objection=None,
    needs_decision=False,
    needs_approval=False,
    version="1.1",
    proposed_by="ada@example.com",
    proposed_at=AT,
    decided_by="ada@example.com",
    decided_at=AT,
    decision=None,
)
_ASKED = {"set": {"/to": "jenny.rosen@example.com"}, "reason": "a typing error in the address"}
_ANSWER = (Outcome(200, "The edit", Shape(EditView, _EDIT)),)


def endpoints() -> tuple[Endpoint, ...]:
    """The endpoints."""
    why = Shape(WhyRetry, {"reason": "checked against the order"}, optional=True)
    return (
        Endpoint(
            "POST", "/v1/jobs/{id}/edit", edit, Scope.JOBS_OPERATE, "editJob", "Jobs", "Retry a job with other arguments",
            "The new arguments are checked against the job's schema and shown as a difference; the old ones are kept. With"
            " `dry_run` nothing is changed. Where steps on record were made with the old arguments, it takes the scope"
            " `jobs:decide` and `decided`. With `HUB_EDITS_NEED_APPROVAL` it is only proposed.",
            _ANSWER, body=Shape(EditRequest, _ASKED), refusals=(404, 409),
        ),
        Endpoint(
            "GET", "/v1/jobs/{id}/edits", list_edits, Scope.JOBS_READ, "listEdits", "Jobs", "List the edits of a job",
            "The newest first, a hundred at most. Where the arguments came in with an event, what was changed is told to keys"
            " with `events:read` alone, and others see where.",
            (Outcome(200, "The edits", Shape(Listing[EditView], Listing([_EDIT]))),), refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/jobs/{id}/edits/{number}/approve", approve, Scope.JOBS_OPERATE, "approveEdit", "Jobs",
            "Approve a proposed edit",
            "A key approves what a key of another application has proposed. What a person has proposed, another person approves,"
            " in the console or with the command. It is applied to the job as it was then, or refused.",
            _ANSWER, body=why, refusals=(404, 409),
        ),
        Endpoint(
            "POST", "/v1/jobs/{id}/edits/{number}/reject", reject, Scope.JOBS_OPERATE, "rejectEdit", "Jobs",
            "Reject a proposed edit",
            "Whoever proposed it may take it back so, too.",
            _ANSWER, body=why, refusals=(404, 409),
        ),
    )  # fmt: skip


async def edit(request: web.Request, context: Context) -> web.StreamResponse:
    """Edit and retry, or say what that would change."""
    job = id_in(request, "job")
    value, _ = await json_of(request, context, context.hub.config.web.max_body)
    asked = validated(EditRequest, value)
    wanted = Wanted(asked.reason, asked.args, asked.set, asked.version, asked.decided)
    edits = context.hub.edits
    do = edits.preview if asked.dry_run else edits.edit
    return json_answer(await do(context.principal, job, wanted))


async def list_edits(request: web.Request, context: Context) -> web.StreamResponse:
    """The edits of a job."""
    return json_answer(Listing(await context.hub.edits.of_job(context.principal, id_in(request, "job"))))


async def approve(request: web.Request, context: Context) -> web.StreamResponse:
    """Apply what somebody else has proposed."""
    job, number = id_in(request, "job"), number_in(request)
    why = await optional_body(request, context, WhyRetry)
    return json_answer(
        await context.hub.edits.approve(
            context.principal, job, number, reason=why.reason, decided=why.decided
        )
    )


async def reject(request: web.Request, context: Context) -> web.StreamResponse:
    """Say no to an edit."""
    job, number = id_in(request, "job"), number_in(request)
    why = await optional_body(request, context, WhyRetry)
    return json_answer(await context.hub.edits.reject(context.principal, job, number, reason=why.reason))


def number_in(request: web.Request) -> int:
    """The edit's number in the path. Raises NotFound."""
    text = request.match_info["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise NotFound(f"there is no edit {text[:20]!r}", code="unknown_edit")
    return int(text)
