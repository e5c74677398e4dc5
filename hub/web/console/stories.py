"""One job whole: what happened, why it is not running, whether a retry is safe, and what can be done about it."""

from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.jobs import CANCELLABLE, SETTLED, JobState
from hub.services.filters import JobFilter
from hub.services.job_views import JobDetail
from hub.services.operate import actor_of
from hub.services.timeline import Part
from hub.services.timeline_views import TimelineView
from hub.web.console.curl import curl
from hub.web.console.page import Page, Visit
from hub.web.reading import id_in

TIMELINE = "/console/timeline"
_PAGE = 60
_TONES = {
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.HELD: "warn",
    JobState.RETRYING: "warn",
}
# What a retry is called on its button, and what is said above it.
VERDICTS = {
    "ineligible": ("info", "It cannot be retried as it stands"),
    "uncertain": ("bad", "It may have happened: look it up before you retry"),
    "covered": ("good", "A retry is safe: the provider still knows the key"),
    "rejected": ("good", "A retry is safe: the provider refused it, so nothing exists"),
    "confirmed": ("good", "A retry is safe: what was done is not done again"),
    "nothing_sent": ("good", "A retry is safe: nothing was sent"),
}


async def show_job(visit: Visit) -> web.StreamResponse:
    """One job."""
    shown = await _live(visit, id_in(visit.request, "job"))
    job = shown["job"]
    timeline = await visit.hub.timeline.of_job(visit.principal, job.id, part_of(visit))
    edits = await visit.hub.edits.of_job(visit.principal, job.id)
    return visit.render(
        "job.html",
        edits=edits,
        actor=actor_of(visit.principal),
        timeline=timeline,
        verdict=VERDICTS[job.retry.verdict],
        can_decide=visit.may(Scope.JOBS_DECIDE) or not job.retry.needs_decision,
        cancels=_cancels(job),
        curls=_curls(visit, job),
        **shown,
    )


async def follow_job(visit: Visit) -> web.StreamResponse:
    """How a job goes on, sent whenever that changes, until it has settled."""
    job = id_in(visit.request, "job")

    async def part() -> str:
        return visit.fragment("job_live.html", **await _live(visit, job))

    return await visit.follow(part)


async def _live(visit: Visit, id_: UUID) -> dict[str, Any]:
    """What `job_live.html` is made of."""
    job = await visit.hub.inspect.get_job(visit.principal, id_)
    over = job.state in SETTLED
    why = None if over else await visit.hub.why.of(visit.principal, id_)
    return {
        "job": job,
        "why": why,
        "over": over,
        "tone": _TONES.get(job.state, "info"),
        "cause": await _cause(visit, job),
    }


async def _cause(visit: Visit, job: JobDetail) -> str | None:
    """Where all that failed of the same is shown."""
    signature = job.error.signature if job.error else None
    if signature is None or not visit.may(Scope.JOBS_READ_ALL):
        return None
    if await visit.hub.inbox.has(signature):
        return f"/console/inbox/{quote(signature, safe='')}"
    return f"/console/jobs?{urlencode({'q': f'signature:{signature}'})}"


def _cancels(job: JobDetail) -> str | None:
    """What cancelling does to it; None where there is nothing to cancel."""
    if job.ending is not None and job.undone_at is None:
        return "close" if job.state in {JobState.FAILED, JobState.HELD} else None
    undoable = any(step.kind == "undo" and step.certainty != "confirmed" for step in job.steps)
    if job.state is JobState.FAILED and job.reason == "uncertain" and undoable and job.undone_at is None:
        return "undo"
    return "cancel" if job.state in CANCELLABLE else None


def _curls(visit: Visit, job: JobDetail) -> list[tuple[str, str]]:
    """The same from a terminal."""
    curls = [("Look at it", curl(visit.address, f"/v1/jobs/{job.id}"))]
    if job.retry.allowed:
        why = {"reason": "what you found", "decided": True} if job.retry.needs_decision else {"reason": "…"}
        curls.append(("Retry it", curl(visit.address, f"/v1/jobs/{job.id}/retry", body=why)))
    if job.args is not None:
        again = {"job": job.job, "args": job.args, "tags": job.tags}
        curls.append(("Submit the same again, as another job", curl(visit.address, "/v1/jobs", body=again)))
    return curls


async def retry(visit: Visit) -> web.StreamResponse:
    """Retry a job; the page says what may exist before it offers the button, so whoever presses it has been told."""
    job = id_in(visit.request, "job")
    decided = visit.field("decided") is not None
    await visit.hub.operate.retry(visit.principal, job, reason=visit.field("reason"), decided=decided)
    return visit.redirect(f"/console/jobs/{job}", "retried")


async def cancel(visit: Visit) -> web.StreamResponse:
    """Cancel or close a job."""
    job = id_in(visit.request, "job")
    await visit.hub.operate.cancel(visit.principal, job, reason=visit.field("reason"))
    return visit.redirect(f"/console/jobs/{job}", "cancelled")


async def show_event(visit: Visit) -> web.StreamResponse:
    """One event: as received for those who may see that, else without secrets; and the jobs it started."""
    event = id_in(visit.request, "event")
    shown = await visit.hub.timeline.of_event(visit.principal, event)
    jobs = await visit.hub.inspect.list_jobs(visit.principal, JobFilter(event_id=event), limit=_PAGE)
    return visit.render("event.html", event=shown, jobs=jobs)


async def replay(visit: Visit) -> web.StreamResponse:
    """Make new jobs for an event."""
    event = id_in(visit.request, "event")
    await visit.hub.operate.replay_event(visit.principal, event, reason=visit.field("reason"))
    return visit.redirect(f"/console/events/{event}", "replayed")


async def show_timeline(visit: Visit) -> web.StreamResponse:
    """All that belongs together."""
    query = visit.request.query
    by = next((name for name in ("correlation_id", "tag", "subject") if query.get(name, "").strip()), None)
    wanted = query.get(by, "").strip()[:255] if by else ""
    timeline = await _combined(visit, by, wanted) if by else None
    return visit.render("timeline.html", by=by, wanted=wanted, timeline=timeline)


async def _combined(visit: Visit, by: str, wanted: str) -> TimelineView:
    timeline, part = visit.hub.timeline, part_of(visit)
    told = {"correlation_id": timeline.correlated, "tag": timeline.tagged, "subject": timeline.about}
    return await told[by](visit.principal, wanted, part)


def part_of(visit: Visit) -> Part:
    """Which part of a timeline the address asks for."""
    query = visit.request.query
    return Part(_PAGE, query.get("cursor") or None, query.get("order") == "desc")


PAGES = (
    Page("GET", "/console/jobs/{id}", show_job, Scope.JOBS_READ, "jobs"),
    Page("GET", "/console/jobs/{id}/live", follow_job, Scope.JOBS_READ, "jobs", streams=True),
    Page("POST", "/console/jobs/{id}/retry", retry, Scope.JOBS_OPERATE, "jobs"),
    Page("POST", "/console/jobs/{id}/cancel", cancel, Scope.JOBS_OPERATE, "jobs"),
    Page("GET", "/console/events/{id}", show_event, Scope.EVENTS_LIST, "events"),
    Page("POST", "/console/events/{id}/replay", replay, Scope.EVENTS_OPERATE, "events"),
    Page("GET", TIMELINE, show_timeline, Scope.JOBS_READ, "jobs"),
)
