"""`hub audit`: who did what, and whether the log still says so."""

import re
from datetime import datetime
from typing import Any

import click

from hub.services.audit import AuditEntry, AuditFilter, Verdict

from .commands import Group
from .desk import at_desk
from .errors import Failure
from .options import Moment
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .output import print_json, print_line, print_note, print_table


class _Hash(click.ParamType[str]):
    name = "HASH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text: str = value.strip().lower()
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            self.fail(
                f"{value!r} is no hash: 64 hexadecimal digits, as `hub audit verify` prints", param, ctx
            )
        return text


@click.group(cls=Group)
def audit() -> None:
    """Who did what, when and why."""


@audit.command("list")
@click.option("--actor", help="By whom, as it is listed.")
@click.option("--action", help="What was done, as job.retry.")
@click.option("--subject", help="To what: an id, or a queue's name.")
@click.option("--since", type=Moment(), help="At this time or later: 2026-11-30, or an age as 2h.")
@click.option("--until", type=Moment(), help="Before this time.")
@limit_option
@cursor_option
@json_option
def list_entries(
    *,
    actor: str | None,
    action: str | None,
    subject: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """What was done, newest first."""
    wanted = AuditFilter(actor, action, subject, since, until)
    page = at_desk(lambda desk: desk.audit.list(wanted, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(
        ("NUMBER", "AT", "BY", "ACTION", "SUBJECT", "DETAIL"),
        [_row(entry) for entry in page.items],
        empty="Nobody has done anything that matches.",
    )
    if page.next_cursor:
        print_note(f"There is more: --cursor {page.next_cursor}")


@audit.command()
@click.option(
    "--expect", type=_Hash(), help="A head that was printed before; it must still be part of the log."
)
@json_option
def verify(*, expect: str | None, as_json: bool) -> None:
    """Recompute every hash of the log, and tell the first entry that does not fit.

    Prints how many entries hold and the head, the hash of the last. Keep the head elsewhere, and give it with --expect the
    next time: only that shows whether the end of the log was cut off, or the log written anew.
    """
    verdict = at_desk(lambda desk: desk.audit.verify(expect))
    if as_json:
        print_json({"good": verdict.good, "count": verdict.count, "head": verdict.head,
                    "expected": verdict.expected, "broken": verdict.broken})  # fmt: skip
    elif verdict.good:
        print_line(f"{verdict.count} entries hold. The head, to be kept elsewhere:")
        print_line(verdict.head)
    if not verdict.good:
        raise Failure(_wrong(verdict, expect))


def _row(entry: AuditEntry) -> tuple[object, ...]:
    return entry.seq, entry.at, entry.actor, entry.action, entry.subject, entry.detail or None


def _wrong(verdict: Verdict, expect: str | None) -> str:
    if verdict.broken is None:
        return (
            f"{verdict.count} entries hold, and none of them has the hash {expect}:"
            " the log was cut off, or written anew"
        )
    broken = verdict.broken
    return f"the log was tampered with at entry {broken.seq} ({broken.id}): {broken.flaw.value}; {verdict.count} before it hold"
