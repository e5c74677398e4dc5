"""`hub plans`: one thing done to many jobs, carefully."""

import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import click

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
from hub.services.plan_reports import CSV, NDJSON, lines_of
from hub.services.plan_views import PlanView
from hub.services.plans import PlanRequest

from .commands import Group
from .desk import Desk, at_desk
from .errors import Exit
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .options import reason as reason_option
from .output import age, duration, print_fields, print_json, print_line, print_more, print_note, print_table
from .plan_watch import watch as watched

_DEFAULTS = Settings()

plan_argument = click.argument("plan", metavar="ID", type=click.UUID)
watch_option = click.option(
    "--watch",
    is_flag=True,
    help="Stay, and show how it goes, until it stands still: exit code 1 if it stopped by itself or was aborted.",
)


@click.group(cls=Group)
def plans() -> None:
    """One thing done to many jobs: a dry run first, then a few of them, then the rest."""


@plans.command()
@click.argument("search", metavar="SEARCH")
@click.option(
    "--action",
    type=click.Choice([action.value for action in Action]),
    default=Action.RETRY.value,
    show_default=True,
    help="What is done to each.",
)
@click.option(
    "--rate",
    type=click.FloatRange(MIN_RATE, MAX_RATE),
    default=_DEFAULTS.rate,
    show_default=True,
    help="Jobs released in a second.",
)
@click.option(
    "--canary",
    type=click.IntRange(0, MAX_CANARY),
    default=_DEFAULTS.canary,
    show_default=True,
    help="How many are tried before the rest; 0 for none.",
)
@click.option(
    "--stop-above",
    type=click.FloatRange(0, 1),
    default=_DEFAULTS.stop_above,
    show_default=True,
    help="The share of failures above which it stops by itself; 1 for never.",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, MAX_IN_FLIGHT),
    default=_DEFAULTS.max_in_flight,
    show_default=True,
    help="Released jobs without an outcome, at most.",
)
@click.option("--wait-for-go", is_flag=True, help="Wait for `hub plans go` after the canary.")
@click.option(
    "--include-uncertain",
    is_flag=True,
    help="Also those that may have been done: you have looked them up. Takes --reason.",
)
@reason_option
@json_option
def create(  # noqa: PLR0913 - its options
    *,
    search: str,
    action: str,
    rate: float,
    canary: int,
    stop_above: float,
    in_flight: int,
    wait_for_go: bool,
    include_uncertain: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Make a dry run over the jobs that a search finds, as 'state:failed provider:stripe'. No job is touched."""
    settings = Settings(canary, rate, stop_above, in_flight, wait_for_go=wait_for_go)
    wanted = PlanRequest(Action(action), search, settings, include_uncertain, reason)
    made = at_desk(lambda desk: desk.plans.create(desk.principal, wanted))
    if as_json:
        print_json(made)
        return
    _print_plan(made)
    if made.counts.pending:
        print_note(f"Nothing was touched. To do it: hub plans start {made.id} --watch")


@plans.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in PlanState]),
    multiple=True,
    help="May be given several times.",
)
@limit_option
@cursor_option
@json_option
def list_plans(*, states: Sequence[str], limit: int, cursor: str | None, as_json: bool) -> None:
    """Plans, the newest first."""
    chosen = [PlanState(state) for state in states]
    page = at_desk(lambda desk: desk.plans.list_plans(chosen, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(
        ("ID", "ACTION", "STATE", "JOBS", "DONE", "FAILED", "AGE", "SEARCH"),
        [_row(plan) for plan in page.items],
        empty="No plans yet: hub plans create 'state:failed'",
    )
    print_more(page.next_cursor)


@plans.command()
@plan_argument
@watch_option
@json_option
def show(*, plan: UUID, watch: bool, as_json: bool) -> None:
    """What the dry run found, and how it goes."""
    seen = at_desk(lambda desk: _after(desk, plan, watch=watch, as_json=as_json))
    if as_json:
        print_json(seen)
    else:
        _print_plan(seen)
    _end(seen, watched=watch)


@plans.command()
@plan_argument
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "ndjson"]),
    default="csv",
    show_default=True,
    help="For spreadsheets, or for programs.",
)
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in ItemState]),
    multiple=True,
    help="May be given several times.",
)
def report(*, plan: UUID, kind: str, states: Sequence[str]) -> None:
    """Every job of a plan with what became of it, a line each."""

    async def write(desk: Desk) -> None:
        await desk.plans.get(plan)
        pages = desk.plans.report(plan, [ItemState(state) for state in states])
        async for lines in lines_of(CSV if kind == "csv" else NDJSON, pages):
            sys.stdout.write(lines.decode())

    at_desk(write)


def _telling(command: Command, name: str, help_text: str, *, watchable: bool = False) -> None:
    """A command of this name that tells a plan something."""

    def tell(*, plan: UUID, reason: str | None, as_json: bool, watch: bool = False) -> None:
        async def told(desk: Desk) -> PlanView:
            await desk.plans.command(desk.principal, plan, command, reason=reason)
            return await _after(desk, plan, watch=watch, as_json=as_json)

        seen = at_desk(told)
        if as_json:
            print_json(seen)
        else:
            print_line(f"{seen.action} plan {seen.id}: {seen.text}.")
        _end(seen, watched=watch)

    decorators: list[Callable[[Any], Any]] = [json_option, reason_option, plan_argument]
    if watchable:
        decorators.insert(0, watch_option)
    made: Any = tell
    for decorate in decorators:
        made = decorate(made)
    plans.command(name, help=help_text)(made)


_telling(Command.START, "start", "Start a plan: its canary first, if it has one.", watchable=True)
_telling(Command.GO, "go", "Go on after the canary, without waiting for its judgement.", watchable=True)
_telling(Command.PAUSE, "pause", "Release nothing more until it is resumed; what was released runs on.")
_telling(Command.PAUSE, "stop", "The same as pause.")
_telling(
    Command.RESUME,
    "resume",
    "Go on with a plan that was paused, or that has stopped by itself.",
    watchable=True,
)
_telling(Command.ABORT, "abort", "End a plan for good; what was released runs on.")


def _end(plan: PlanView, *, watched: bool) -> None:
    # Whoever waits for what becomes of it, as a script does, learns it by the exit code.
    if watched and plan.state in {PlanState.STOPPED, PlanState.ABORTED}:
        raise click.exceptions.Exit(Exit.REFUSED)


async def _after(desk: Desk, plan: UUID, *, watch: bool, as_json: bool) -> PlanView:
    if watch:
        await watched(lambda: desk.plans.get(plan), quiet=as_json)
    return await desk.plans.get(plan)


def _because(plan: PlanView) -> str:
    return f": {plan.halt_reason}" if plan.halt_reason else ""


def _row(plan: PlanView) -> Sequence[object]:
    counts = plan.counts
    return (
        plan.id,
        plan.action,
        plan.state,
        plan.found - counts.excluded,
        counts.succeeded,
        counts.failed + counts.retrying,
        age(plan.created_at),
        plan.filter,
    )


def _print_plan(plan: PlanView) -> None:
    settings, counts = plan.settings, plan.counts
    print_fields(
        [
            ("plan", plan.id),
            ("action", plan.action),
            ("search", plan.filter),
            ("state", plan.state),
            ("now", plan.text),
            ("reason", plan.reason),
            ("created", f"by {plan.created_by}"),
            ("started", plan.started_by and f"by {plan.started_by}"),
            ("approved", plan.approved_by and f"by {plan.approved_by}"),
            (plan.state, plan.halted_by and f"by {plan.halted_by}{_because(plan)}"),
            ("canary", settings.canary or "none"),
            ("rate", f"{settings.rate:g} a second, {settings.max_in_flight} in flight at most"),
            ("stops", f"above {settings.stop_above:.0%} failures"),
            ("expected", duration(plan.expected_seconds) if counts.pending else None),
            ("found", plan.found),
        ]
    )
    print_table(
        ("JOBS", "KIND", "PART OF IT", "WHY"),
        [(one.jobs, one.kind, "yes" if one.included else "no", one.text) for one in plan.verdicts],
        empty="It found no jobs.",
    )
    if plan.state is not PlanState.DRAFT:
        print_table(
            ("STATE", "JOBS"),
            [(state, number) for state in ItemState if (number := getattr(counts, state.value))],
            empty="",
        )
