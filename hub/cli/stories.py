"""`hub jobs why`, `hub jobs timeline` and `hub timeline`: one job whole, and all that belongs together."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import click

from hub.services.timeline import Part
from hub.services.timeline_views import TimelineEntry, TimelineView

from .commands import Command
from .desk import Desk, at_desk
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .output import print_fields, print_json, print_note, print_table, span

newest_option = click.option("--newest-first", is_flag=True, help="From the end, not from the beginning.")
Told = Callable[[Desk, Part], Awaitable[TimelineView]]


@click.command(cls=Command)
@click.argument("job", metavar="ID", type=click.UUID)
@json_option
def why(*, job: UUID, as_json: bool) -> None:
    """Why a job is not running, and what to do about it."""
    answer = at_desk(lambda desk: desk.why.of(desk.principal, job))
    if as_json:
        print_json(answer)
        return
    print_fields(
        [
            ("why", answer.text),
            ("code", answer.code),
            ("until", answer.until),
            ("to do", answer.todo),
            ("besides", "; ".join(answer.besides) or None),
        ]
    )


@click.command(cls=Command)
@click.argument("job", metavar="ID", type=click.UUID)
@limit_option
@cursor_option
@newest_option
@json_option
def job_timeline(*, job: UUID, limit: int, cursor: str | None, newest_first: bool, as_json: bool) -> None:
    """What happened to a job, from the webhook or request to its end."""
    _tell(
        lambda desk, part: desk.timeline.of_job(desk.principal, job, part),
        Part(limit, cursor, newest_first),
        as_json=as_json,
    )


@click.command(cls=Command)
@click.option("--correlation-id", metavar="TEXT", help="All that has this correlation id.")
@click.option("--tag", metavar="TEXT", help="Jobs with this tag, as order:1042.")
@click.option("--subject", metavar="TEXT", help="Events about this, and the jobs they concern.")
@limit_option
@cursor_option
@newest_option
@json_option
def timeline(
    *,
    correlation_id: str | None,
    tag: str | None,
    subject: str | None,
    limit: int,
    cursor: str | None,
    newest_first: bool,
    as_json: bool,
) -> None:
    """What happened to all that belongs together, across jobs."""
    wanted = {"correlated": correlation_id, "tagged": tag, "about": subject}
    given = {name: value for name, value in wanted.items() if value}
    if len(given) != 1:
        raise click.UsageError("give one of --correlation-id, --tag and --subject")
    [(name, value)] = given.items()

    def told(desk: Desk, part: Part) -> Awaitable[TimelineView]:
        ways = {
            "correlated": desk.timeline.correlated,
            "tagged": desk.timeline.tagged,
            "about": desk.timeline.about,
        }
        return ways[name](desk.principal, value, part)

    _tell(told, Part(limit, cursor, newest_first), as_json=as_json)


def _tell(told: Told, part: Part, *, as_json: bool) -> None:
    view = at_desk(lambda desk: told(desk, part))
    if as_json:
        print_json(view)
        return
    names = {job.id: job.job for job in view.jobs}
    several = len(names) > 1
    header = ("AT", "TOOK", "WHAT", *(("JOB",) if several else ()), "")
    print_table(
        header,
        [_row(entry, names if several else None) for entry in view.items],
        empty="Nothing is on record.",
    )
    if view.more_jobs:
        print_note(f"There are more jobs: this tells of the newest {len(view.jobs)}.")
    if view.next_cursor:
        print_note(f"There is more: --cursor {view.next_cursor}")


def _row(entry: TimelineEntry, names: dict[UUID, str] | None) -> tuple[object, ...]:
    took = span(entry.at, entry.ended_at) if entry.ended_at else None
    name = () if names is None else (names.get(entry.job_id) if entry.job_id else None,)
    return entry.at, took, entry.kind.replace("_", " "), *name, entry.text
