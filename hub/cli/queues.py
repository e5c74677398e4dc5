"""`hub queues`: how much waits where, and whether it may start."""

from collections.abc import Sequence

import click

from hub.services.fleet_views import QueueView

from .commands import Group
from .desk import at_desk
from .options import as_json as json_option
from .options import reason as reason_option
from .output import duration, print_json, print_line, print_table

_COLUMNS = (
    "QUEUE",
    "STATE",
    "QUEUED",
    "RUNNING",
    "RETRYING",
    "SCHEDULED",
    "WAITING",
    "HELD",
    "FAILED",
    "DONE/MIN",
    "OLDEST",
)


@click.group(cls=Group)
def queues() -> None:
    """How much waits where, and whether it may start."""


@queues.command("list")
@json_option
def list_queues(*, as_json: bool) -> None:
    """Every queue with what is in it."""
    known = at_desk(lambda desk: desk.inspect.queues())
    if as_json:
        print_json({"items": known})
        return
    print_table(
        _COLUMNS,
        [_row(queue) for queue in known],
        empty="There are no queues yet: they come with the first `hub web` or `hub worker`.",
    )


@queues.command()
@click.argument("name")
@reason_option
@json_option
def pause(*, name: str, reason: str | None, as_json: bool) -> None:
    """Start nothing from a queue until it is resumed; what runs, runs on."""
    queue = at_desk(lambda desk: desk.operate.pause(desk.principal, name, reason=reason))
    if as_json:
        print_json(queue)
    else:
        print_line(f"{name} is paused: nothing in it starts until `hub queues resume {name}`.")


@queues.command()
@click.argument("name")
@reason_option
@json_option
def resume(*, name: str, reason: str | None, as_json: bool) -> None:
    """Let a paused queue go on."""
    queue = at_desk(lambda desk: desk.operate.resume(desk.principal, name, reason=reason))
    if as_json:
        print_json(queue)
    else:
        print_line(f"{name} goes on.")


def _row(queue: QueueView) -> Sequence[object]:
    oldest = None if queue.oldest_due_seconds is None else duration(queue.oldest_due_seconds)
    return (
        queue.name,
        "paused" if queue.paused else "open",
        *(
            f"{queue.depth[state]}{'+' if state in queue.bounded_states else ''}"
            for state in ("queued", "running", "retrying", "scheduled", "waiting", "held", "failed")
        ),
        queue.finished_last_minute,
        oldest,
    )
