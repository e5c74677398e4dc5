"""How much is due in each queue, asked in a way that costs the same whether a thousand jobs wait or ten million."""

from dataclasses import dataclass

from sqlalchemy import text

from hub.infra.store.database import Database

MOST = 10_000  # of one queue; 25 ms of the database at most

# The oldest of a queue is found with one look into the index for each priority.
_DUE = text("""
WITH due AS (
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
""")


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


class DepthStore:
    """Asks for depths."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> list[Depth]:
        """Every queue. Raises Unavailable."""
        rows = await self._database.run(_DUE, {"most": MOST})
        return [Depth(queue, jobs, max(0.0, oldest)) for queue, jobs, oldest in rows]
