"""Adding up what happened: attempts from their own table, minute by minute, and depths as they are looked at.

One process at a time: whoever holds the row of `marks`. What was added up and how far it went is one transaction, so
nothing is counted twice or left out, however it ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from hub.domain.histograms import BOUNDS, SIZE
from hub.domain.spans import HOURS_KEPT, MINUTES_KEPT
from hub.infra.store.database import Database
from hub.infra.store.depths import Depth
from hub.infra.store.statistics import summed

# An attempt's row carries the time at which its statement began, and is seen when that is committed. Statements take 15
# seconds at most (see hub.infra.store.database), so what is older than this is complete.
SETTLED = timedelta(seconds=40)
_WEEK = timedelta(days=7)

_BUCKETS = ", ".join(
    f"coalesce(CAST(sum(attempts) FILTER (WHERE bucket = {place}) AS bigint), 0)" for place in range(SIZE)
)
_THRESHOLDS = ", ".join(str(bound) for bound in BOUNDS)
_CALLS_OF = "calls:"  # what the mark of a process's calls begins with
_SUM = "ARRAY(SELECT o + n FROM unnest({old}, excluded.buckets) AS pair(o, n))"

_TURN = text("""
SELECT upto, least(upto + make_interval(secs => :step),
                   date_trunc('minute', now() - make_interval(secs => :settled), 'UTC')) AS until
FROM marks WHERE name = 'attempt_statistics' FOR UPDATE SKIP LOCKED
""")

_BEGIN = text("""
INSERT INTO marks (name, upto) VALUES ('attempt_statistics', date_trunc('hour', now() - make_interval(secs => :kept), 'UTC'))
ON CONFLICT DO NOTHING
""")

# The range is found by attempts_throughput; the queue of each attempt by its job's key. Attempts are gone through once;
# what is left of a minute then is a few dozen rows.
_ROLL_UP = text(f"""
WITH ended AS (
    SELECT date_trunc('minute', t.finished_at, 'UTC') AS at, j.queue, t.outcome,
           width_bucket(took.seconds, ARRAY[{_THRESHOLDS}]::float8[]) AS bucket,
           count(*) AS attempts, sum(took.seconds) AS seconds
    FROM attempts t JOIN jobs j ON j.id = t.job_id
    CROSS JOIN LATERAL (
        SELECT greatest(CAST(extract(epoch FROM t.finished_at - t.started_at) AS float8), 0) AS seconds
    ) took
    WHERE t.finished_at >= :since AND t.finished_at < :until
    GROUP BY 1, 2, 3, 4
), minutes AS (
    INSERT INTO attempt_statistics (grain, at, queue, outcome, attempts, seconds, buckets)
    SELECT 'minute', at, queue, outcome, sum(attempts), sum(seconds), ARRAY[{_BUCKETS}] FROM ended GROUP BY 2, 3, 4
    ON CONFLICT (grain, at, queue, outcome) DO UPDATE SET
        attempts = excluded.attempts, seconds = excluded.seconds, buckets = excluded.buckets
), hours AS (
    INSERT INTO attempt_statistics AS h (grain, at, queue, outcome, attempts, seconds, buckets)
    SELECT 'hour', date_trunc('hour', at, 'UTC'), queue, outcome, sum(attempts), sum(seconds), ARRAY[{_BUCKETS}]
    FROM ended GROUP BY 2, 3, 4
    ON CONFLICT (grain, at, queue, outcome) DO UPDATE SET
        attempts = h.attempts + excluded.attempts, seconds = h.seconds + excluded.seconds,
        buckets = {_SUM.format(old="h.buckets")}
)
UPDATE marks SET upto = :until WHERE name = 'attempt_statistics' RETURNING (SELECT CAST(coalesce(sum(attempts), 0) AS bigint) FROM ended)
""")  # noqa: S608 - constants

_SAMPLE = text("""
WITH seen AS (
    SELECT * FROM unnest(CAST(:queue AS text[]), CAST(:depth AS int[]), CAST(:oldest AS float8[])) AS s(queue, depth, oldest)
), minutes AS (
    INSERT INTO queue_statistics (grain, at, queue, depth, oldest_due_seconds)
    SELECT 'minute', date_trunc('minute', now(), 'UTC'), queue, depth, oldest FROM seen
    ON CONFLICT DO NOTHING
)
INSERT INTO queue_statistics AS h (grain, at, queue, depth, oldest_due_seconds)
SELECT 'hour', date_trunc('hour', now(), 'UTC'), queue, depth, oldest FROM seen
ON CONFLICT (grain, at, queue) DO UPDATE SET depth = greatest(h.depth, excluded.depth),
    oldest_due_seconds = greatest(h.oldest_due_seconds, excluded.oldest_due_seconds)
""")

_BEGIN_DAYS = text("""
INSERT INTO marks (name, upto) VALUES ('day_statistics', date_trunc('day', now() - make_interval(secs => :kept), 'UTC'))
ON CONFLICT DO NOTHING
""")

# Days that are over and complete, once each, from their hours, a week's at most: a statement ends after some seconds. Whoever
# has the mark does it; it moves with what was written.
_CLOSE_DAYS = text(f"""
WITH turn AS MATERIALIZED (
    SELECT d.upto AS since, date_trunc('day', least(
               d.upto + make_interval(secs => :step), h.upto, now() - make_interval(secs => :settled)
           ), 'UTC') AS until
    FROM marks d, marks h WHERE d.name = 'day_statistics' AND h.name = 'attempt_statistics'
    FOR UPDATE OF d SKIP LOCKED
), attempts AS (
    INSERT INTO attempt_statistics (grain, at, queue, outcome, attempts, seconds, buckets)
    SELECT 'day', date_trunc('day', at, 'UTC'), queue, outcome, sum(attempts), sum(seconds), ARRAY[{summed()}]
    FROM turn JOIN attempt_statistics ON grain = 'hour' AND at >= since AND at < until GROUP BY 2, 3, 4
    ON CONFLICT DO NOTHING
), calls AS (
    INSERT INTO call_statistics (grain, at, provider, calls, failed, refused, skipped, seconds, buckets)
    SELECT 'day', date_trunc('day', at, 'UTC'), provider, sum(calls), sum(failed), sum(refused), sum(skipped), sum(seconds),
           ARRAY[{summed()}]
    FROM turn JOIN call_statistics ON grain = 'hour' AND at >= since AND at < until GROUP BY 2, 3
    ON CONFLICT DO NOTHING
), depths AS (
    INSERT INTO queue_statistics (grain, at, queue, depth, oldest_due_seconds)
    SELECT 'day', date_trunc('day', at, 'UTC'), queue, max(depth), max(oldest_due_seconds)
    FROM turn JOIN queue_statistics ON grain = 'hour' AND at >= since AND at < until GROUP BY 2, 3
    ON CONFLICT DO NOTHING
)
UPDATE marks SET upto = until FROM turn WHERE name = 'day_statistics' AND until > since RETURNING name
""")  # noqa: S608 - constants

# What was called since the last time; the same for the minute and for the hour. A batch that was written before, and only
# its acknowledgement was lost, is known by its process's mark, which moves with it.
_ADD_CALLS = text(f"""
WITH fresh AS (
    INSERT INTO marks AS m (name, upto, sequence) VALUES (:process, now(), :sequence)
    ON CONFLICT (name) DO UPDATE SET upto = excluded.upto, sequence = excluded.sequence
        WHERE m.sequence < excluded.sequence RETURNING name
)
INSERT INTO call_statistics AS c (grain, at, provider, calls, failed, refused, skipped, seconds, buckets)
SELECT g.grain, date_trunc(g.grain, now(), 'UTC'), n.provider, n.calls, n.failed, n.refused, n.skipped, n.seconds,
       CAST(n.buckets AS bigint[])
FROM unnest(CAST(:provider AS text[]), CAST(:calls AS bigint[]), CAST(:failed AS bigint[]), CAST(:refused AS bigint[]),
            CAST(:skipped AS bigint[]), CAST(:seconds AS float8[]), CAST(:buckets AS text[]))
     AS n(provider, calls, failed, refused, skipped, seconds, buckets)
CROSS JOIN fresh
CROSS JOIN (VALUES ('minute'), ('hour')) AS g(grain)
ORDER BY 1, 2, 3
ON CONFLICT (grain, at, provider) DO UPDATE SET
    calls = c.calls + excluded.calls, failed = c.failed + excluded.failed, refused = c.refused + excluded.refused,
    skipped = c.skipped + excluded.skipped, seconds = c.seconds + excluded.seconds,
    buckets = {_SUM.format(old="c.buckets")}
""")  # noqa: S608 - constants

_PRUNE = tuple(
    text(f"DELETE FROM {table} WHERE grain = :grain AND at < now() - make_interval(secs => :kept)")  # noqa: S608
    for table in ("attempt_statistics", "call_statistics", "queue_statistics")
)
# Of processes that are gone. Those that live write far more often, and a batch is not kept for so long.
_PRUNE_MARKS = text(
    f"DELETE FROM marks WHERE name LIKE '{_CALLS_OF}%' AND upto < now() - interval '1 day'"  # noqa: S608
)


@dataclass(slots=True)
class CallTally:
    """Calls to one provider that were not written down yet; see the table for what is counted."""

    calls: int
    failed: int
    refused: int
    skipped: int
    seconds: float
    buckets: list[int]


class RollupStore:
    """Writes statistics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roll_up(self, step: timedelta) -> int | None:
        """Add up the attempts of the next minutes, so many at most; gives how many attempts there were.

        None where there is nothing to do: all that is complete is added up, or another process is at it.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN, {"kept": MINUTES_KEPT.total_seconds()})
            times = {"step": step.total_seconds(), "settled": SETTLED.total_seconds()}
            turn = (await connection.execute(_TURN, times)).first()
            if turn is None or turn.until <= turn.upto:
                return None
            counted = await connection.execute(_ROLL_UP, {"since": turn.upto, "until": turn.until})
            return int(counted.scalar_one())

    async def upto(self) -> datetime | None:
        """How far attempts are added up; None before the first time."""
        rows = await self._database.run(text("SELECT upto FROM marks WHERE name = 'attempt_statistics'"))
        return rows[0][0] if rows else None

    async def sample(self, depths: Sequence[Depth]) -> None:
        """Keep how much waits now; once a minute counts."""
        columns = {
            "queue": [depth.queue for depth in depths],
            "depth": [depth.jobs for depth in depths],
            "oldest": [depth.oldest for depth in depths],
        }
        await self._database.run(_SAMPLE, columns)

    async def close_days(self) -> bool:
        """Add up the next of the days that are over; gives whether there were any, so that there may be more."""
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN_DAYS, {"kept": HOURS_KEPT.total_seconds()})
            times = {"step": _WEEK.total_seconds(), "settled": SETTLED.total_seconds()}
            return (await connection.execute(_CLOSE_DAYS, times)).first() is not None

    async def add_calls(self, process: UUID, sequence: int, tallies: Mapping[str, CallTally]) -> None:
        """Add what one process has called since the last time, once, however often the same batch is written.

        Args:
            process: whose it is.
            sequence: tells its batches apart, each greater than the one before.
            tallies: by provider.
        """
        ordered = sorted(tallies.items())
        columns = {"provider": [provider for provider, _ in ordered]} | {
            name: [getattr(tally, name) for _, tally in ordered]
            for name in ("calls", "failed", "refused", "skipped", "seconds")
        }
        buckets = [f"{{{','.join(map(str, tally.buckets))}}}" for _, tally in ordered]
        batch = {"process": f"{_CALLS_OF}{process}", "sequence": sequence}
        await self._database.run(_ADD_CALLS, {**batch, **columns, "buckets": buckets})

    async def prune(self) -> None:
        """Forget what is older than statistics are kept."""
        for statement in _PRUNE:
            for grain, kept in (("minute", MINUTES_KEPT), ("hour", HOURS_KEPT), ("day", HOURS_KEPT)):
                await self._database.run(statement, {"grain": grain, "kept": kept.total_seconds()})
        await self._database.run(_PRUNE_MARKS)
