"""Group commit: what arrives together is written together.

While one batch is being written the next one fills, so that batches grow by themselves with the load and a lone item
waits for nobody. There is no timer. See docs/decisions/ on group commit.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from hub.domain.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

Flush = Callable[[list[T]], Awaitable[Sequence[R | Exception]]]
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Weighing(Generic[T]):
    """Bounds in bytes, for items whose sizes differ so much that their number says little.

    Attributes:
        of: how many bytes an item holds; asked once for each.
        pending: the most bytes that may wait; beyond it callers get Unavailable at once. Something heavier is let in where
            nothing waits, as it could never be stored otherwise.
        batch: the most bytes in one batch; an item that is heavier has one to itself.
    """

    of: Callable[[T], int] = lambda _item: 0
    pending: int = 64 * MIB
    batch: int = 8 * MIB


class Batcher(Generic[T, R]):
    """Collects items from concurrent callers and hands them to `flush` in batches.

    Args:
        flush: writes a batch in one transaction; gives a result, or an error, for each item in order. If it raises, every
            item of the batch gets that error.
        limit: the most items in one batch.
        pending: the most items that may wait; beyond it callers get Unavailable at once, instead of piling up.
        lanes: how many batches may be under way at the same time.
        apart: whether an error may be one item's fault; then each item of the batch is tried by itself.
        weighing: bounds in bytes on what waits and on one batch; not given, only numbers bound them.
        observe: told the size of every batch that is begun.
    """

    def __init__(
        self,
        flush: Flush[T, R],
        *,
        limit: int = 500,
        pending: int = 10_000,
        lanes: int = 1,
        apart: Callable[[Exception], bool] = lambda _error: False,
        weighing: Weighing[T] | None = None,
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._pending = pending
        self._lanes = lanes
        self._apart = apart
        self._weighing: Weighing[T] = weighing or Weighing()
        self._observe = observe
        self._waiting: deque[tuple[T, asyncio.Future[R], int]] = deque()
        self._waiting_weight = 0
        self._flushers: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Add an item; the future is done when its batch is durable. A caller that stops waiting does not undo it.

        Raises:
            Unavailable: too much is waiting already.
        """
        weight = self._weighing.of(item)
        full = self._waiting and self._waiting_weight + weight > self._weighing.pending
        if full or len(self._waiting) >= self._pending:
            message = "too much is waiting to be stored"
            raise Unavailable(message)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, weight))
        self._waiting_weight += weight
        if len(self._flushers) < self._lanes:
            task = asyncio.create_task(self._run())
            self._flushers.add(task)
            task.add_done_callback(self._flushers.discard)
        return future

    async def drain(self) -> None:
        """Wait until everything that was submitted is written (or refused)."""
        while self._flushers:
            await asyncio.wait(self._flushers)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                self._observe(len(batch))
                await self._write(batch)
        finally:
            # Here, not in the task's callback: whoever was just answered may submit again before that is called.
            self._flushers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next(self) -> list[tuple[T, "asyncio.Future[R]"]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        room = self._weighing.batch
        while self._waiting and len(batch) < self._limit:
            item, future, weight = self._waiting[0]
            if batch and weight > room:
                break
            self._waiting.popleft()
            room -= weight
            self._waiting_weight -= weight
            batch.append((item, future))
        return batch

    async def _write(self, batch: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._results([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def _results(self, items: list[T]) -> Sequence[R | Exception]:
        try:
            results = await self._flush(items)
            _check(items, results)
        except Exception as error:  # noqa: BLE001 - handed to every caller
            if len(items) == 1 or not self._apart(error):
                return [error] * len(items)
            return [result for item in items for result in await self._results([item])]
        return results


def _check(items: Sequence[object], results: Sequence[object]) -> None:
    if len(items) != len(results):
        raise ValueError(f"{len(results)} results for {len(items)} items")
