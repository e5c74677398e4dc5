"""Reading statistics: one statement for each kind, over rows that were added up before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from hub.domain.histograms import SIZE
from hub.domain.spans import Span
from hub.infra.store.database import Database

# What a job's function ran for; a pause, a hold or an interruption says nothing about that.
_RAN = "outcome IN ('succeeded', 'failed', 'uncertain', 'compensated')"


def summed(condition: str = "true") -> str:
    """Each bucket of many rows, added up."""
    return ", ".join(
        f"coalesce(CAST(sum(buckets[{place}]) FILTER (WHERE {condition}) AS bigint), 0)"
        for place in range(1, SIZE + 1)
    )


_BIN = "date_bin(make_interval(secs => :step), at, '1970-01-01 00:00:00+00')"
# Days up to the last that is over and added up, and what came after that by its hours (see hub.infra.store.rollup).
_DAYS_UNTIL = "coalesce((SELECT upto FROM marks WHERE name = 'day_statistics'), '-infinity')"
_WITHIN = f"""(grain = :grain AND at >= :start AND at < :end AND (:grain <> 'day' OR at < {_DAYS_UNTIL})
    OR :grain = 'day' AND grain = 'hour' AND at >= greatest(CAST(:start AS timestamptz), {_DAYS_UNTIL}) AND at < :end)"""

_ATTEMPTS = text(f"""
SELECT {_BIN} AS moment,
       coalesce(CAST(sum(attempts) FILTER (WHERE outcome IN ('succeeded', 'compensated')) AS bigint), 0),
       coalesce(CAST(sum(attempts) FILTER (WHERE outcome = 'failed') AS bigint), 0),
       coalesce(CAST(sum(attempts) FILTER (WHERE outcome = 'uncertain') AS bigint), 0),
       coalesce(CAST(sum(attempts) FILTER (WHERE NOT {_RAN}) AS bigint), 0),
       ARRAY[{summed(_RAN)}]
FROM attempt_statistics WHERE {_WITHIN} AND (CAST(:queue AS text) IS NULL OR queue = :queue)
GROUP BY 1 ORDER BY 1
""")  # noqa: S608 - constants

_DEPTHS = text(f"""
SELECT queue, {_BIN} AS moment, max(depth), max(oldest_due_seconds)
FROM queue_statistics WHERE {_WITHIN} AND (CAST(:queue AS text) IS NULL OR queue = :queue)
GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608 - constants

_CALLS = text(f"""
SELECT provider, {_BIN} AS moment, CAST(sum(calls) AS bigint), CAST(sum(failed) AS bigint), CAST(sum(refused) AS bigint),
       CAST(sum(skipped) AS bigint), ARRAY[{summed()}]
FROM call_statistics WHERE {_WITHIN} AND (CAST(:provider AS text) IS NULL OR provider = :provider)
GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class AttemptsRow:
    """Attempts that ended in one step; `other`: snoozed, waiting, held, interrupted."""

    at: datetime
    succeeded: int
    failed: int
    uncertain: int
    other: int
    buckets: Sequence[int]


@dataclass(frozen=True, slots=True)
class DepthRow:
    """How much waited in a queue in one step, at most."""

    queue: str
    at: datetime
    depth: int
    oldest: float


@dataclass(frozen=True, slots=True)
class CallsRow:
    """Calls to a provider in one step."""

    provider: str
    at: datetime
    calls: int
    failed: int
    refused: int
    skipped: int
    buckets: Sequence[int]


class StatisticsStore:
    """Reads statistics. Each raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def attempts(self, span: Span, queue: str | None = None) -> list[AttemptsRow]:
        """Steps in which an attempt ended, of all queues or one."""
        return [
            AttemptsRow(*row) for row in await self._database.run(_ATTEMPTS, {**_of(span), "queue": queue})
        ]

    async def depths(self, span: Span, queue: str | None = None) -> list[DepthRow]:
        """Steps in which queues were looked at, of all or one."""
        return [DepthRow(*row) for row in await self._database.run(_DEPTHS, {**_of(span), "queue": queue})]

    async def calls(self, span: Span, provider: str | None = None) -> list[CallsRow]:
        """Steps in which providers were called, of all or one."""
        return [
            CallsRow(*row) for row in await self._database.run(_CALLS, {**_of(span), "provider": provider})
        ]


def _of(span: Span) -> dict[str, Any]:
    step: timedelta = span.step
    return {
        "grain": span.grain.value,
        "start": span.start,
        "end": span.end,
        "step": step.total_seconds(),
    }
