"""`hub migrate`: the database's schema."""

import click

from hub.domain.errors import Unavailable
from hub.infra import migrate as history
from hub.infra import revisions
from hub.infra.revisions import Standing

from .commands import Command
from .errors import Exit, Failure
from .options import as_json as json_option
from .output import print_json, print_line
from .session import read_settings, revision_of, servers

_EMPTY = "base"


@click.command(cls=Command)
@click.option(
    "--to", metavar="REVISION", help="An older one takes away what came after it; `base` takes all."
)
@json_option
def migrate(*, to: str | None, as_json: bool) -> None:
    """Bring the database to this release's schema.

    Safe while the previous release runs, and while others migrate too: they take turns.
    """
    if to not in {None, _EMPTY, *revisions.known()}:
        known = ", ".join((_EMPTY, *revisions.known()))
        raise click.BadParameter(f"there is no revision {to!r}; there are {known}", param_hint="--to")
    with servers(read_settings(), begins=True) as opened:
        before = revision_of(opened.database_url)
        _move(opened.database_url, before, to)
        after = revision_of(opened.database_url)
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        print_line(f"The database is at {after or _EMPTY}: nothing to do.")
    else:
        print_line(f"The database has gone from {before or _EMPTY} to {after or _EMPTY}.")


def _move(url: str, before: str | None, to: str | None) -> None:
    if revisions.standing(before) is Standing.AHEAD:
        if to is not None:
            message = f"the database is at {before}, which this release does not know the way back from"
            raise Failure(message, "Run the newer release's `hub migrate --to` first.")
        return
    try:
        if to is not None and (to == _EMPTY or to < (before or "")):
            history.downgrade(url, to)
        else:
            history.upgrade(url, to or "head")
    except Unavailable as error:
        hint = "Run it again; `SELECT * FROM pg_stat_activity` shows whose transaction is open."
        raise Failure(str(error), hint, code=Exit.UNAVAILABLE) from error
