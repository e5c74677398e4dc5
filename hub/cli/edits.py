"""`hub jobs edit`: other arguments for a job that failed, shown as a difference before anything is changed."""

import json
from typing import Any
from uuid import UUID

import click

from hub.services.edit_views import EditView
from hub.services.edits import Wanted

from .commands import Command
from .desk import Desk, at_desk
from .errors import Failure
from .options import as_json as json_option
from .output import print_json, print_line, print_note, print_table


class Assignment(click.ParamType[tuple[str, Any]]):
    """`/pointer=value`: the value is JSON, or else text."""

    name = "POINTER=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """The pointer and the value."""
        if isinstance(value, tuple):
            return value
        pointer, equals, text = str(value).partition("=")
        if not equals or not pointer.startswith("/"):
            self.fail(f"{value!r} is not /pointer=value", param, ctx)
        try:
            return pointer, json.loads(text)
        except ValueError:
            return pointer, text


@click.command(cls=Command)
@click.argument("job", metavar="ID", type=click.UUID)
@click.option(
    "--set",
    "changes",
    type=Assignment(),
    multiple=True,
    required=True,
    help="As /amount=1999. May be given several times.",
)
@click.option("--reason", metavar="TEXT", required=True, help="Kept with the edit and in the audit log.")
@click.option(
    "--decided", is_flag=True, help="You have read what stands against it, and want it all the same."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@json_option
def edit(
    *,
    job: UUID,
    changes: tuple[tuple[str, Any], ...],
    reason: str,
    decided: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Retry a job with other arguments; the old ones are kept."""
    asked = Wanted(reason, changes=dict(changes), decided=decided)
    shown = at_desk(lambda desk: desk.edits.preview(desk.principal, job, asked))
    if dry_run and as_json:
        print_json(shown)
        return
    if not as_json:
        _show(shown)
    if dry_run:
        return
    if not yes:
        _require_yes()
    wanted = Wanted(reason, changes=dict(changes), version=shown.version, decided=decided)

    async def apply(desk: Desk) -> EditView:
        return await desk.edits.edit(desk.principal, job, wanted)

    made = at_desk(apply)
    if as_json:
        print_json(made)
    elif made.state == "proposed":
        print_line(f"Proposed as edit {made.number}: it is applied when another operator approves it.")
    else:
        print_line(f"Edited, and queued again with the new arguments (edit {made.number}).")


def _require_yes() -> None:
    try:
        agreed = click.confirm("Put it in place and retry the job?", err=True)
    except click.Abort:
        click.echo(err=True)
        raise Failure("nothing was changed: it takes a person who says yes, or --yes") from None
    if not agreed:
        raise Failure("nothing was changed")


def _show(edit: EditView) -> None:
    print_table(
        ("WHERE", "OLD", "NEW"),
        [
            (
                change.pointer,
                "" if change.kind == "added" else json.dumps(change.old),
                "" if change.kind == "removed" else json.dumps(change.new),
            )
            for change in edit.changes
        ],
        empty="",
    )
    if edit.objection:
        print_note(f"{edit.objection}.")
