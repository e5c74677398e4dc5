"""`hub errors`: failures grouped by cause, and what became of them."""

from collections.abc import Sequence
from datetime import datetime

import click

from hub.domain.inbox import GroupAction, GroupState
from hub.domain.wording import counted
from hub.services.inbox import GroupFilter, Sort
from hub.services.inbox_views import ErrorGroupDetail, ErrorGroupView

from .commands import Group
from .desk import at_desk
from .options import Moment
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .options import reason as reason_option
from .output import age, print_fields, print_json, print_line, print_more, print_table

_BARS = "▁▂▃▄▅▆▇█"


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def errors(context: click.Context) -> None:
    """Failures grouped by cause. Alone it lists what is open and has failed jobs for good."""
    if context.invoked_subcommand is None:
        context.invoke(list_errors, states=(GroupState.OPEN.value,), failed=True)


@errors.command("list")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in GroupState]),
    multiple=True,
    help="May be given several times.",
)
@click.option("--job", metavar="NAME", help="Of this job, as payments.charge.")
@click.option("--provider", metavar="NAME", help="Of calls to this provider.")
@click.option("--text", metavar="TEXT", help="With this in the message, code, class or place.")
@click.option("--since", type=Moment(), help="Happened since; 15m, 2h, 3d or a time.")
@click.option(
    "--failed/--cured",
    default=None,
    help="Only what failed jobs for good; only what retries have cured so far.",
)
@click.option(
    "--sort",
    type=click.Choice([sort.value for sort in Sort]),
    default=Sort.LAST_SEEN.value,
    show_default=True,
    help="What stands first.",
)
@limit_option
@cursor_option
@json_option
def list_errors(  # noqa: PLR0913 - its options
    *,
    states: Sequence[str] = (),
    job: str | None = None,
    provider: str | None = None,
    text: str | None = None,
    since: datetime | None = None,
    failed: bool | None = None,
    sort: str = Sort.LAST_SEEN.value,
    limit: int = 50,
    cursor: str | None = None,
    as_json: bool = False,
) -> None:
    """Failures by cause, what happened last first."""
    wanted = GroupFilter(tuple(map(GroupState, states)), job, provider, text, since, failed)
    page = at_desk(lambda desk: desk.inbox.list_groups(wanted, sort=Sort(sort), limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(
        ("SIGNATURE", "STATE", "FAILED", "24 HOURS", "LAST", "JOB", "PROVIDER", "ERROR"),
        [_row(group) for group in page.items],
        empty="No such failures.",
    )
    print_more(page.next_cursor)


@errors.command()
@click.argument("signature")
@json_option
def show(*, signature: str, as_json: bool) -> None:
    """All that is known of a cause: where, since when, how often, and how its jobs stand."""
    group = at_desk(lambda desk: desk.inbox.get_group(signature))
    if as_json:
        print_json(group)
    else:
        _print_detail(group)


def _command(action: GroupAction, what: str) -> None:
    @errors.command(action.value, help=what)
    @click.argument("signature")
    @reason_option
    @json_option
    def act(*, signature: str, reason: str | None, as_json: bool) -> None:
        group = at_desk(lambda desk: desk.inbox.act(desk.principal, signature, action, reason=reason))
        if as_json:
            print_json(group)
        else:
            print_line(f"{_error(group)} in {group.job} is {group.state}.")


_command(GroupAction.ACKNOWLEDGE, "Say that somebody looks at it.")
_command(GroupAction.RESOLVE, "Say that it should not come back; if it does, it opens again by itself.")
_command(GroupAction.IGNORE, "Say that nobody needs to look, however often it happens.")
_command(GroupAction.REOPEN, "Say that somebody should look after all.")


def _row(group: ErrorGroupView) -> Sequence[object]:
    return (
        group.signature,
        group.state,
        _jobs(group),
        bars(group.trend),
        age(group.last_seen_at),
        group.job,
        group.provider,
        _error(group),
    )


def _jobs(group: ErrorGroupView) -> str:
    return f"{group.failed_jobs:,}{'+' if group.bounded else ''}"


def _error(group: ErrorGroupView) -> str:
    return f"{group.code}: {group.message}"


def bars(counts: Sequence[int]) -> str:
    """Numbers as bars, one character each; nothing where there was nothing."""
    most = max(counts, default=0)
    return "".join(_BARS[-(-count * len(_BARS) // most) - 1] if count else " " for count in counts)


def _print_detail(group: ErrorGroupDetail) -> None:
    change = group.change
    changed = change and f"by {change.by} {age(change.at)} ago" + (
        f": {change.reason}" if change.reason else ""
    )
    standing = ", ".join(f"{count:,} {state}" for state, count in sorted(group.jobs.items()))
    print_fields(
        [
            ("signature", group.signature),
            ("error", _error(group)),
            ("class", group.kind),
            ("job", group.job),
            ("step", group.step),
            ("provider", group.provider),
            ("operation", group.operation),
            ("state", group.state),
            ("changed", changed),
            ("came back", counted(group.reopened, "time") if group.reopened else None),
            ("failed now", counted(group.failed_jobs, "job", more=group.bounded)),
            ("latest jobs" if group.jobs_bounded else "its jobs", standing),
            (
                "so far",
                f"{counted(group.failed_attempts, 'attempt')} failed, {group.failed_for_good:,} for good",
            ),
            ("48 hours", f"|{bars([hour.failed_attempts for hour in group.hours])}|"),
            ("first seen", group.first_seen_at),
            ("last seen", group.last_seen_at),
            ("releases", " to ".join(dict.fromkeys(filter(None, (group.first_release, group.last_release))))),
            ("example", group.example_id),
            ("its error", group.example_message),
        ]
    )
    print_line(f"Its jobs: hub jobs list --signature {group.signature} --state failed")
