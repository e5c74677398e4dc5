"""Group commit: what arrives together is written together.

While one batch is being written the next one fills, so that batches grow by themselves with the load and a lone item
waits for nobody. There is no timer for that. See docs/decisions/ on group commit.

What cannot be written soon is refused: at once where too much waits already, or has waited too long, as nothing says that
the next item would fare better; and after a while where it was let in and the store got stuck since.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar, cast

from hub.domain.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")

Flush = Callable[[list[T]], Awaitable[Sequence[R | Exception]]]
MIB = 1024 * 1024
# A store that has got stuck is left alone for a little longer than one that is busy.
_LATER = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may wait to be written; beyond it callers get Unavailable at once, instead of piling up.

    Attributes:
        items: how many.
        bytes: how many bytes of them, by their `Weighing`. Something heavier is let in where nothing waits, as it could
            never be stored otherwise.
        patience: seconds; while an item that was let in longer ago is not written, no more are let in.
        deadline: seconds after which whoever waits for an item gets Unavailable, written or not.
    """

    items: int = 10_000
    bytes: int = 64 * MIB
    patience: float = math.inf
    deadline: float = math.inf


@dataclass(frozen=True, slots=True)
class Weighing(Generic[T]):
    """How heavy items are whose sizes differ so much that their number says little.

    Attributes:
        of: how many bytes an item holds; asked once for each.
        batch: the most bytes in one batch; an item that is heavier has one to itself.
    """

    of: Callable[[T], int] = lambda _item: 0
    batch: int = 8 * MIB


@dataclass(slots=True, eq=False)
class _Entry(Generic[T, R]):
    item: T
    future: asyncio.Future[R]
    weight: int
    since: float


class Batcher(Generic[T, R]):
    """Collects items from concurrent callers and hands them to `flush` in batches.

    Args:
        flush: writes a batch in one transaction; gives a result, or an error, for each item in order. If it raises, every
            item of the batch gets that error.
        limit: the most items in one batch.
        bounds: what may wait.
        lanes: how many batches may be under way at the same time.
        apart: whether an error may be one item's fault; then each item of the batch is tried by itself.
        weighing: how heavy items are; not given, only numbers bound them.
        observe: told the size of every batch that is begun.
    """

    def __init__(
        self,
        flush: Flush[T, R],
        *,
        limit: int = 500,
        bounds: Bounds = Bounds(),
        lanes: int = 1,
        apart: Callable[[Exception], bool] = lambda _error: False,
        weighing: Weighing[T] | None = None,
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._flush = flush
        self._limit = limit
        self._bounds = bounds
        self._lanes = lanes
        self._apart = apart
        self._weighing: Weighing[T] = weighing or Weighing()
        self._observe = observe
        self._waiting: deque[_Entry[T, R]] = deque()
        self._waiting_weight = 0
        # In the order in which they were begun.
        self._writing: list[list[_Entry[T, R]]] = []
        self._flushers: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def check(self, weight: int = 0) -> None:
        """Raise Unavailable if an item of this weight would be refused now: before any work is done for it."""
        if not self._waiting and not self._writing:
            return
        full = self._waiting and self._waiting_weight + weight > self._bounds.bytes
        if full or len(self._waiting) >= self._bounds.items:
            raise Unavailable("too much is waiting to be stored")
        if asyncio.get_running_loop().time() - self._oldest().since > self._bounds.patience:
            raise Unavailable("what waits to be stored has waited too long already", _LATER)

    def submit(self, item: T) -> asyncio.Future[R]:
        """Add an item; the future is done when its batch is durable. A caller that stops waiting does not undo it.

        Raises:
            Unavailable: too much is waiting already, or has waited for too long. The future gets it too, after the
                deadline; then it is not known whether the item is stored.
        """
        weight = self._weighing.of(item)
        self.check(weight)
        loop = asyncio.get_running_loop()
        entry: _Entry[T, R] = _Entry(item, loop.create_future(), weight, loop.time())
        self._waiting.append(entry)
        self._waiting_weight += weight
        if self._alarm is None and self._bounds.deadline < math.inf:
            # One for all: a timer for each would cost each.
            self._alarm = loop.call_later(self._bounds.deadline, self._give_up)
        if len(self._flushers) < self._lanes:
            task = asyncio.create_task(self._run())
            self._flushers.add(task)
            task.add_done_callback(self._flushers.discard)
        return entry.future

    async def drain(self) -> None:
        """Wait until everything that was submitted is written (or refused)."""
        while self._flushers:
            await asyncio.wait(self._flushers)

    def _oldest(self) -> _Entry[T, R]:
        return self._writing[0][0] if self._writing else self._waiting[0]

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                self._observe(len(batch))
                self._writing.append(batch)
                try:
                    await self._write(batch)
                finally:
                    self._writing.remove(batch)
        finally:
            # Here, not in the task's callback: whoever was just answered may submit again before that is called.
            self._flushers.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next(self) -> list[_Entry[T, R]]:
        batch: list[_Entry[T, R]] = []
        room = self._weighing.batch
        while self._waiting and len(batch) < self._limit:
            if batch and self._waiting[0].weight > room:
                break
            entry = self._waiting.popleft()
            room -= entry.weight
            self._waiting_weight -= entry.weight
            batch.append(entry)
        return batch

    async def _write(self, batch: list[_Entry[T, R]]) -> None:
        try:
            results = await self._results([entry.item for entry in batch])
        except asyncio.CancelledError:
            for entry in batch:
                entry.future.cancel()
            raise
        for entry, result in zip(batch, results, strict=True):
            if entry.future.done():
                continue
            if isinstance(result, Exception):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)

    def _give_up(self) -> None:
        """Answer everybody who has waited until the deadline, and look again when the next one will have."""
        loop = asyncio.get_running_loop()
        latest = loop.time() - self._bounds.deadline
        while self._waiting and self._waiting[0].since <= latest:
            entry = self._waiting.popleft()
            self._waiting_weight -= entry.weight
            _refuse(entry.future, "the database had no time for it, and nothing was done")
        written = [entry for batch in self._writing for entry in batch if not entry.future.done()]
        for entry in written:
            if entry.since <= latest:
                _refuse(entry.future, "the database has not answered in time: it may have been done")
        left = [entry.since for entry in (*written, *list(self._waiting)[:1]) if entry.since > latest]
        # Looked for only now: while all is well it finds nobody who has waited for long.
        self._alarm = loop.call_at(min(left) + self._bounds.deadline, self._give_up) if left else None

    async def _results(self, items: list[T]) -> Sequence[R | Exception]:
        try:
            results = await self._flush(items)
            _check(items, results)
        except Exception as error:  # noqa: BLE001 - handed to every caller
            if len(items) == 1 or not self._apart(error):
                return [error] * len(items)
            return [result for item in items for result in await self._results([item])]
        return results


def _refuse(future: "asyncio.Future[R]", message: str) -> None:
    if not future.done():
        future.set_exception(Unavailable(message, _LATER))


def _check(items: Sequence[object], results: Sequence[object]) -> None:
    if len(items) != len(results):
        raise ValueError(f"{len(results)} results for {len(items)} items")
