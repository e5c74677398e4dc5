"""Statistics: every attempt counted once, whoever counts and however often it is interrupted."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from hub import JobContext, job
from hub.domain.errors import NoAnswer, Unavailable
from hub.domain.histograms import bucket_of
from hub.domain.jobs import OutcomeKind
from hub.infra.store.depths import Depth, DepthStore
from hub.infra.store.rollup import SETTLED, CallTally, RollupStore
from hub.infra.store.statistics import StatisticsStore
from hub.services.call_statistics import CallStatistics
from hub.services.statistics import Bookkeeping, Statistics
from hub.services.statistics_views import StatisticsView
from tests.services import shop
from tests.services.conftest import Start
from tests.services.engine import Engine
from tests.services.shop import Order, says

HOUR = timedelta(hours=1)


@job(queue="default")
async def buy(ctx: JobContext, args: Order) -> shop.Done:
    return await ctx.call(shop.charge, item=args.item)


def keeping(engine: Engine) -> Bookkeeping:
    return Bookkeeping(RollupStore(engine.hub.database), DepthStore(engine.hub.database), engine.hub.queue)


async def ended(engine: Engine, outcome: OutcomeKind, ago: str, took: str, times: int = 1) -> None:
    """So many attempts that ended so long ago."""
    made = await engine.submit("test_statistics.buy")
    await engine.sql(
        "INSERT INTO attempts (job_id, number, generation, outcome, worker_id, started_at, finished_at)"
        " SELECT :job, n, 1, :outcome, :job, now() - CAST(:ago AS interval) - CAST(:took AS interval),"
        " now() - CAST(:ago AS interval) FROM generate_series(1, :times) n",
        job=made,
        outcome=outcome.value,
        ago=_interval(ago),
        took=_interval(took),
        times=times,
    )


def _interval(text: str) -> timedelta:
    value, unit = text.split()
    return timedelta(**{unit: float(value)})


async def counted(engine: Engine) -> dict[tuple[str, str], int]:
    rows = await engine.sql(
        "SELECT grain, outcome, CAST(sum(attempts) AS int) AS attempts FROM attempt_statistics GROUP BY 1, 2"
    )
    return {(row.grain, row.outcome): row.attempts for row in rows}


async def test_attempts_are_added_up_by_minute_and_hour(start: Start) -> None:
    """By what they came to and how long they ran; what may not be complete yet is left for the next time."""
    engine = await start(buy)
    await ended(engine, OutcomeKind.SUCCEEDED, "3 minutes", "0.2 seconds", times=5)
    await ended(engine, OutcomeKind.FAILED, "3 minutes", "7 seconds")
    await ended(engine, OutcomeKind.SUCCEEDED, "100 minutes", "0.2 seconds", times=2)
    await ended(engine, OutcomeKind.SUCCEEDED, "0 seconds", "0.2 seconds")
    await keeping(engine).catch_up()
    once = {
        ("minute", "succeeded"): 7,
        ("minute", "failed"): 1,
        ("hour", "succeeded"): 7,
        ("hour", "failed"): 1,
    }
    assert await counted(engine) == once
    await keeping(engine).catch_up()
    assert await counted(engine) == once
    rows = await engine.sql(
        "SELECT outcome, buckets FROM attempt_statistics WHERE grain = 'hour' ORDER BY at"
    )
    for row in rows:
        place = bucket_of(7 if row.outcome == "failed" else 0.2)
        assert row.buckets[place] == sum(row.buckets) > 0
    [mark] = await engine.sql("SELECT now() - upto AS behind FROM marks")
    assert SETTLED <= mark.behind < SETTLED + timedelta(minutes=1)


async def test_two_that_add_up_at_once_count_nothing_twice(start: Start) -> None:
    """Each takes the row of the mark, or leaves it to whoever has it."""
    engine = await start(buy)
    await ended(engine, OutcomeKind.SUCCEEDED, "3 minutes", "1 seconds", times=20)
    await asyncio.gather(*[keeping(engine).catch_up() for _ in range(4)])
    await keeping(engine).catch_up()
    assert await counted(engine) == {("minute", "succeeded"): 20, ("hour", "succeeded"): 20}


async def test_what_was_interrupted_is_added_up_again_and_once(start: Start) -> None:
    """What was counted and how far it went are one transaction."""
    engine = await start(buy)
    await ended(engine, OutcomeKind.SUCCEEDED, "3 minutes", "1 seconds")
    await keeping(engine).catch_up()
    await ended(engine, OutcomeKind.SUCCEEDED, "2 minutes", "1 seconds")
    await engine.sql("UPDATE marks SET upto = upto - interval '30 minutes'")
    await engine.sql(
        "ALTER TABLE marks ADD CONSTRAINT broken CHECK (upto < now() - interval '10 minutes') NOT VALID"
    )
    with pytest.raises(Exception, match="broken"):
        await keeping(engine).catch_up()
    assert (await counted(engine))["minute", "succeeded"] == 1
    await engine.sql("ALTER TABLE marks DROP CONSTRAINT broken")
    await engine.sql("DELETE FROM attempt_statistics WHERE grain = 'hour'")
    await keeping(engine).catch_up()
    assert await counted(engine) == {("minute", "succeeded"): 2, ("hour", "succeeded"): 2}


async def test_months_are_told_by_days_and_are_the_sum_of_their_hours(start: Start) -> None:
    """Before days were added up, after it, and after it was done again; the day that is still going on is among them."""
    engine = await start(buy)
    store, now = RollupStore(engine.hub.database), datetime.now(UTC)
    statistics = Statistics(StatisticsStore(engine.hub.database), store, clock=lambda: now)

    async def over() -> StatisticsView:
        return replace(await statistics.over(timedelta(days=30)), counted_until=None)

    await engine.sql(
        "INSERT INTO attempt_statistics SELECT 'hour', date_trunc('hour', CAST(:now AS timestamptz), 'UTC') - make_interval(hours => n), 'default',"
        " 'succeeded', 1 + n % 3, 1.5, array_fill(CAST(n % 2 AS bigint), ARRAY[16]) FROM generate_series(0, 400) n",
        now=now,
    )
    await engine.sql(
        "INSERT INTO queue_statistics SELECT 'hour', date_trunc('hour', CAST(:now AS timestamptz), 'UTC') - make_interval(hours => n), 'default',"
        " n % 7, n % 5 FROM generate_series(0, 400) n",
        now=now,
    )
    await engine.sql(
        "INSERT INTO call_statistics SELECT 'hour', date_trunc('hour', CAST(:now AS timestamptz), 'UTC') - make_interval(hours => n), 'shop',"
        " 3, 1, 1, 2, 0.5, array_fill(CAST(n % 2 AS bigint), ARRAY[16]) FROM generate_series(0, 400) n",
        now=now,
    )
    before = await over()
    assert sum(point.succeeded for point in before.attempts) == sum(1 + n % 3 for n in range(401))
    # Nothing is closed that may still get more: attempts are added up as far as they were two days ago.
    await engine.sql(
        "INSERT INTO marks VALUES ('attempt_statistics', date_trunc('day', now(), 'UTC') - interval '42 hours')"
    )
    await close_all(store)
    [last] = await engine.sql("SELECT max(at) AS at FROM attempt_statistics WHERE grain = 'day'")
    [mark] = await engine.sql(
        "SELECT date_trunc('day', upto, 'UTC') AS day FROM marks WHERE name = 'attempt_statistics'"
    )
    assert last.at == mark.day - timedelta(days=1)
    assert await over() == before
    await keeping(engine).catch_up()
    for at_once in (1, 3):
        await asyncio.gather(*[close_all(store) for _ in range(at_once)])
        [days] = await engine.sql(
            "SELECT count(*) FILTER (WHERE grain = 'day') AS closed,"
            " count(DISTINCT date_trunc('day', at, 'UTC')) FILTER (WHERE at < m.upto) AS there"
            " FROM attempt_statistics, marks m WHERE m.name = 'day_statistics'"
        )
        assert days.closed == days.there >= 16
        assert await over() == before
    # They are what is read.
    await engine.sql(
        "DELETE FROM attempt_statistics WHERE grain = 'hour' AND at < (SELECT upto FROM marks WHERE name = 'day_statistics')"
    )
    assert (await over()).attempts == before.attempts


async def close_all(store: RollupStore) -> None:
    while await store.close_days():
        pass


async def test_days_are_closed_a_week_at_a_time_until_all_are(start: Start) -> None:
    """Ninety of them in one statement might take longer than a statement may, and then none would ever be closed."""
    engine = await start(buy)
    store, days = RollupStore(engine.hub.database), "SELECT upto FROM marks WHERE name = 'day_statistics'"
    await keeping(engine).catch_up()
    assert await store.close_days()
    [first] = await engine.sql(days)
    assert await store.close_days()
    [second] = await engine.sql(days)
    assert second.upto - first.upto == timedelta(days=7)
    await keeping(engine).keep()
    [last] = await engine.sql(days)
    [today] = await engine.sql(
        "SELECT date_trunc('day', upto, 'UTC') AS began FROM marks WHERE name = 'attempt_statistics'"
    )
    assert last.upto == today.began


class Unclosed(RollupStore):
    """Cannot close days."""

    async def close_days(self) -> bool:
        raise Unavailable("takes too long")


async def test_what_is_old_is_forgotten_also_where_days_cannot_be_closed(start: Start) -> None:
    """Else trouble with the one would let the tables grow."""
    engine = await start(buy)
    await engine.sql(
        "INSERT INTO queue_statistics VALUES ('hour', now() - interval '91 days', 'default', 1, 1)"
    )
    store = Unclosed(engine.hub.database)
    with pytest.raises(Unavailable):
        await Bookkeeping(store, DepthStore(engine.hub.database), engine.hub.queue).keep()
    assert await engine.sql("SELECT at FROM queue_statistics WHERE at < now() - interval '1 day'") == []


async def test_what_is_older_than_it_is_kept_is_forgotten(start: Start) -> None:
    """Minutes after two days, hours and days after three months; and the processes that are gone."""
    engine = await start(buy)
    store = RollupStore(engine.hub.database)
    await store.sample([Depth("default", 3, 1.5)])
    await engine.sql(
        "INSERT INTO queue_statistics SELECT grain, now() - age, 'default', 1, 1 FROM (VALUES"
        " ('minute', interval '47 hours'), ('minute', interval '49 hours'),"
        " ('hour', interval '89 days'), ('hour', interval '91 days'),"
        " ('day', interval '89 days'), ('day', interval '91 days')) AS old(grain, age)"
    )
    await engine.sql(
        "INSERT INTO marks VALUES ('calls:gone', now() - interval '25 hours'), ('calls:here', now())"
    )
    await store.prune()
    left = await engine.sql(
        "SELECT grain FROM queue_statistics WHERE at < now() - interval '1 day' ORDER BY grain"
    )
    assert [row.grain for row in left] == ["day", "hour", "minute"]
    assert [row.name for row in await engine.sql("SELECT name FROM marks")] == ["calls:here"]


async def test_calls_are_counted_by_what_came_of_them(start: Start, server: shop.Server) -> None:
    """Good, unwell, a no, and what was not sent; and a process's last are written when it ends."""
    engine = await start(buy)
    server.answers = [says(402), says(503)]
    for _ in range(3):
        await engine.submit("test_statistics.buy")
        await engine.work()
    engine.hub.breakers.of("shop").open_until(engine.hub.breakers.clock() + 60)
    await engine.submit("test_statistics.buy")
    await engine.work()
    await engine.hub.call_statistics.flush()
    series = await engine.hub.statistics.calls(HOUR)
    summary = series["shop"].summary
    assert (summary.calls, summary.failed, summary.refused, summary.skipped) == (3, 1, 1, 1)
    assert summary.error_rate == pytest.approx(1 / 3, abs=1e-3)
    assert summary.seconds
    assert 0 < summary.seconds.p50 < 5
    assert sum(point.calls for point in series["shop"].points) == 3
    view = await engine.hub.fleet.provider("shop")
    assert view.last_hour == summary


class CutOff(RollupStore):
    """Is cut off on the way there, or on the way back."""

    there = back = False

    async def add_calls(self, process: UUID, sequence: int, tallies: Mapping[str, CallTally]) -> None:
        if self.there:
            raise Unavailable("gone")
        await super().add_calls(process, sequence, tallies)
        if self.back:
            raise Unavailable("no answer")


def counting(store: RollupStore) -> CallStatistics:
    """The calls of a process."""
    return CallStatistics(store, process=uuid4())


@pytest.mark.parametrize("way", ["there", "back"])
async def test_calls_whose_writing_was_cut_off_are_counted_once(start: Start, way: str) -> None:
    """With those of meanwhile, whether the statement had been carried out or not."""
    engine = await start(buy)
    store = CutOff(engine.hub.database)
    statistics = counting(store)
    statistics.note("shop", None, 0.2)
    setattr(store, way, True)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await statistics.flush()
    statistics.note("shop", NoAnswer("timeout"), 20.0)
    setattr(store, way, False)
    await asyncio.gather(statistics.flush(), statistics.flush())
    await statistics.flush()
    summary = (await engine.hub.statistics.calls(HOUR))["shop"].summary
    assert (summary.calls, summary.failed) == (2, 1)
    other = counting(store)
    other.note("shop", None, 0.2)
    await other.flush()
    assert (await engine.hub.statistics.calls(HOUR))["shop"].summary.calls == 3


async def test_a_batch_is_known_again_as_long_as_the_database_says_it_is_new(start: Start) -> None:
    """Its mark has the database's time: a process whose clock is a day behind would lose it before it writes again."""
    engine = await start(buy)
    store = CutOff(engine.hub.database)
    statistics = counting(store)
    statistics.note("shop", None, 0.2)
    store.back = True
    with pytest.raises(Unavailable):
        await statistics.flush()
    [mark] = await engine.sql(
        "SELECT upto BETWEEN now() - interval '1 minute' AND now() AS now FROM marks WHERE name LIKE 'calls:%'"
    )
    assert mark.now
    await store.prune()
    store.back = False
    await statistics.flush()
    assert (await engine.hub.statistics.calls(HOUR))["shop"].summary.calls == 1


class Busy(RollupStore):
    """A call ends during each of the writes, of which there are fewer than ten."""

    calls: CallStatistics
    writes = 0

    async def add_calls(self, process: UUID, sequence: int, tallies: Mapping[str, CallTally]) -> None:
        self.writes += 1
        assert self.writes < 10, "there is no end to it"
        self.calls.note("shop", None, 0.2)
        await super().add_calls(process, sequence, tallies)


async def test_calls_that_end_while_others_are_written_wait_for_the_next_time(start: Start) -> None:
    """Else a busy process would write without an end; none is lost."""
    engine = await start(buy)
    store = Busy(engine.hub.database)
    store.calls = counting(store)
    store.calls.note("shop", None, 0.2)
    await store.calls.flush()
    await store.calls.flush()
    assert store.writes == 2
    assert (await engine.hub.statistics.calls(HOUR))["shop"].summary.calls == 2


async def test_what_a_process_counted_last_is_written_when_it_ends(start: Start) -> None:
    """A deploy does not lose the calls of its last seconds."""
    engine = await start(buy)
    statistics = counting(RollupStore(engine.hub.database))
    running = asyncio.create_task(statistics.run())
    await asyncio.sleep(0)
    statistics.note("post", None, 0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await engine.hub.statistics.calls(HOUR))["post"].summary.calls == 1


async def test_the_answer_has_a_point_for_each_step(start: Start) -> None:
    """Also for those in which nothing happened; of one queue alone if asked."""
    engine = await start(buy)
    await ended(engine, OutcomeKind.SUCCEEDED, "3 minutes", "0.2 seconds", times=5)
    await ended(engine, OutcomeKind.SNOOZED, "3 minutes", "0.1 seconds", times=2)
    book = keeping(engine)
    await book.keep()
    view = await engine.hub.statistics.over(timedelta(hours=24))
    assert len(view.attempts) == 24
    assert sum(point.succeeded for point in view.attempts) == 5
    assert sum(point.other for point in view.attempts) == 2
    [took] = {point.seconds for point in view.attempts if point.seconds}
    assert 0.1 <= took.p50 <= 0.25
    [queue] = [one for one in view.queues if one.queue == "default"]
    assert queue.points[-1].depth == 2
    assert queue.points[0].depth is None
    other = await engine.hub.statistics.over(timedelta(hours=24), queue="nothing")
    assert sum(point.succeeded for point in other.attempts) == 0
