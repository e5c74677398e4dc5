"""`hub jobs`: what jobs do, and what can be done about them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from hub.domain.errors import Conflict
from hub.domain.jobs import SETTLED, JobState, Reason
from hub.domain.search import parse
from hub.services.filters import JobFilter
from hub.services.job_views import ErrorView, JobDetail, JobView

from . import edits, stories
from .commands import Group
from .desk import Desk, at_desk
from .errors import Failure
from .options import Moment
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .options import reason as reason_option
from .output import age, print_fields, print_json, print_line, print_table, span
from .searches import tell_the_rest
from .steps import STEPS, step_row, undoing, undone


@click.group(cls=Group)
def jobs() -> None:
    """What jobs do, and what can be done about them."""


@jobs.command("list")
@click.argument("search", metavar="[SEARCH]...", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in JobState]),
    multiple=True,
    help="May be given several times.",
)
@click.option("--job", metavar="NAME", help="Of this name, as payments.charge.")
@click.option("--queue", metavar="NAME", help="Of this queue.")
@click.option("--application", metavar="NAME", help="Of this application.")
@click.option("--signature", metavar="TEXT", help="That failed of this cause.")
@click.option("--tag", metavar="TEXT", help="With this tag.")
@click.option("--correlation-id", metavar="TEXT", help="That belong together.")
@click.option("--event", "event_id", metavar="ID", type=click.UUID, help="That this event started.")
@click.option("--text", metavar="TEXT", help="With this in the error.")
@click.option("--since", "created_after", type=Moment(), help="Accepted since; 15m, 2h, 3d or a time.")
@click.option("--until", "created_before", type=Moment(), help="Accepted before.")
@limit_option
@cursor_option
@json_option
def list_jobs(
    *,
    search: Sequence[str],
    states: Sequence[str],
    limit: int,
    cursor: str | None,
    as_json: bool,
    **wanted: str | UUID | datetime,
) -> None:
    """Jobs, the newest first. SEARCH is as in the console: 'state:failed provider:stripe order:1234 since:2h'."""
    query = parse(" ".join(search), datetime.now(UTC))
    chosen = JobFilter(tuple(JobState(state) for state in states), **wanted, search=query)  # type: ignore[arg-type]  # as the options are
    page = at_desk(lambda desk: desk.inspect.list_jobs(desk.principal, chosen, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(
        ("ID", "JOB", "STATE", "TRY", "AGE", "NEXT"),
        [_row(job) for job in page.items],
        empty="No such jobs.",
    )
    tell_the_rest(page, query)


jobs.add_command(stories.why, "why")
jobs.add_command(edits.edit, "edit")
jobs.add_command(stories.job_timeline, "timeline")


@jobs.command()
@click.argument("job", metavar="ID", type=click.UUID)
@json_option
def show(*, job: UUID, as_json: bool) -> None:
    """All that is known of a job: what was asked, tried, called and answered, and what comes next."""
    detail = at_desk(lambda desk: desk.inspect.get_job(desk.principal, job))
    if as_json:
        print_json(detail)
    else:
        _print_detail(detail)


@jobs.command()
@click.argument("job", metavar="ID", type=click.UUID)
@click.option(
    "--decided", is_flag=True, help="You have looked up what may have happened: the retry may repeat it."
)
@reason_option
@json_option
def retry(*, job: UUID, reason: str | None, decided: bool, as_json: bool) -> None:
    """Run a failed, cancelled or held job again; what it has done already is not done twice."""
    _told(at_desk(lambda desk: _retry(desk, job, reason, decided=decided)), as_json=as_json)


@jobs.command()
@click.argument("job", metavar="ID", type=click.UUID)
@reason_option
@json_option
def cancel(*, job: UUID, reason: str | None, as_json: bool) -> None:
    """Cancel a job that no worker is at, also one that waits half way: what it has recorded to undo is undone first.
    With a reason, close one whose undoing has stopped.
    """
    _told(at_desk(lambda desk: desk.operate.cancel(desk.principal, job, reason=reason)), as_json=as_json)


async def _retry(desk: Desk, job: UUID, reason: str | None, *, decided: bool) -> JobDetail:
    try:
        return await desk.operate.retry(desk.principal, job, reason=reason, decided=decided)
    except Conflict as refused:
        if refused.code != "uncertain_effect":
            raise
        found = await desk.inspect.get_job(desk.principal, job)
        flag = "" if found.reason == Reason.UNCERTAIN else " --decided"
        raise Failure(
            found.retry.text, f'Then: hub jobs retry {job}{flag} --reason "what you found"'
        ) from refused


def _told(job: JobDetail, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        print_line(f"{job.job} {job.id} is {job.state}: {job.next.text}.")


def _row(job: JobView) -> Sequence[object]:
    told = f"{job.next.text} ({_error(job.error)})" if job.error else job.next.text
    return job.id, job.job, job.state, job.attempt, age(job.created_at), told


def _error(error: ErrorView | None) -> str | None:
    return None if error is None else f"{error.code}: {error.message}"


def _print_detail(job: JobDetail) -> None:
    print_fields(
        [
            ("job", job.job),
            ("id", job.id),
            ("state", _because(job.state, job.reason)),
            ("undoing", undoing(job)),
            ("undone", undone(job)),
            ("next", job.next.text),
            ("retry", job.retry.text if job.retry.allowed else None),
            ("error", _error(job.error)),
            ("cause", job.error and job.error.signature),
            ("queue", f"{job.queue}, priority {job.priority}"),
            ("application", job.application),
            ("event", job.event_id),
            ("parent", job.parent_id),
            ("correlation id", job.correlation_id),
            ("idempotency key", job.idempotency_key),
            ("tags", job.tags),
            ("accepted", job.created_at),
            ("due", job.run_at),
            ("settled", job.settled_at),
            ("progress", None if job.state in SETTLED else _progress(job.progress)),
            ("arguments", job.args),
            ("result", job.result),
        ]
    )
    print_table(
        ("ATTEMPT", "BEGAN", "TOOK", "OUTCOME", "ERROR"),
        [
            (
                one.number,
                one.started_at,
                span(one.started_at, one.finished_at),
                one.outcome,
                _error(one.error),
            )
            for one in job.attempts
        ],
        empty="No attempt has ended yet.",
    )
    if job.steps:
        print_table(STEPS, [step_row(one, job) for one in job.steps], empty="")


def _because(state: JobState, reason: str | None) -> str:
    return f"{state} ({reason})" if reason else f"{state}"


def _progress(said: Any) -> str | None:
    """As `ctx.progress` said it: `1 of 3: paid`."""
    if said is None:
        return None
    done, total, note = said.get("done"), said.get("total"), said.get("note")
    share = f"{done}" if total is None else f"{done} of {total}"
    return f"{share}: {note}" if note else share
