"""Plans: the list, a form for a dry run, the dry run's report, and how it goes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aiohttp import web

from hub.domain.access import Scope
from hub.domain.errors import Conflict, Forbidden, Invalid, NotFound
from hub.domain.plan_rulings import Class
from hub.domain.plans import Action, Command, ItemState, PlanState
from hub.services.plan_reports import CSV, NDJSON, lines_of
from hub.services.plan_views import PlanView
from hub.services.plans import SHARED_LOOKED
from hub.web.console.page import Page, Visit
from hub.web.console.plan_forms import PlanForm
from hub.web.console.shares import Part, bar
from hub.web.downloads import download
from hub.web.reading import id_in

HOME = "/console/plans"
_PAGE = 50
VIEWS: Mapping[str, tuple[PlanState, ...]] = MappingProxyType(
    {
        "all": (),
        "under-way": (
            PlanState.CANARY,
            PlanState.AWAITING,
            PlanState.RUNNING,
            PlanState.PAUSED,
            PlanState.STOPPED,
        ),
        "drafts": (PlanState.DRAFT,),
        "over": (PlanState.FINISHED, PlanState.ABORTED),
    }
)
TITLES = MappingProxyType({"all": "All", "under-way": "Under way", "drafts": "Dry runs", "over": "Over"})
ACTIONS = MappingProxyType(
    {
        Action.RETRY: "Retry: queue them again with a fresh budget",
        Action.REQUEUE: "Run now: what is planned for later, or held",
        Action.CANCEL: "Cancel: end what is not settled, undoing what can be undone",
        Action.DISCARD: "Discard: close what has failed or is held, for good",
    }
)
LABELS = MappingProxyType(
    {
        Command.START: "Start",
        Command.GO: "Go on with the rest",
        Command.PAUSE: "Pause",
        Command.RESUME: "Resume",
        Command.ABORT: "Abort",
    }
)
TONES = MappingProxyType(
    {
        PlanState.DRAFT: "plain",
        PlanState.CANARY: "info",
        PlanState.AWAITING: "warn",
        PlanState.RUNNING: "info",
        PlanState.PAUSED: "warn",
        PlanState.STOPPED: "bad",
        PlanState.FINISHED: "good",
        PlanState.ABORTED: "plain",
    }
)
ITEM_TONES = MappingProxyType(
    {
        ItemState.SUCCEEDED: "good",
        ItemState.FAILED: "bad",
        ItemState.RETRYING: "warn",
        ItemState.RELEASED: "info",
        ItemState.WAITING: "info",
        ItemState.CANCELLED: "plain",
        ItemState.SKIPPED: "plain",
        ItemState.PENDING: "plain",
        ItemState.EXCLUDED: "plain",
    }
)
_KIND_TONES = MappingProxyType({Class.SAFE: "good", Class.UNCERTAIN: "warn", Class.INELIGIBLE: "plain"})


async def show(visit: Visit) -> web.StreamResponse:
    """A part of the plans."""
    query = visit.request.query
    view = query.get("view", "all")
    if view not in VIEWS:
        raise NotFound(f"there is no view {view[:50]!r} of the plans")
    plans = await visit.hub.plans.list_plans(VIEWS[view], limit=_PAGE, cursor=query.get("cursor"))
    return visit.render(
        "plans.html", plans=plans, view=view, titles=TITLES, tones=TONES, progress=progress_of
    )


async def new(visit: Visit) -> web.StreamResponse:
    """The form, filled in by whoever links here."""
    return _form(visit, PlanForm.of(visit.request.query))


async def create(visit: Visit) -> web.StreamResponse:
    """Make a dry run."""
    form = PlanForm.of({name: str(value) for name, value in visit.form.items()})
    # A million jobs take a while to look at.
    visit.call.waits = True
    try:
        made = await visit.hub.plans.create(visit.principal, form.request())
    except (Invalid, Conflict, Forbidden) as refused:
        return _form(visit, form.refused(refused, refused.problems), status=422)
    return visit.redirect(f"{HOME}/{made.id}")


def _form(visit: Visit, form: PlanForm, *, status: int = 200) -> web.Response:
    return visit.render("plan_new.html", form=form, actions=ACTIONS, status=status)


async def show_one(visit: Visit) -> web.StreamResponse:
    """One plan: before its start what it would do, afterwards what became of it."""
    return await _one(visit)


async def _one(visit: Visit, *, status: int = 200, trouble: str | None = None) -> web.Response:
    values = await _values(visit)
    plan: PlanView = values["plan"]
    others = await visit.hub.plans.others(plan.id) if plan.state is PlanState.DRAFT else []
    return visit.render(
        "plan.html", **values, others=others, looked=SHARED_LOOKED, trouble=trouble, status=status
    )


async def follow(visit: Visit) -> web.StreamResponse:
    """How it goes, sent whenever that changes: the whole, and the page of its jobs that is looked at."""

    async def part() -> str:
        values = await _values(visit)
        return "".join(visit.fragment(one, **values) for one in ("plan_live.html", "plan_jobs.html"))

    return await visit.follow(part)


async def _values(visit: Visit) -> dict[str, Any]:
    query, wanted = visit.request.query, visit.request.query.get("state", "")
    plan = await visit.hub.plans.get(id_in(visit.request, "plan"))
    states = [ItemState(wanted)] if wanted in list(ItemState) else []
    return {
        "plan": plan,
        "path": f"{HOME}/{plan.id}",
        "items": await visit.hub.plans.list_items(plan.id, states, limit=_PAGE, cursor=query.get("cursor")),
        "wanted": wanted,
        "item_states": list(ItemState),
        "tones": TONES,
        "item_tones": ITEM_TONES,
        "kind_tones": _KIND_TONES,
        "labels": LABELS,
        "over": plan.ended_at is not None and not (plan.counts.released or plan.counts.retrying),
        "progress": progress_of(plan),
        "verdicts": bar(
            [
                Part("safe", plan.safe, "good"),
                Part("uncertain", plan.uncertain, "warn"),
                Part("ineligible", plan.ineligible, "plain"),
            ],
            "What the dry run makes of the jobs",
        ),
    }


def progress_of(plan: PlanView) -> object:
    """The jobs of a plan by what became of them, as a bar."""
    order = (
        ItemState.SUCCEEDED,
        ItemState.FAILED,
        ItemState.RETRYING,
        ItemState.CANCELLED,
        ItemState.SKIPPED,
        ItemState.RELEASED,
        ItemState.WAITING,
    )
    parts = [Part(state.value, getattr(plan.counts, state.value), ITEM_TONES[state]) for state in order]
    return bar([*parts, Part("to go", plan.counts.pending, "line")], "Jobs of the plan")


async def tell(visit: Visit) -> web.StreamResponse:
    """Start, go on, pause, resume, abort."""
    told = visit.request.match_info["command"]
    if told not in list(Command):
        raise NotFound(f"a plan cannot be told to {told[:50]!r}")
    plan = id_in(visit.request, "plan")
    try:
        await visit.hub.plans.command(visit.principal, plan, Command(told), reason=visit.field("reason"))
    except Conflict as refused:
        return await _one(visit, status=409, trouble=str(refused))
    return visit.redirect(f"{HOME}/{plan}", f"plan_{told}")


async def report(visit: Visit) -> web.StreamResponse:
    """Every job of a plan, as a download."""
    plan = await visit.hub.plans.get(id_in(visit.request, "plan"))
    kind = CSV if visit.request.path.endswith(".csv") else NDJSON
    name = visit.request.path.rpartition("/")[2].replace("report", f"plan-{plan.id}")
    return await download(
        visit.request, visit.call, name, kind, lines_of(kind, visit.hub.plans.report(plan.id))
    )


PAGES = (
    Page("GET", HOME, show, Scope.JOBS_READ_ALL, "plans"),
    Page("POST", HOME, create, Scope.JOBS_OPERATE, "plans"),
    Page("GET", f"{HOME}/new", new, Scope.JOBS_OPERATE, "plans"),
    Page("GET", f"{HOME}/{{id}}", show_one, Scope.JOBS_READ_ALL, "plans"),
    Page("GET", f"{HOME}/{{id}}/live", follow, Scope.JOBS_READ_ALL, "plans", streams=True),
    Page("GET", f"{HOME}/{{id}}/report.csv", report, Scope.JOBS_READ_ALL, "plans"),
    Page("GET", f"{HOME}/{{id}}/report.ndjson", report, Scope.JOBS_READ_ALL, "plans"),
    Page("POST", f"{HOME}/{{id}}/{{command}}", tell, Scope.JOBS_OPERATE, "plans"),
)
