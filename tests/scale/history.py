"""Statistics of three months, as workers leave them: by the minute, by the hour and by the day."""

# ruff: noqa: S608 - statements are made of constants
from typing import Any

from hub.infra.store.database import Database
from hub.infra.store.rollup import RollupStore

# All that are kept: minutes of two days, hours of ninety.
_GRAINS = "(VALUES ('minute', interval '48 hours'), ('hour', interval '90 days')) g(grain, kept)"
_TIMES = (
    f"{_GRAINS} CROSS JOIN LATERAL (SELECT at, extract(epoch FROM at)::bigint / 60 AS n FROM generate_series("
    "date_trunc(g.grain, now() - g.kept, 'UTC'), now() - interval '2 minutes', ('1 ' || g.grain)::interval) at) t"
)
_QUEUES = "unnest(ARRAY['payments', 'email', 'http', 'default']) AS queue"
_OUTCOMES = "unnest(ARRAY['succeeded', 'failed', 'uncertain', 'snoozed', 'waiting']) AS outcome"
_PROVIDERS = "unnest(ARRAY['stripe', 'sendgrid', 'email', 'http', 'slack']) AS provider"
_BUCKETS = "ARRAY(SELECT (n + b) % 50 FROM generate_series(1, 16) b)"
_STATEMENTS = (
    f"""INSERT INTO attempt_statistics (grain, at, queue, outcome, attempts, seconds, buckets)
        SELECT grain, at, queue, outcome, 10 + n % 900, n % 77, {_BUCKETS} FROM {_TIMES}, {_QUEUES}, {_OUTCOMES}""",
    f"""INSERT INTO call_statistics (grain, at, provider, calls, failed, refused, skipped, seconds, buckets)
        SELECT grain, at, provider, 10 + n % 700, n % 7, n % 5, n % 3, n % 77, {_BUCKETS} FROM {_TIMES}, {_PROVIDERS}""",
    f"""INSERT INTO queue_statistics (grain, at, queue, depth, oldest_due_seconds)
        SELECT grain, at, queue, n % 4000, n % 60 FROM {_TIMES}, {_QUEUES}""",
    "INSERT INTO marks (name, upto) VALUES ('attempt_statistics', date_trunc('minute', now(), 'UTC'))",
)


async def add(connection: Any, url: str) -> None:
    """Fill the tables of statistics, whose days are closed by the hub itself."""
    for statement in _STATEMENTS:
        await connection.execute(statement)
    database = Database(url, size=1)
    try:
        while await RollupStore(database).close_days():
            pass
    finally:
        await database.close()
