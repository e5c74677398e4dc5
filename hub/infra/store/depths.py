"""How much is in each queue, asked in a way that costs the same whether a thousand jobs wait or ten million."""

from dataclasses import dataclass

from sqlalchemy import text

from hub.domain.jobs import JobState
from hub.infra.store.database import Database

MOST = 10_000  # of one queue; 25 ms of the database at most
SHOWN = 5_000  # where people wait for it: of one queue and state, as far as an index tells them apart

# The oldest of a queue is found with one look into the index for each priority.
_QUEUED = """
    SELECT q.name AS queue, waiting.jobs, oldest.run_at FROM queues q
    CROSS JOIN LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT FROM jobs WHERE state = 'queued' AND dispatched_at IS NULL AND queue = q.name LIMIT :most
        ) counted
    ) waiting
    CROSS JOIN LATERAL (
        SELECT min(first.run_at) AS run_at FROM generate_series(0, 9) AS p(priority) CROSS JOIN LATERAL (
            SELECT run_at FROM jobs
            WHERE state = 'queued' AND dispatched_at IS NULL AND queue = q.name AND priority = p.priority
            ORDER BY run_at LIMIT 1
        ) first
    ) oldest
"""

_DUE = text(f"""
WITH due AS (
    {_QUEUED}
    UNION ALL
    SELECT queue, count(*), min(run_at) FROM jobs WHERE dispatched_at IS NOT NULL GROUP BY queue
    UNION ALL
    SELECT queue, count(*), min(run_at) FROM (
        SELECT queue, run_at FROM jobs WHERE state IN ('scheduled', 'retrying', 'waiting') AND run_at <= now()
        ORDER BY run_at LIMIT :most
    ) promotable GROUP BY queue
)
SELECT queue, CAST(sum(jobs) AS bigint),
       CAST(coalesce(extract(epoch FROM clock_timestamp() - min(run_at)), 0) AS float8)
FROM due GROUP BY queue ORDER BY queue
""")  # noqa: S608 - the parts are constants

# For how long a job has been held is not written down; for how long it has been due is, and that is what somebody waits for.
_HELD = text("""
SELECT reason, count(*), CAST(extract(epoch FROM clock_timestamp() - min(run_at)) AS float8) FROM (
    SELECT reason, run_at FROM jobs WHERE state = 'held' ORDER BY queue, id LIMIT :most
) some_held GROUP BY reason
""")

_LATER = text("""
SELECT state, count(*) FROM (
    SELECT state FROM jobs WHERE state IN ('scheduled', 'retrying', 'waiting') ORDER BY run_at LIMIT :most
) some_later GROUP BY state
""")

# Each part is served by one of the partial indexes on jobs, so that settled work costs nothing here. What an index has by
# queue stops at the bound for each queue, the rest for all queues together: then none of the counts of that part is exact,
# and neither is the 0 of a queue of which nothing was met.
BY_STATE = text(f"""
WITH queued AS (
    {_QUEUED} WHERE q.name = coalesce(CAST(:name AS text), q.name)
), held AS (
    SELECT q.name AS queue, counted.jobs FROM queues q CROSS JOIN LATERAL (
        SELECT count(*) AS jobs FROM (
            SELECT FROM jobs WHERE state = 'held' AND queue = q.name LIMIT :most
        ) some_held
    ) counted WHERE q.name = coalesce(CAST(:name AS text), q.name)
), handed AS MATERIALIZED (
    SELECT queue, run_at FROM jobs WHERE dispatched_at IS NOT NULL ORDER BY dispatched_at LIMIT :most
), later AS MATERIALIZED (
    SELECT queue, state FROM jobs WHERE state IN ('scheduled', 'retrying', 'waiting') ORDER BY run_at LIMIT :most
), running AS MATERIALIZED (
    SELECT queue FROM jobs WHERE state = 'running' ORDER BY worker_id LIMIT :most
), failed AS MATERIALIZED (
    SELECT queue FROM jobs WHERE state = 'failed' ORDER BY id DESC LIMIT :most
), open AS MATERIALIZED (  -- else it is all counted again for each queue
    SELECT queue, 'queued' AS state, jobs, run_at AS oldest FROM queued
    UNION ALL
    SELECT queue, 'queued', count(*), min(run_at) FROM handed GROUP BY queue
    UNION ALL
    SELECT queue, 'held', jobs, NULL FROM held
    UNION ALL
    SELECT queue, state, count(*), NULL FROM later GROUP BY queue, state
    UNION ALL
    SELECT queue, 'running', count(*), NULL FROM running GROUP BY queue
    UNION ALL
    SELECT queue, 'failed', count(*), NULL FROM failed GROUP BY queue
), together AS MATERIALIZED (
    SELECT s.state, s.jobs >= :most AS bounded
    FROM (SELECT count(*) AS jobs FROM handed) h, (SELECT count(*) AS jobs FROM later) l,
         (SELECT count(*) AS jobs FROM running) r, (SELECT count(*) AS jobs FROM failed) f
    CROSS JOIN LATERAL (
        VALUES ('queued', h.jobs), ('scheduled', l.jobs), ('retrying', l.jobs), ('waiting', l.jobs), ('running', r.jobs),
               ('failed', f.jobs), ('held', 0)
    ) AS s(state, jobs)
)
SELECT q.name, q.paused_at, t.state, CAST(coalesce(sum(o.jobs), 0) AS bigint), min(o.oldest), clock_timestamp(),
       t.bounded OR coalesce(max(o.jobs), 0) >= :most
FROM queues q CROSS JOIN together t LEFT JOIN open o ON o.queue = q.name AND o.state = t.state
WHERE q.name = coalesce(CAST(:name AS text), q.name)
GROUP BY q.name, q.paused_at, t.state, t.bounded ORDER BY q.name, t.state
""")  # noqa: S608 - the parts are constants


@dataclass(frozen=True, slots=True)
class Depth:
    """What is due in one queue and not running.

    Attributes:
        jobs: how many; beyond MOST it is not counted exactly.
        oldest: for how many seconds the longest waiting one has been due, 0 if none is.
    """

    queue: str
    jobs: int
    oldest: float


@dataclass(frozen=True, slots=True)
class HeldWork:
    """What is held for one reason; of all held jobs at most MOST are looked at.

    Attributes:
        oldest: for how many seconds the first of them has been due.
    """

    reason: str
    jobs: int
    oldest: float


class DepthStore:
    """Asks for depths."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> list[Depth]:
        """Every queue. Raises Unavailable."""
        rows = await self._database.run(_DUE, {"most": MOST})
        return [Depth(queue, jobs, max(0.0, oldest)) for queue, jobs, oldest in rows]

    async def held(self) -> list[HeldWork]:
        """By reason, of those for which something is held. Raises Unavailable."""
        rows = await self._database.run(_HELD, {"most": MOST})
        return [HeldWork(reason, jobs, max(0.0, oldest)) for reason, jobs, oldest in rows]

    async def later(self) -> dict[str, int]:
        """What is scheduled, retrying or waiting, by state; at most MOST of all are looked at. Raises Unavailable."""
        rows = await self._database.run(_LATER, {"most": MOST})
        return {JobState.SCHEDULED: 0, JobState.RETRYING: 0, JobState.WAITING: 0, **dict(rows)}
