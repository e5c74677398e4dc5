"""`hub views`: searches that are kept under a name, for everybody."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import click
import uuid_utils.compat as uuids
import uvloop

from hub.domain.access import Principal
from hub.domain.errors import NotFound
from hub.domain.views import Listed, NewView, SavedView
from hub.infra.store.database import Database
from hub.infra.store.views import ViewStore
from hub.services.saved_views import SavedViews

from .commands import Group
from .desk import operator
from .options import as_json as json_option
from .output import age, print_json, print_line, print_table
from .session import Session, session

T = TypeVar("T")
_page = click.option(
    "--page",
    type=click.Choice([page.value for page in Listed]),
    default=Listed.JOBS.value,
    show_default=True,
    help="What is searched.",
)


def at_views(work: Callable[[SavedViews, Principal], Awaitable[T]]) -> T:
    """Do something about saved views as the operator of this machine, who has none but those of everybody."""
    with session() as opened:
        return uvloop.run(_at_views(opened, work))


async def _at_views(opened: Session, work: Callable[[SavedViews, Principal], Awaitable[T]]) -> T:
    database = Database(opened.database_url, size=2, pooled=opened.config.database_pooled)
    try:
        kept = SavedViews(ViewStore(database), clock=lambda: datetime.now(UTC), new_id=uuids.uuid7)
        return await work(kept, operator())
    finally:
        await database.close()


@click.group(cls=Group)
def views() -> None:
    """Searches that are kept under a name and shown to everybody. One's own are kept in the console."""


@views.command("list")
@json_option
def list_views(*, as_json: bool) -> None:
    """Every shared view with its search, to be given to `hub jobs list` or `hub events list`."""
    kept = at_views(lambda views, principal: views.of(principal))
    if as_json:
        print_json({"items": kept})
        return
    print_table(
        ("PAGE", "NAME", "KEPT", "SEARCH"),
        [(view.page.value, view.name, age(view.created_at), view.query) for view in kept],
        empty="No search is kept for everybody: `hub views save NAME 'state:failed'` keeps one.",
    )


@views.command()
@click.argument("name")
@click.argument("query", metavar="SEARCH")
@_page
@json_option
def save(*, name: str, query: str, page: str, as_json: bool) -> None:
    """Keep a search under a name, for everybody."""
    wanted = NewView(name, Listed(page), query, shared=True)
    made = at_views(lambda views, principal: views.create(principal, wanted))
    if as_json:
        print_json(made)
    else:
        print_line(f"{made.name} is kept for everybody: {made.query}")


@views.command()
@click.argument("name")
@_page
@json_option
def delete(*, name: str, page: str, as_json: bool) -> None:
    """Forget a search that is kept for everybody."""

    async def work(views: SavedViews, principal: Principal) -> SavedView:
        for view in await views.of(principal, Listed(page)):
            if view.name == name:
                await views.delete(principal, view.id)
                return view
        message = f"there is no view {name!r} of {page} for everybody: `hub views list` shows those there are"
        raise NotFound(message, code="unknown_view_id")

    gone = at_views(work)
    if as_json:
        print_json(gone)
    else:
        print_line(f"{gone.name} is forgotten; it was {gone.query}")
