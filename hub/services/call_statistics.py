"""How providers answer, counted in memory and written down now and then: a call costs a few additions for it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import structlog

from hub.domain.errors import BreakerOpen, CallError, Unavailable
from hub.domain.histograms import SIZE, bucket_of
from hub.infra.breakers import counts
from hub.infra.store.rollup import CallTally, RollupStore

log = structlog.get_logger("hub.statistics")

EVERY = timedelta(seconds=15)
# How long the end of a process waits for it: what is lost is a quarter of a minute's statistics.
_PATIENCE = 2.0


class CallStatistics:
    """Counts the calls of one process. `run` it as a task.

    Args:
        store: where they are written down.
        interval: how often.
    """

    def __init__(self, store: RollupStore, *, interval: timedelta = EVERY) -> None:
        self._store = store
        self._interval = interval.total_seconds()
        self._tallies: dict[str, CallTally] = {}

    def note(self, provider: str, error: CallError | None, seconds: float) -> None:
        """A call has ended."""
        tally = self._tallies.get(provider) or self._tallies.setdefault(provider, _nothing())
        if isinstance(error, BreakerOpen):
            tally.skipped += 1
            return
        tally.calls += 1
        tally.seconds += seconds
        tally.buckets[bucket_of(seconds)] += 1
        if error is not None:
            unwell = counts(error)
            tally.failed += unwell
            tally.refused += not unwell

    async def flush(self) -> None:
        """Write down what was counted since the last time. Raises Unavailable, and keeps it then."""
        taken, self._tallies = self._tallies, {}
        if not taken:
            return
        try:
            await self._store.add_calls(taken)
        except BaseException:
            self._give_back(taken)
            raise

    async def run(self) -> None:
        """Write it down until cancelled, and a last time then."""
        try:
            while True:
                await asyncio.sleep(self._interval)
                await self._flush_if_possible()
        finally:
            await self._flush_if_possible()

    async def _flush_if_possible(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.flush()
        except (Unavailable, TimeoutError):
            pass  # whoever works with the database tells
        except Exception:
            log.exception("calls not counted")

    def _give_back(self, taken: Mapping[str, CallTally]) -> None:
        for provider, tally in taken.items():
            since = self._tallies.setdefault(provider, _nothing())
            since.calls += tally.calls
            since.failed += tally.failed
            since.refused += tally.refused
            since.skipped += tally.skipped
            since.seconds += tally.seconds
            since.buckets = [old + new for old, new in zip(tally.buckets, since.buckets, strict=True)]


def _nothing() -> CallTally:
    return CallTally(0, 0, 0, 0, 0.0, [0] * SIZE)
