"""Group commit: what arrives together is written together, everybody gets their own answer, and nobody is forgotten."""

import asyncio
from collections.abc import Sequence

import pytest

from hub.domain.errors import Unavailable
from hub.infra.batch import Batcher, Bounds, Weighing
from tests.until import until


class Disk:
    """A store that writes when it is told to; it notes each batch, and doubles each item."""

    def __init__(self, *, stopped: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.going = asyncio.Event()
        self.writing = 0
        self.most = 0
        if not stopped:
            self.going.set()

    async def write(self, items: list[int]) -> Sequence[int | Exception]:
        self.batches.append(items)
        self.writing += 1
        self.most = max(self.most, self.writing)
        await self.going.wait()
        self.writing -= 1
        return [ValueError(f"{item} is odd") if item < 0 else item * 2 for item in items]


def own_weight(item: int) -> int:
    return item


async def test_what_arrives_during_a_write_is_written_together() -> None:
    """The batches grow by themselves: one item first, then all that came meanwhile, in order."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write)
    first = batcher.submit(0)
    await asyncio.sleep(0)
    others = [batcher.submit(item) for item in range(1, 6)]
    disk.going.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert disk.batches == [[0], [1, 2, 3, 4, 5]]


async def test_a_batch_has_a_limit() -> None:
    """What is over the limit goes into the next batch, in order."""
    disk = Disk()
    batcher = Batcher(disk.write, limit=2)
    assert await asyncio.gather(*[batcher.submit(item) for item in range(5)]) == [0, 2, 4, 6, 8]
    assert disk.batches == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize("lanes", [1, 2])
async def test_an_item_submitted_by_whoever_was_just_answered_is_written(lanes: int) -> None:
    """The lane that has just run empty is not counted as at work: its last caller submits again at once."""
    disk = Disk()
    batcher = Batcher(disk.write, lanes=lanes)

    async def submit_in_turn(start: int) -> list[int]:
        return [await batcher.submit(item) for item in range(start, start + 3)]

    async with asyncio.timeout(2):
        assert await asyncio.gather(*[submit_in_turn(start) for start in (0, 10)]) == [
            [0, 2, 4],
            [20, 22, 24],
        ]


async def test_lanes_bound_the_writes_under_way() -> None:
    """Two lanes write two batches at a time, never three."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write, limit=1, lanes=2)
    answers = []
    for item in range(4):
        answers.append(batcher.submit(item))
        await asyncio.sleep(0)
    disk.going.set()
    assert await asyncio.gather(*answers) == [0, 2, 4, 6]
    assert disk.most == 2


async def test_an_error_reaches_only_its_own_caller() -> None:
    """A refused item does not spoil its batch."""
    disk = Disk()
    batcher = Batcher(disk.write)
    good, bad = await asyncio.gather(batcher.submit(1), batcher.submit(-1), return_exceptions=True)
    assert good == 2
    assert isinstance(bad, ValueError)


async def test_a_failed_write_reaches_every_caller_and_the_next_batch_is_written() -> None:
    """If the store is away, everybody hears of it; it is tried again for whoever comes later."""
    answers: list[Exception | None] = [Unavailable("away"), None]

    async def write(items: list[int]) -> Sequence[int]:
        if error := answers.pop(0):
            raise error
        return items

    batcher = Batcher(write)
    outcomes = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert await batcher.submit(3) == 3


async def test_a_batch_that_one_item_spoils_is_written_item_by_item() -> None:
    """Where an error may be one item's fault, the others are written all the same."""
    batches: list[list[int]] = []

    async def write(items: list[int]) -> Sequence[int]:
        batches.append(items)
        if 13 in items:
            raise ValueError("13")
        return items

    batcher = Batcher(write, apart=lambda error: isinstance(error, ValueError))
    outcomes = await asyncio.gather(*[batcher.submit(item) for item in (1, 13, 2)], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int]
    assert batches == [[1, 13, 2], [1], [13], [2]]


async def test_a_write_that_answers_for_too_few_fails_them_all() -> None:
    """A mistake in a store is heard by its callers; they do not wait for ever."""

    async def write(items: list[int]) -> Sequence[int]:
        return items[1:]

    batcher = Batcher(write)
    async with asyncio.timeout(2):
        outcomes = await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError, ValueError]


async def test_too_much_waiting_is_refused_at_once() -> None:
    """Backpressure: callers hear Unavailable instead of piling up, and are welcome again when there is room."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write, limit=2, bounds=Bounds(items=2))
    accepted = [batcher.submit(0)]
    await asyncio.sleep(0)
    accepted += [batcher.submit(1), batcher.submit(2)]
    with pytest.raises(Unavailable):
        batcher.submit(3)
    disk.going.set()
    assert await asyncio.gather(*accepted) == [0, 2, 4]
    assert await batcher.submit(3) == 6


async def test_too_much_memory_waiting_is_refused_at_once() -> None:
    """Few large items are as much to hold as many small ones; they are welcome again when there is room."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write, bounds=Bounds(bytes=100), weighing=Weighing(own_weight))
    accepted = [batcher.submit(1)]
    await asyncio.sleep(0)
    accepted += [batcher.submit(60), batcher.submit(40)]
    with pytest.raises(Unavailable):
        batcher.submit(1)
    disk.going.set()
    assert await asyncio.gather(*accepted) == [2, 120, 80]
    assert await batcher.submit(100) == 200


async def test_while_one_has_waited_too_long_no_more_are_let_in() -> None:
    """A store that got stuck is not waited for by those who come later: they hear it at once."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write, bounds=Bounds(patience=0.05))
    batcher.check()
    stuck = batcher.submit(1)
    batcher.check()

    def refused() -> bool:
        try:
            batcher.check()
        except Unavailable:
            return True
        return False

    await until(refused)
    with pytest.raises(Unavailable):
        batcher.submit(2)
    disk.going.set()
    assert await stuck == 2
    assert await batcher.submit(3) == 6


async def test_nobody_waits_beyond_the_deadline() -> None:
    """Neither for what is being written, which may be stored, nor for what is not, and then never is."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write, limit=1, bounds=Bounds(deadline=0.05))
    answers = [batcher.submit(item) for item in range(3)]
    async with asyncio.timeout(2):
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert len(batcher) == 0
    disk.going.set()
    assert await batcher.submit(3) == 6
    assert disk.batches == [[0], [3]]


async def test_the_deadline_is_each_item_s_own() -> None:
    """One that came later is answered later; what was given up makes room at once."""
    disk = Disk(stopped=True)
    batcher = Batcher(
        disk.write, limit=1, bounds=Bounds(bytes=100, deadline=0.2), weighing=Weighing(own_weight)
    )
    loop = asyncio.get_running_loop()
    began = loop.time()
    being_written = batcher.submit(1)
    await asyncio.sleep(0)
    first = batcher.submit(90)
    await asyncio.sleep(0.1)
    later = batcher.submit(10)
    with pytest.raises(Unavailable):
        await first
    assert not later.done()
    batcher.check(90)
    with pytest.raises(Unavailable):
        await later
    assert loop.time() - began >= 0.3
    assert being_written.exception()
    disk.going.set()
    await batcher.drain()


async def test_a_batch_is_bounded_in_bytes() -> None:
    """What would make a batch too heavy goes into the next one, in order."""
    disk = Disk()
    batcher = Batcher(disk.write, weighing=Weighing(own_weight, batch=10))
    await asyncio.gather(*[batcher.submit(item) for item in (4, 6, 5, 5, 1)])
    assert disk.batches == [[4, 6], [5, 5], [1]]


async def test_an_item_heavier_than_every_bound_is_written_alone() -> None:
    """It is not refused for ever, and nothing behind it waits for ever."""
    disk = Disk()
    batcher = Batcher(disk.write, bounds=Bounds(bytes=20), weighing=Weighing(own_weight, batch=10))
    assert await batcher.submit(50) == 100
    await asyncio.gather(*[batcher.submit(item) for item in (1, 19, 0)])
    assert disk.batches == [[50], [1], [19], [0]]


async def test_a_caller_that_goes_away_undoes_nothing() -> None:
    """A client that disconnects has its item written all the same, and the others get their answers."""
    disk = Disk(stopped=True)
    batcher = Batcher(disk.write)

    async def caller(item: int) -> int:
        return await batcher.submit(item)

    leaving, staying = asyncio.create_task(caller(1)), asyncio.create_task(caller(2))
    await asyncio.sleep(0)
    leaving.cancel()
    disk.going.set()
    assert await staying == 4
    assert leaving.cancelled()
    assert [item for batch in disk.batches for item in batch] == [1, 2]


async def test_drain_waits_for_everything() -> None:
    """After it nothing waits and nothing is being written."""
    disk = Disk()
    batcher = Batcher(disk.write, limit=1, lanes=2)
    answers = [batcher.submit(item) for item in range(7)]
    await batcher.drain()
    assert all(answer.done() for answer in answers)
    assert len(batcher) == 0
    await batcher.drain()


async def test_drain_ends_when_writes_fail() -> None:
    """A lane that dies of an error does not leave a drain waiting."""

    async def write(items: list[int]) -> Sequence[int]:
        raise Unavailable("away")

    batcher = Batcher(write, limit=1)
    answers = [batcher.submit(item) for item in range(3)]
    async with asyncio.timeout(2):
        await batcher.drain()
    assert all(isinstance(answer.exception(), Unavailable) for answer in answers)
