"""The facts of `hub.domain.safety`, gathered for any number of jobs by one query."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.effects import WINDOW_MARGIN
from hub.domain.jobs import JobState
from hub.domain.providers import Provider
from hub.domain.safety import Facts
from hub.infra.store.database import Database

# By the time at which the statement began: what asks twice, as to allow a retry and to say whether it vouches for what may
# exist, gets one answer, though a window closes in between.
PROTECTED = """(
    SELECT s.first_sent_at + make_interval(secs => k.seconds)
    FROM unnest(CAST(:kept_by AS text[]), CAST(:kept_for AS float8[])) AS k(provider, seconds)
    WHERE k.provider = s.provider AND statement_timestamp() < s.first_sent_at + make_interval(secs => k.seconds)
)"""
"""Until when a repeat of the step `s` is harmless; null if it is not any more. With the parameters of `protection`."""

# Of the job `j`: see hub.domain.safety.counts.
_COUNTS = """
    (s.effect <> 'read' OR s.kind = 'work') AND s.kind IN ('call', 'work', 'undo')
    AND (s.kind = 'undo') = (j.ending IS NOT NULL AND j.undone_at IS NULL)
"""

UNCERTAIN = f"""(
    j.state = 'failed' AND j.reason = 'uncertain'
    OR j.state IN ('failed', 'cancelled') AND EXISTS (
        SELECT FROM steps s WHERE s.job_id = j.id AND s.certainty = 'unknown' AND {_COUNTS} AND {PROTECTED} IS NULL
    )
)"""
"""Whether a retry of the job `j` needs a decision: see hub.domain.safety.needs_decision."""

COLUMNS = "state, reason, undone, undoing, uncertain, covered, rejected, confirmed"
"""What `facts_from` gives besides `id` and `covered_until`, in the order of `Facts`."""


def facts_from(wanted: str) -> str:
    """A SELECT of one row for each job: `id`, COLUMNS, and `covered_until`, when the first of its keys stops to protect.

    It takes the parameters of `protection`, and says of each job what `hub.domain.safety.facts_of` says of its ledger.

    Args:
        wanted: the jobs, a relation with the columns `id`, `state`, `reason`, `undone_at` and `ending` of theirs: the name of a
            WITH query, or a table. Not a value from outside.
    """
    return f"""
        SELECT j.id, min(j.state) AS state, min(j.reason) AS reason, bool_or(j.undone_at IS NOT NULL) AS undone,
            bool_or(j.ending IS NOT NULL AND j.undone_at IS NULL) AS undoing,
            count(*) FILTER (WHERE s.certainty = 'unknown' AND p.until IS NULL) > 0 AS uncertain,
            count(*) FILTER (WHERE s.certainty = 'unknown' AND p.until IS NOT NULL) > 0 AS covered,
            count(*) FILTER (WHERE s.certainty = 'rejected') > 0 AS rejected,
            count(*) FILTER (WHERE s.certainty = 'confirmed') > 0 AS confirmed,
            min(p.until) AS covered_until
        FROM {wanted} j LEFT JOIN steps s ON s.job_id = j.id AND s.certainty <> 'not_sent' AND {_COUNTS}
        -- Joined once for all, where PROTECTED looks for each step: of hundreds of thousands that would be most of the time.
        LEFT JOIN unnest(CAST(:kept_by AS text[]), CAST(:kept_for AS float8[])) AS k(provider, seconds)
            ON k.provider = s.provider AND s.certainty = 'unknown'
        CROSS JOIN LATERAL (
            SELECT CASE WHEN statement_timestamp() < s.first_sent_at + make_interval(secs => k.seconds)
                        THEN s.first_sent_at + make_interval(secs => k.seconds) END AS until
        ) p
        GROUP BY j.id
    """  # noqa: S608 - a name of ours, and constants


def protection(providers: Mapping[str, Provider]) -> dict[str, Any]:
    """The parameters of `facts_from`: for how long, in seconds, each provider's keys surely protect."""
    kept = {
        name: (provider.idempotency.kept_for - WINDOW_MARGIN).total_seconds()
        for name, provider in providers.items()
        if provider.idempotency
    }
    return {"kept_by": list(kept), "kept_for": list(kept.values())}


def read_facts(row: Sequence[Any]) -> Facts:
    """The facts from a row that begins with COLUMNS."""
    return Facts(JobState(row[0]), *row[1:8])


_FACTS = text(f"""
WITH wanted AS (
    SELECT id, state, reason, undone_at, ending FROM jobs WHERE id = ANY(CAST(:ids AS uuid[]))
), facts AS ({facts_from("wanted")})
SELECT id, {COLUMNS} FROM facts
""")  # noqa: S608 - constants


class SafetyStore:
    """Reads facts.

    Args:
        database: the pool.
        providers: whose keys protect, and for how long.
    """

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._protection = protection(providers)

    async def facts(self, jobs: Sequence[UUID]) -> dict[UUID, Facts]:
        """Those of the jobs that there are."""
        rows = await self._database.run(_FACTS, {"ids": list(jobs), **self._protection})
        return {row[0]: read_facts(row[1:]) for row in rows}
