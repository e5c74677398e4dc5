"""How providers answer, counted in memory and written down now and then: a call costs a few additions for it."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from hub.domain.errors import BreakerOpen, CallError, Unavailable
from hub.domain.histograms import SIZE, bucket_of
from hub.infra.breakers import counts
from hub.infra.store.rollup import CallTally, RollupStore

log = structlog.get_logger("hub.statistics")

EVERY = timedelta(seconds=15)
# How long the end of a process waits for it: what is lost is a quarter of a minute's statistics.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is being written down; `sequence` tells it from the others of its process."""

    sequence: int
    tallies: Mapping[str, CallTally]


class CallStatistics:
    """Counts the calls of one process. `run` it as a task.

    Args:
        store: where they are written down.
        process: an id of its own.
        interval: how often.
    """

    def __init__(self, store: RollupStore, *, process: UUID, interval: timedelta = EVERY) -> None:
        self._store = store
        self._process = process
        self._interval = interval.total_seconds()
        self._tallies: dict[str, CallTally] = {}
        self._batch: _Batch | None = None
        self._sequence = itertools.count(1)
        self._writing = asyncio.Lock()

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
        """Write down what was counted until now; calls that end meanwhile are for the next time.

        Raises Unavailable, and keeps it then: whether a statement that was cut off has counted it nobody here knows, so the
        same batch is written again as it was, and the store tells.
        """
        async with self._writing:
            if self._batch:
                await self._write(self._batch)
            if self._tallies:
                self._batch, self._tallies = _Batch(next(self._sequence), self._tallies), {}
                await self._write(self._batch)

    async def _write(self, batch: _Batch) -> None:
        await self._store.add_calls(self._process, batch.sequence, batch.tallies)
        self._batch = None

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


def _nothing() -> CallTally:
    return CallTally(0, 0, 0, 0, 0.0, [0] * SIZE)
