"""Watching a plan: a bar on a terminal, a line for each change elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hub.domain.plans import PlanState
from hub.services.plan_views import PlanView

from .output import print_note

EVERY = 0.5  # seconds
_MOVING = frozenset({PlanState.CANARY, PlanState.RUNNING})

Look = Callable[[], Awaitable[PlanView]]


async def watch(look: Look, *, quiet: bool = False) -> None:
    """Return when the plan stands still: finished, or waiting for a person; `quiet`: show nothing meanwhile."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        await _until_still(look, lambda _plan: None)
    elif console.is_terminal:
        await _with_a_bar(look, console)
    else:
        await _until_still(look, _lines())


async def _until_still(look: Look, tell: Callable[[PlanView], None]) -> None:
    while True:
        plan = await look()
        tell(plan)
        if plan.state not in _MOVING:
            return
        await asyncio.sleep(EVERY)


def _lines() -> Callable[[PlanView], None]:
    said: list[str] = []

    def tell(plan: PlanView) -> None:
        if plan.text not in said[-1:]:
            said.append(plan.text)
            print_note(f"{plan.state}: {plan.text}")

    return tell


async def _with_a_bar(look: Look, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[told]}"), console=console) as progress:
        task = progress.add_task("plan", total=None, told="")

        def tell(plan: PlanView) -> None:
            counts = plan.counts
            ended = counts.succeeded + counts.failed + counts.cancelled + counts.skipped
            failing = counts.failed + counts.retrying
            told = plan.held_up or (f"{failing} failed again" if failing else "")
            progress.update(
                task,
                description=plan.state.value,
                completed=ended,
                total=plan.found - counts.excluded,
                told=told,
            )

        await _until_still(look, tell)
