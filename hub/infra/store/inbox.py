"""The operators' inbox as it is stored: reads, the moves of people, and what the relay does for it.

Groups are written where attempts end, see `hub.infra.store.grouping`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.inbox import GroupAction, GroupState
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit
from hub.infra.store.reading import Where

MOST_JOBS = 10_000
"""Where the counting of a group's failed jobs stops."""

MOST_STANDING = 1_000
"""How many of a group's jobs, the latest, are looked at for how they stand: their rows are read, which an index spares the count."""

_KEPT_HOURS, _KEPT_DAYS = 35 * 24, 90


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group's row, with what is looked up for it.

    Attributes:
        hours: start of the hour in seconds since 1970, attempts that failed, of these for good; hours without are left out.
        failed_now: jobs that stand failed of it; at most MOST_JOBS + 1.
    """

    signature: str
    job: str
    step: str
    provider: str
    operation: str
    kind: str
    code: str
    message: str
    state: str
    attempts: int
    lost: int
    first_seen_at: datetime
    last_seen_at: datetime
    first_release: str | None
    last_release: str | None
    example_id: UUID
    reopened: int
    changed_at: datetime | None
    changed_by: str | None
    change_reason: str | None
    now: datetime
    hours: Sequence[Sequence[int]]
    failed_now: int


@dataclass(frozen=True, slots=True)
class GroupFile:
    """A group with its latest jobs counted by state, MOST_STANDING + 1 of them, and the message of its example in full."""

    record: GroupRecord
    jobs: Mapping[str, int]
    example_message: str | None


_GROUP = """
    signature, job, step, provider, operation, kind, code, message, state, attempts, lost, first_seen_at, last_seen_at,
    first_release, last_release, example_id, reopened, changed_at, changed_by, change_reason
"""
_WIDTH = 23
# All groups of a page in one statement: each looks at no more than so many entries of an index.
_COUNTED = f"""
    {_GROUP}, now(), ARRAY(
        SELECT ROW(CAST(extract(epoch FROM h.hour) AS bigint), h.attempts, h.lost) FROM error_hours h
        WHERE h.signature = g.signature AND h.hour > now() - make_interval(hours => :hours) ORDER BY h.hour
    ), (
        SELECT count(*) FROM (
            SELECT FROM jobs j WHERE j.state = 'failed' AND j.error_signature = g.signature LIMIT {MOST_JOBS + 1}
        ) bounded
    )
"""  # noqa: S608 - constants

_ONE = text(f"""
SELECT {_COUNTED}, (
    SELECT jsonb_object_agg(state, jobs) FROM (
        SELECT state, count(*) AS jobs FROM (
            SELECT state FROM jobs j WHERE j.error_signature = g.signature ORDER BY j.id DESC LIMIT {MOST_STANDING + 1}
        ) bounded GROUP BY state
    ) counted
), (SELECT e.error_message FROM jobs e WHERE e.id = g.example_id AND e.error_signature = g.signature)
FROM error_groups g WHERE g.signature = :signature
""")  # noqa: S608 - constants

_THERE = text("SELECT true FROM error_groups WHERE signature = :signature")

# A handful of states over a table that is bounded: see hub.domain.causes.MOST_OF_A_JOB.
_TALLY = text("SELECT state, lost > 0, count(*) FROM error_groups GROUP BY 1, 2")

_MOVE = """
WITH moved AS (
    UPDATE error_groups SET state = :state, changed_at = now(), changed_by = :actor, change_reason = CAST(:reason AS text)
    WHERE signature = :signature AND state = ANY(CAST(:sources AS text[])) RETURNING signature
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT CAST(:audit AS uuid), :actor, :action, m.signature, CAST(:detail AS jsonb) FROM moved m
)
SELECT signature FROM moved
"""

# Jobs that a release without groups failed, or whose group was forgotten. Jumps from cause to cause in the index.
_ADOPT = text("""
WITH RECURSIVE named(signature) AS (
    (SELECT error_signature FROM jobs WHERE state = 'failed' AND error_signature IS NOT NULL ORDER BY error_signature LIMIT 1)
    UNION ALL
    SELECT (
        SELECT j.error_signature FROM jobs j
        WHERE j.state = 'failed' AND j.error_signature IS NOT NULL AND j.error_signature > n.signature
        ORDER BY j.error_signature LIMIT 1
    ) FROM named n WHERE n.signature IS NOT NULL
), lacking AS (
    SELECT n.signature FROM named n
    WHERE n.signature IS NOT NULL AND NOT EXISTS (SELECT FROM error_groups g WHERE g.signature = n.signature)
    LIMIT :limit
)
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, attempts, lost, first_seen_at,
    last_seen_at, example_id)
SELECT l.signature, e.name, coalesce(s.name, ''), coalesce(s.provider, ''), '', coalesce(e.error_kind, ''),
    coalesce(e.error_code, ''), left(coalesce(e.error_message, ''), 200), c.jobs, c.jobs, c.first, c.last, e.id
FROM lacking l
CROSS JOIN LATERAL (
    SELECT j.id, j.name, j.error_kind, j.error_code, j.error_message FROM jobs j
    WHERE j.state = 'failed' AND j.error_signature = l.signature ORDER BY j.id DESC LIMIT 1
) e
CROSS JOIN LATERAL (
    SELECT count(*) AS jobs, min(j.settled_at) AS first, max(j.settled_at) AS last FROM jobs j
    WHERE j.state = 'failed' AND j.error_signature = l.signature
) c
LEFT JOIN LATERAL (
    SELECT s.name, s.provider FROM steps s
    WHERE s.job_id = e.id AND s.error_code = e.error_code ORDER BY s.position DESC LIMIT 1
) s ON true
ORDER BY l.signature
ON CONFLICT DO NOTHING RETURNING signature
""")

_FORGET_HOURS = text("""
DELETE FROM error_hours WHERE (signature, hour) IN (
    SELECT signature, hour FROM error_hours WHERE hour < now() - make_interval(hours => :age)
    ORDER BY hour LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")

_FORGET_GROUPS = text("""
DELETE FROM error_groups WHERE signature IN (
    SELECT g.signature FROM error_groups g
    WHERE g.last_seen_at < now() - make_interval(days => :age) AND g.state <> 'ignored'
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.state = 'failed' AND j.error_signature = g.signature)
    LIMIT :limit FOR UPDATE SKIP LOCKED
)
""")


class InboxStore:
    """Error groups, each statement by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def groups(self, where: Where, order: str, limit: int, *, hours: int) -> list[GroupRecord]:
        """Groups that satisfy all conditions.

        Args:
            where: conditions on `error_groups g`.
            order: what to order by, a constant.
            limit: the most groups to give.
            hours: how far back their hours go.
        """
        statement = f"""
            SELECT {_COUNTED} FROM (SELECT * FROM error_groups g WHERE {where} ORDER BY {order} LIMIT :limit) g
            ORDER BY {order}
        """  # noqa: S608 - conditions are constants, values are bound
        values = {**where.values, "limit": limit, "hours": hours}
        return [GroupRecord(*row) for row in await self._database.run(text(statement), values)]

    async def group(self, signature: str, *, hours: int) -> GroupFile | None:
        """One group with its jobs counted."""
        rows = await self._database.run(_ONE, {"signature": signature, "hours": hours})
        if not rows:
            return None
        [row] = rows
        return GroupFile(GroupRecord(*row[:_WIDTH]), row[_WIDTH] or {}, row[_WIDTH + 1])

    async def has(self, signature: str) -> bool:
        """Whether there is this group."""
        return bool(await self._database.run(_THERE, {"signature": signature}))

    async def tally(self) -> dict[tuple[GroupState, bool], int]:
        """How many groups there are by state, and whether a job has failed for good of them."""
        rows = await self._database.run(_TALLY)
        return {(GroupState(state), lost): count for state, lost, count in rows}

    async def move(
        self,
        signature: str,
        action: GroupAction,
        sources: Sequence[GroupState],
        becomes: GroupState,
        *,
        reason: str | None,
        audit: Audit,
    ) -> bool:
        """Move a group that is in one of these states; False if it is not, and nothing was changed or noted."""
        values: dict[str, Any] = {
            "signature": signature,
            "state": becomes.value,
            "sources": [state.value for state in sources],
            "reason": reason,
            "action": f"error.{action}",
            "audit": audit.id,
            "actor": audit.actor,
            "detail": audit.detail,
        }
        return bool(await self._database.run(text(_MOVE), values))

    async def adopt(self, limit: int) -> int:
        """Make groups for failed jobs that have none; gives how many."""
        return len(await self._database.run(_ADOPT, {"limit": limit}))

    async def forget(self, limit: int) -> None:
        """Drop hours nobody draws any more, and groups that were not seen for long and of which no job stands failed."""
        await self._database.run(_FORGET_HOURS, {"age": _KEPT_HOURS, "limit": limit})
        await self._database.run(_FORGET_GROUPS, {"age": _KEPT_DAYS, "limit": limit})
