"""Statistics: read for people and charts, and kept by whichever worker's turn it is."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from hub.domain.histograms import percentile, total
from hub.domain.spans import Span
from hub.infra.queue import ReadyQueue
from hub.infra.store.depths import DepthStore
from hub.infra.store.rollup import RollupStore
from hub.infra.store.statistics import AttemptsRow, CallsRow, DepthRow, StatisticsStore
from hub.services.statistics_views import (
    AttemptsPoint,
    CallsPoint,
    CallsSummary,
    DepthPoint,
    Percentiles,
    ProviderSeries,
    QueueSeries,
    StatisticsView,
)

_EVERY = timedelta(seconds=20)
_SAMPLE_EVERY = timedelta(seconds=55)
_PRUNE_EVERY = timedelta(hours=1)
# One statement must not take long: an hour's attempts may be none or ten million.
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(hours=1)
_MANY = 20_000


class Statistics:
    """What happened lately.

    Args:
        store: where it is read.
        rollup: how far it goes.
        clock: now.
    """

    def __init__(self, store: StatisticsStore, rollup: RollupStore, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._rollup = rollup
        self._clock = clock

    async def over(
        self, since: timedelta, *, queue: str | None = None, providers: bool = True
    ) -> StatisticsView:
        """The last so long, of all queues or one; without the providers if nobody asks for them."""
        span = Span.back(since, self._clock())
        attempts = {row.at: row for row in await self._store.attempts(span, queue)}
        return StatisticsView(
            span.start,
            span.end,
            span.step.total_seconds(),
            await self._rollup.upto(),
            [_attempts_point(at, attempts.get(at)) for at in span.moments],
            _queue_series(span, await self._store.depths(span, queue)),
            _provider_series(span, await self._store.calls(span) if providers else ()),
        )

    async def calls(self, since: timedelta, provider: str | None = None) -> dict[str, ProviderSeries]:
        """How providers answered, by name; those that were not called are left out."""
        span = Span.back(since, self._clock())
        series = _provider_series(span, await self._store.calls(span, provider))
        return {one.provider: one for one in series}


class Bookkeeping:
    """Keeps statistics; every relay runs it, and one at a time works.

    Args:
        rollup: where they are written.
        depths: how much waits.
        queue: where turns are taken.
    """

    def __init__(self, rollup: RollupStore, depths: DepthStore, queue: ReadyQueue) -> None:
        self._rollup = rollup
        self._depths = depths
        self._queue = queue
        self._step = _SHORTEST

    async def run(self) -> None:
        """Go on until cancelled. Raises Unavailable."""
        while True:
            await self.keep()
            await asyncio.sleep(_EVERY.total_seconds())

    async def keep(self) -> None:
        """Add up what ended, look at the queues, forget what is old and close the days: each as often as it is due."""
        if await self._queue.turn("statistics", _EVERY / 2):
            await self.catch_up()
        if await self._queue.turn("statistics:sample", _SAMPLE_EVERY):
            await self._rollup.sample(await self._depths.due())
        if await self._queue.turn("statistics:prune", _PRUNE_EVERY):
            await self._rollup.prune()
            while await self._rollup.close_days():
                pass

    async def catch_up(self) -> None:
        """Add up all that is complete, in steps that are short where much happened."""
        step, self._step = self._step, _SHORTEST
        while (counted := await self._rollup.roll_up(step)) is not None:
            step = max(_SHORTEST, step / 2) if counted > _MANY else min(_LONGEST, step * 2)
        # Where a statement failed, the next one is short again.
        self._step = step


def percentiles(buckets: Sequence[int]) -> Percentiles | None:
    """The three that are shown."""
    if not any(buckets):
        return None
    return Percentiles(*(round(percentile(buckets, part) or 0.0, 4) for part in (0.5, 0.95, 0.99)))


def _attempts_point(at: datetime, row: AttemptsRow | None) -> AttemptsPoint:
    if row is None:
        return AttemptsPoint(at, 0, 0, 0, 0, None)
    return AttemptsPoint(at, row.succeeded, row.failed, row.uncertain, row.other, percentiles(row.buckets))


def _queue_series(span: Span, rows: Iterable[DepthRow]) -> list[QueueSeries]:
    found: dict[str, dict[datetime, DepthRow]] = {}
    for row in rows:
        found.setdefault(row.queue, {})[row.at] = row
    return [
        QueueSeries(queue, [_depth_point(at, by_time.get(at)) for at in span.moments])
        for queue, by_time in found.items()
    ]


def _depth_point(at: datetime, row: DepthRow | None) -> DepthPoint:
    return DepthPoint(at, row.depth, row.oldest) if row else DepthPoint(at, None, None)


def _provider_series(span: Span, rows: Iterable[CallsRow]) -> list[ProviderSeries]:
    found: dict[str, dict[datetime, CallsRow]] = {}
    for row in rows:
        found.setdefault(row.provider, {})[row.at] = row
    return [
        ProviderSeries(
            provider,
            summary_of(by_time.values()),
            [_calls_point(at, by_time.get(at)) for at in span.moments],
        )
        for provider, by_time in found.items()
    ]


def _calls_point(at: datetime, row: CallsRow | None) -> CallsPoint:
    if row is None:
        return CallsPoint(at, 0, 0, 0, 0, None)
    return CallsPoint(at, row.calls, row.failed, row.refused, row.skipped, percentiles(row.buckets))


def summary_of(rows: Iterable[CallsRow]) -> CallsSummary:
    """Several steps as one."""
    rows = list(rows)
    calls, failed = sum(row.calls for row in rows), sum(row.failed for row in rows)
    return CallsSummary(
        calls,
        failed,
        sum(row.refused for row in rows),
        sum(row.skipped for row in rows),
        round(failed / calls, 4) if calls else None,
        percentiles(total(row.buckets for row in rows)),
    )
