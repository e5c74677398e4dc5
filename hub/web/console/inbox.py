"""The inbox: failures grouped by cause, and what people say about each cause."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from aiohttp import web
from markupsafe import Markup

from hub.domain.access import Scope
from hub.domain.errors import Conflict, Invalid, NotFound
from hub.domain.inbox import GroupAction, GroupState
from hub.domain.jobs import JobState
from hub.services.filters import JobFilter
from hub.services.inbox import GroupFilter, Sort
from hub.services.inbox_views import ErrorGroupDetail
from hub.web.console.charts import Chart, Series, Tone, bars, sparkline
from hub.web.console.page import Page, Visit

INBOX = "/console/inbox"
_CURED = "cured"
# What each tab shows. What retries have cured so far needs nobody, and would bury what does.
VIEWS: Mapping[str, GroupFilter] = MappingProxyType(
    {
        **{state.value: GroupFilter((state,), failed=True) for state in GroupState},
        _CURED: GroupFilter((GroupState.OPEN,), failed=False),
    }
)
TITLES: Mapping[str, str] = MappingProxyType(
    {
        "open": "Open",
        "acknowledged": "Acknowledged",
        "resolved": "Resolved",
        "ignored": "Ignored",
        _CURED: "Cured by retries",
    }
)
_NOTICES = MappingProxyType(
    {
        GroupAction.ACKNOWLEDGE: "acknowledged",
        GroupAction.RESOLVE: "resolved",
        GroupAction.IGNORE: "ignored",
        GroupAction.REOPEN: "reopened",
    }
)
_PAGE, _MOST_MOVED = 25, 200


async def show(visit: Visit) -> web.StreamResponse:
    """A part of the groups in one state."""
    query = visit.request.query
    view = query.get("view", "open")
    if view not in VIEWS:
        raise NotFound(f"there is no view {view[:50]!r} of the inbox")
    sort = Sort.FAILED_FOR_GOOD if query.get("sort") == Sort.FAILED_FOR_GOOD else Sort.LAST_SEEN
    wanted = _asked(visit, view)
    groups = await visit.hub.inbox.list_groups(wanted, sort=sort, limit=_PAGE, cursor=query.get("cursor"))
    return visit.render(
        "inbox.html",
        view=view,
        titles=TITLES,
        sort=sort,
        tally=await visit.hub.inbox.tally(),
        groups=groups,
        spark=spark,
        filtered=any((wanted.text, wanted.job, wanted.provider)),
        providers=sorted(visit.hub.registry.providers),
        jobs=sorted(visit.hub.registry.jobs),
        actions=[action for action in GroupAction if _fits(action, view)],
    )


def _asked(visit: Visit, view: str) -> GroupFilter:
    query, base = visit.request.query, VIEWS[view]
    given = {name: query.get(name, "").strip()[:200] or None for name in ("text", "job", "provider")}
    return GroupFilter(base.states, given["job"], given["provider"], given["text"], failed=base.failed)


def _fits(action: GroupAction, view: str) -> bool:
    """Whether a button for many groups makes sense where they are all in the state of this tab."""
    return (action is GroupAction.REOPEN) is (view not in {"open", "acknowledged", _CURED}) and not (
        action is GroupAction.ACKNOWLEDGE and view == "acknowledged"
    )


async def move_many(visit: Visit) -> web.StreamResponse:
    """Move every group that was selected; one that somebody else has just moved is left as it is."""
    action, reason = _action(visit), visit.field("reason")
    selected = dict.fromkeys(visit.form.getall("signature", [])[:_MOST_MOVED])
    moved = [one for one in selected if await _moved(visit, one, action, reason)]
    if not selected:
        told = "no_error_selected"
    else:
        told = f"errors_{_NOTICES[action]}" if moved else "errors_as_they_were"
    return visit.redirect(visit.request.path_qs, told)


async def _moved(visit: Visit, signature: str, action: GroupAction, reason: str | None) -> bool:
    try:
        await visit.hub.inbox.act(visit.principal, signature, action, reason=reason)
    except (Conflict, NotFound):
        return False
    return True


async def show_group(visit: Visit) -> web.StreamResponse:
    """One group: how it goes, where it happens, and its jobs."""
    group = await visit.hub.inbox.get_group(visit.request.match_info["signature"])
    jobs = await visit.hub.inspect.list_jobs(
        visit.principal,
        JobFilter(states=(JobState.FAILED,), signature=group.signature),
        limit=_PAGE,
        cursor=visit.request.query.get("cursor"),
    )
    return visit.render(
        "group.html",
        group=group,
        jobs=jobs,
        chart=trend(group),
        plan=f"/console/plans/new?q={quote(f'signature:{group.signature} state:failed')}",
    )


async def move(visit: Visit) -> web.StreamResponse:
    """Acknowledge, resolve, ignore or reopen a group."""
    signature, action = visit.request.match_info["signature"], _action(visit)
    await visit.hub.inbox.act(visit.principal, signature, action, reason=visit.field("reason"))
    return visit.redirect(f"{INBOX}/{quote(signature, safe='')}", f"error_{_NOTICES[action]}")


def _action(visit: Visit) -> GroupAction:
    asked = visit.field("action") or ""
    if asked not in list(GroupAction):
        raise Invalid("the form says nothing that can be done with a group", code="unknown_action")
    return GroupAction(asked)


def spark(counts: list[int]) -> Markup:
    """A day as a small picture."""
    return sparkline(counts, title="Failed attempts in each of the last 24 hours")


def trend(group: ErrorGroupDetail) -> Markup:
    """Two days as a picture."""
    return bars(
        Chart(
            "Failed attempts by the hour, two days",
            [f"{hour.hour:%d %b %H:00}" for hour in group.hours],
            [
                Series("Failed for good", [hour.failed_for_good for hour in group.hours], Tone.BAD),
                Series(
                    "Tried again",
                    [hour.failed_attempts - hour.failed_for_good for hour in group.hours],
                    Tone.WARN,
                ),
            ],
        )
    )


PAGES = (
    Page("GET", INBOX, show, Scope.JOBS_READ_ALL, "inbox"),
    Page("POST", INBOX, move_many, Scope.JOBS_OPERATE, "inbox"),
    Page("GET", f"{INBOX}/{{signature}}", show_group, Scope.JOBS_READ_ALL, "inbox"),
    Page("POST", f"{INBOX}/{{signature}}", move, Scope.JOBS_OPERATE, "inbox"),
)
