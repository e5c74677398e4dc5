"""`hub alerts`: what people are told of by themselves, and whether that works."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import click
import uuid_utils.compat as uuids
import uvloop

from hub.domain.access import Principal
from hub.infra.store.alerts import AlertStore
from hub.infra.store.database import Database
from hub.services.alert_views import AlertView
from hub.services.alerts import Alerts, Telling, channels_of

from .commands import Group
from .desk import operator
from .options import as_json as json_option
from .options import limit as limit_option
from .output import age, print_json, print_line, print_note, print_table
from .session import Session, session

T = TypeVar("T")


def at_alerts(work: Callable[[Alerts, Principal], Awaitable[T]]) -> T:
    """Do something about alerts as the operator of this machine."""
    with session() as opened:
        return uvloop.run(_at_alerts(opened, work))


async def _at_alerts(opened: Session, work: Callable[[Alerts, Principal], Awaitable[T]]) -> T:
    config, registry = opened.config, opened.registry
    database = Database(opened.database_url, size=2, pooled=config.database_pooled)
    telling = Telling(
        channels_of(config.alerts, registry, slack=config.can_call("slack")),
        registry,
        config.site,
        clock=lambda: datetime.now(UTC),
        new_id=uuids.uuid7,
    )
    try:
        return await work(Alerts(AlertStore(database), telling, new_id=uuids.uuid7), operator())
    finally:
        await database.close()


@click.group(cls=Group)
def alerts() -> None:
    """What people are told of by themselves."""


@alerts.command("list")
@click.option("--past", is_flag=True, help="Those that are over, instead of those that are not.")
@limit_option
@json_option
def list_alerts(*, past: bool, limit: int, as_json: bool) -> None:
    """What is open: failures of new causes, uncertain payments, breakers, queues that do not keep up."""

    async def read(alerts: Alerts, _: Principal) -> list[AlertView]:
        return (
            (await alerts.list_all(limit=limit, past=True)).items if past else (await alerts.open())[:limit]
        )

    found = at_alerts(read)
    if as_json:
        print_json({"items": found})
        return
    print_table(
        ("KIND", "SINCE", "TOLD", "TITLE", "DETAIL"),
        [(alert.kind, age(alert.raised_at), alert.deliveries, alert.title, alert.detail) for alert in found],
        empty="Nothing was alerted." if past else "Nothing is open.",
    )


@alerts.command()
@json_option
def test(*, as_json: bool) -> None:
    """Queue a test message to every configured channel, a job each; `hub jobs show` tells what became of it."""
    tested = at_alerts(lambda alerts, principal: alerts.test(principal))
    if as_json:
        print_json(tested)
        return
    print_note("Queued, a job for each channel; a worker sends them. What becomes of each:")
    for channel in tested.channels:
        to = f" ({channel.to})" if channel.to else ""
        print_line(f"{channel.channel}{to}: hub jobs show {channel.job}")
