"""`hub statistics`: what happened lately, step by step."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import uvloop

from hub.domain.spans import parse_since
from hub.infra.store.database import Database
from hub.infra.store.rollup import RollupStore
from hub.infra.store.statistics import StatisticsStore
from hub.services.statistics import Statistics
from hub.services.statistics_views import AttemptsPoint, Percentiles, ProviderSeries, StatisticsView

from .commands import Command
from .options import as_json as json_option
from .output import moment, print_json, print_line, print_note, print_table
from .session import Session, session

_TIMES = ("P50", "P95", "P99")


class Since(click.ParamType[timedelta]):
    """How far back."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read `90m`, `24h` or `7d`."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_since(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(cls=Command)
@click.option(
    "--since", type=Since(), default="24h", show_default=True, help="How far back: 90m, 24h, 7d; 90d at most."
)
@click.option("--queue", metavar="NAME", help="Attempts at jobs of this queue alone.")
@json_option
def statistics(*, since: timedelta, queue: str | None, as_json: bool) -> None:
    """How much was done, how much failed, and how long it took; the longer back, the longer the steps."""
    with session() as opened:
        view = uvloop.run(_read(opened, since, queue))
    if as_json:
        print_json(view)
        return
    print_table(
        ("FROM", "SUCCEEDED", "FAILED", "UNCERTAIN", "OTHER", *_TIMES),
        [_attempts(point) for point in view.attempts if _any(point)],
        empty="No attempt of this time is counted.",
    )
    if view.providers:
        print_line()
        print_table(
            ("PROVIDER", "CALLS", "FAILED", "REFUSED", "NOT SENT", "ERRORS", *_TIMES),
            [_calls(series) for series in view.providers],
            empty="",
        )
    print_note(_until(view))


async def _read(opened: Session, since: timedelta, queue: str | None) -> StatisticsView:
    database = Database(opened.database_url, size=2, pooled=opened.config.database_pooled)
    try:
        known = Statistics(StatisticsStore(database), RollupStore(database), clock=lambda: datetime.now(UTC))
        return await known.over(since, queue=queue)
    finally:
        await database.close()


def _any(point: AttemptsPoint) -> bool:
    return bool(point.succeeded or point.failed or point.uncertain or point.other)


def _attempts(point: AttemptsPoint) -> Sequence[object]:
    counts = (point.succeeded, point.failed, point.uncertain, point.other)
    return (moment(point.at), *counts, *_took(point.seconds))


def _calls(series: ProviderSeries) -> Sequence[object]:
    total = series.summary
    rate = None if total.error_rate is None else f"{total.error_rate:.1%}"
    counts = (total.calls, total.failed, total.refused, total.skipped)
    return (series.provider, *counts, rate, *_took(total.seconds))


def _took(seconds: Percentiles | None) -> Sequence[object]:
    if seconds is None:
        return (None, None, None)
    return tuple(f"{part * 1000:.0f} ms" for part in (seconds.p50, seconds.p95, seconds.p99))


def _until(view: StatisticsView) -> str:
    steps = f"Steps of {timedelta(seconds=view.step_seconds)} in which something ended"
    if view.counted_until is None:
        return f"{steps}; nothing was added up yet: workers do that."
    return f"{steps}; attempts are added up until {moment(view.counted_until)}."
