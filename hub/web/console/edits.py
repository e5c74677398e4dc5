"""Edit and retry: the arguments as text, the difference, and the word that it is meant."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import Forbidden, Invalid, Problem, Refusal
from hub.services.edit_views import EditView
from hub.services.edits import Wanted, version_of
from hub.web.console.page import Page, Visit
from hub.web.console.rendering import pretty
from hub.web.reading import id_in


async def show(visit: Visit) -> web.StreamResponse:
    """The arguments as they are."""
    job = await visit.hub.inspect.get_job(visit.principal, id_in(visit.request, "job"))
    text = pretty(await visit.hub.edits.current(visit.principal, job))
    return await _page(visit, job.id, text, version_of(job))


async def post(visit: Visit) -> web.StreamResponse:
    """Show what would change; once that was seen, and is meant, change it; or go back to the text."""
    job, text = id_in(visit.request, "job"), visit.form.get("args", "")
    version = visit.field("version") or ""
    if visit.field("again") is not None:
        return await _page(visit, job, text, version)
    try:
        wanted = Wanted(
            visit.field("reason") or "",
            args=_parsed(text),
            version=version or None,
            decided=visit.field("decided") is not None,
        )
        if visit.field("meant") is None:
            shown = await visit.hub.edits.preview(visit.principal, job, wanted)
            return await _page(visit, job, text, version, shown=shown)
        made = await visit.hub.edits.edit(visit.principal, job, wanted)
    except (Invalid, Forbidden) as refused:
        return await _page(visit, job, text, version, refused=refused, problems=refused.problems)
    return visit.redirect(f"/console/jobs/{job}", "edit_proposed" if made.needs_approval else "edited")


async def _page(
    visit: Visit,
    job: UUID,
    text: str,
    version: str,
    *,
    shown: EditView | None = None,
    refused: Refusal | None = None,
    problems: Sequence[Problem] = (),
) -> web.Response:
    return visit.render(
        "edit.html",
        job=await visit.hub.inspect.get_job(visit.principal, job),
        text=text,
        version=version,
        reason=visit.field("reason") or "",
        shown=shown,
        refused=refused,
        problems=problems,
        can_decide=visit.may(Scope.JOBS_DECIDE),
        need_approval=visit.hub.edits.need_approval,
        status=422 if refused else 200,
    )


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = Problem("/args", str(error))
        raise Invalid("the arguments are not JSON", code="unreadable_args", problems=(problem,)) from None


async def approve(visit: Visit) -> web.StreamResponse:
    """Apply what somebody else has proposed."""
    job, number = id_in(visit.request, "job"), int(visit.request.match_info["number"])
    decided = visit.field("decided") is not None
    reason = visit.field("reason")
    await visit.hub.edits.approve(visit.principal, job, number, reason=reason, decided=decided)
    return visit.redirect(f"/console/jobs/{job}", "edited")


async def reject(visit: Visit) -> web.StreamResponse:
    """Say no to it."""
    job, number = id_in(visit.request, "job"), int(visit.request.match_info["number"])
    await visit.hub.edits.reject(visit.principal, job, number, reason=visit.field("reason"))
    return visit.redirect(f"/console/jobs/{job}", "edit_rejected")


_EDIT = "/console/jobs/{id}/edit"
_ONE = "/console/jobs/{id}/edits/{number:[0-9]{1,6}}"
PAGES = (
    Page("GET", _EDIT, show, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", _EDIT, post, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", f"{_ONE}/approve", approve, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", f"{_ONE}/reject", reject, Scope.JOBS_OPERATE, "jobs"),
)
