"""`hub events`: webhooks that were received."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click

from hub.domain.search import EVENTS, parse
from hub.services.filters import EventFilter

from .commands import Group
from .desk import at_desk
from .options import Moment
from .options import as_json as json_option
from .options import cursor as cursor_option
from .options import limit as limit_option
from .options import reason as reason_option
from .output import age, print_fields, print_json, print_line, print_table
from .searches import tell_the_rest


@click.group(cls=Group)
def events() -> None:
    """Webhooks that were received."""


@events.command("list")
@click.argument("search", metavar="[SEARCH]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--source", metavar="NAME", help="From this source.")
@click.option("--type", "type", metavar="TYPE", help="Of this type, as payment_intent.succeeded.")
@click.option("--external-id", metavar="ID", help="With the provider's id.")
@click.option("--correlation-id", metavar="TEXT", help="That belong together.")
@click.option("--since", "received_after", type=Moment(), help="Received since; 15m, 2h, 3d or a time.")
@click.option("--until", "received_before", type=Moment(), help="Received before.")
@limit_option
@cursor_option
@json_option
def list_events(
    *, search: Sequence[str], limit: int, cursor: str | None, as_json: bool, **wanted: str | datetime
) -> None:
    """Events, the newest first. SEARCH is as in the console: 'source:stripe type:payment_intent.* since:2h'."""
    query = parse(" ".join(search), datetime.now(UTC), EVENTS)
    chosen = EventFilter(**wanted, search=query)  # type: ignore[arg-type]  # as the options are
    page = at_desk(lambda desk: desk.inspect.list_events(chosen, limit=limit, cursor=cursor))
    if as_json:
        print_json(page)
        return
    print_table(
        ("ID", "SOURCE", "TYPE", "AGE", "JOBS", "THE PROVIDER'S ID"),
        [
            (event.id, event.source, event.type, age(event.received_at), len(event.jobs), event.external_id)
            for event in page.items
        ],
        empty="No such events.",
    )
    tell_the_rest(page, query)


@events.command()
@click.argument("event", metavar="ID", type=click.UUID)
@json_option
def show(*, event: UUID, as_json: bool) -> None:
    """What was received, and what it started."""
    detail = at_desk(lambda desk: desk.inspect.get_event(event))
    if as_json:
        print_json(detail)
        return
    print_fields(
        [
            ("event", f"{detail.source}: {detail.type}"),
            ("id", detail.id),
            ("provider's id", detail.external_id),
            ("occurred", detail.occurred_at),
            ("received", detail.received_at),
            ("correlation id", detail.correlation_id),
            ("jobs", detail.jobs or "it started none; a job that waited for it has it among its steps"),
            ("headers", "\n".join(f"{name}: {value}" for name, value in detail.headers.items())),
        ]
    )
    print_line()
    print_line(_body(detail.body_text, detail.body_base64))


@events.command()
@click.argument("event", metavar="ID", type=click.UUID)
@reason_option
@json_option
def replay(*, event: UUID, reason: str | None, as_json: bool) -> None:
    """Make new jobs of an event, one for each job that subscribes to it now."""
    made = at_desk(lambda desk: desk.operate.replay_event(desk.principal, event, reason=reason))
    if as_json:
        print_json(made)
        return
    for job in made.jobs:
        print_line(f"Job {job} is queued: hub jobs show {job}")


def _body(text: str | None, encoded: str | None) -> str:
    if encoded is None:
        return "The body is gone (retention)."
    return text if text is not None else f"The body is not text; in base64: {encoded}"
