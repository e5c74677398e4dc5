"""Plans as people see and steer them: lists, one, its items, and the commands, each one conditional, audited statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.plans import Action, Command, Counts, ItemState, PlanState, Settings
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit
from hub.infra.store.reading import Where

_COUNTS = ", ".join(f"p.{state.value}_items" for state in ItemState)
SETTINGS = "p.canary, p.rate, p.stop_above, p.max_in_flight, p.wait_for_go"
COUNTS = _COUNTS


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan's row.

    Attributes:
        verdicts: what the dry run found, as `hub.infra.store.plan_snapshots` writes it.
        halted: who has paused or aborted it as it stands, and the reason if one was given; empty if nobody has.
        now: the database's clock.
    """

    id: UUID
    action: Action
    filter: str
    state: PlanState
    settings: Settings
    include_uncertain: bool
    reason: str | None
    created_by: str
    started_by: str | None
    approved_by: str | None
    verdicts: list[dict[str, Any]]
    providers: list[str]
    counts: Counts
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    canary_judged_at: datetime | None
    judgement: str | None
    held_up: str | None
    held_up_since: datetime | None
    halted: Sequence[str | None]
    now: datetime

    @property
    def canary_open(self) -> bool:
        """It has a canary that was not judged yet."""
        return self.settings.canary > 0 and self.canary_judged_at is None


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One job of a plan."""

    position: int
    job_id: UUID
    state: ItemState
    verdict: str
    seen: str
    generation: int
    provider: str | None
    note: str | None
    released_at: datetime | None
    judged_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class SharedRecord:
    """A plan that has jobs of another one, and how many."""

    id: UUID
    state: PlanState
    created_by: str
    created_at: datetime
    jobs: int


_PLAN = f"""
    p.id, p.action, p.filter, p.state, p.include_uncertain, p.reason, p.created_by, p.started_by, p.approved_by, p.verdicts,
    p.providers, p.created_at, p.started_at, p.ended_at, p.canary_judged_at, p.judgement, p.held_up, p.held_up_since,
    clock_timestamp() AS now, {SETTINGS}, {COUNTS},
    CASE WHEN p.state IN ('paused', 'aborted') THEN ARRAY(
        SELECT unnest(ARRAY[a.actor, a.detail ->> 'reason']) FROM (
            SELECT * FROM audit_log WHERE subject = CAST(p.id AS text) ORDER BY seq DESC LIMIT 1
        ) a WHERE a.action IN ('plan.pause', 'plan.abort')
    ) ELSE '{{}}' END AS halted
"""  # noqa: S608 - constants
_ITEM = "i.position, i.job_id, i.state, i.verdict, i.seen, i.generation, i.provider, i.note, i.released_at, i.judged_at, i.ended_at"

_ONE = text(f"SELECT {_PLAN} FROM plans p WHERE p.id = :id")  # noqa: S608 - constants

# As many jobs as are looked at, and the few plans that share most of them.
_SHARED = text("""
WITH own AS MATERIALIZED (
    SELECT job_id, state FROM plan_items WHERE plan_id = :id ORDER BY position LIMIT :looked
), shared AS (
    SELECT i.plan_id, count(*) AS jobs FROM own o JOIN plan_items i ON i.job_id = o.job_id
    WHERE o.state = 'pending' AND i.state = 'pending' AND i.plan_id <> :id GROUP BY 1
)
SELECT p.id, p.state, p.created_by, p.created_at, s.jobs FROM shared s JOIN plans p ON p.id = s.plan_id
WHERE p.state NOT IN ('finished', 'aborted') ORDER BY s.jobs DESC, p.id LIMIT :most
""")

# From where it was seen: whoever was faster has the say. What was earned before does not count: no burst after a pause.
# A canary that a person has paused is the same one afterwards; one that has stopped the plan begins anew.
_COMMAND = text("""
WITH moved AS (
    UPDATE plans SET
        state = :to,
        started_at = CASE WHEN :command = 'start' THEN now() ELSE started_at END,
        started_by = CASE WHEN :command = 'start' THEN :actor ELSE started_by END,
        approved_by = CASE WHEN :command = 'go' THEN :actor ELSE approved_by END,
        canary_judged_at = CASE WHEN :command = 'go' THEN coalesce(canary_judged_at, now()) ELSE canary_judged_at END,
        judging_since = CASE WHEN :command = 'start' OR :command = 'resume' AND NOT (:from = 'paused' AND :to = 'canary')
                             THEN clock_timestamp() ELSE judging_since END,
        ended_at = CASE WHEN :command = 'abort' THEN now() END,
        held_up = NULL, held_up_since = NULL, credit = 0, ticked_at = clock_timestamp(), next_tick_at = now()
    WHERE id = :id AND state = :from
    RETURNING id
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT CAST(:audit AS uuid), :actor, 'plan.' || :command, CAST(id AS text), CAST(:detail AS jsonb) FROM moved
)
SELECT id FROM moved
""")

# What is left of a long one cannot be started any more.
_FORGET = text("""
WITH old AS MATERIALIZED (
    SELECT id FROM plans WHERE started_at IS NULL AND created_at < now() - make_interval(secs => :age)
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM plan_items WHERE plan_id = (SELECT id FROM old) AND position IN (
        SELECT position FROM plan_items WHERE plan_id = (SELECT id FROM old) ORDER BY position LIMIT :limit
    ) RETURNING position
), closed AS (
    UPDATE plans p SET state = 'aborted', ended_at = now(), judgement = 'nobody has started it; it is being forgotten'
    FROM old WHERE p.id = old.id AND p.state = 'draft' AND (SELECT count(*) FROM gone) >= :limit
), dropped AS (
    DELETE FROM plans p USING old WHERE p.id = old.id AND (SELECT count(*) FROM gone) < :limit
)
SELECT id FROM old
""")


class PlanStore:
    """Reads plans, steers them, and forgets what nobody has started."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, plan: UUID) -> PlanRecord | None:
        """A plan by its id."""
        rows = await self._database.run(_ONE, {"id": plan})
        return plan_record(rows[0]) if rows else None

    async def plans(self, where: Where, limit: int) -> list[PlanRecord]:
        """Plans that satisfy all conditions, newest first."""
        statement = f"SELECT {_PLAN} FROM plans p WHERE {where} ORDER BY p.id DESC LIMIT :limit"  # noqa: S608 - conditions are constants, values are bound
        rows = await self._database.run(text(statement), {**where.values, "limit": limit})
        return [plan_record(row) for row in rows]

    async def items(self, plan: UUID, where: Where, after: int, limit: int) -> list[ItemRecord]:
        """Items that satisfy all conditions, in the order of the plan, behind a position."""
        statement = f"""
            SELECT {_ITEM} FROM plan_items i WHERE i.plan_id = :plan AND {where} AND i.position > :after
            ORDER BY i.position LIMIT :limit
        """  # noqa: S608 - conditions are constants, values are bound
        given = {**where.values, "plan": plan, "after": after, "limit": limit}
        return [_item(row) for row in await self._database.run(text(statement), given)]

    async def shared(self, plan: UUID, looked: int, most: int) -> list[SharedRecord]:
        """Plans that are not over and are to release some of the jobs that this one is, those with most of them first.

        Args:
            plan: which one; only so many of its jobs, the first, are looked at.
            looked: how many.
            most: how many plans to give.
        """
        given = {"id": plan, "looked": looked, "most": most}
        return [
            SharedRecord(row[0], PlanState(row[1]), *row[2:])
            for row in await self._database.run(_SHARED, given)
        ]

    async def command(
        self, plan: UUID, command: Command, seen: PlanState, to: PlanState, audit: Audit
    ) -> bool:
        """Steer a plan that is as it was seen; False if it is not any more, and then nothing was changed or noted."""
        given = {"id": plan, "command": command.value, "from": seen.value, "to": to.value}
        noted = {"audit": audit.id, "actor": audit.actor, "detail": audit.detail}
        return bool(await self._database.run(_COMMAND, {**given, **noted}))

    async def forget_unstarted(self, age: timedelta, *, looks: int = 10, limit: int = 5_000) -> None:
        """Delete dry runs that nobody has started, in time; the audit log keeps its lines about them.

        Args:
            age: how long they are kept.
            looks: how many statements this takes at most.
            limit: how many items each of them deletes at most.
        """
        for _ in range(looks):
            if not await self._database.run(_FORGET, {"age": age.total_seconds(), "limit": limit}):
                return


def plan_record(row: Any) -> PlanRecord:
    """A plan from a row of `_PLAN`."""
    named: Mapping[str, Any] = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return PlanRecord(
        id=row.id,
        action=Action(row.action),
        filter=row.filter,
        state=PlanState(row.state),
        settings=settings_of(named),
        include_uncertain=row.include_uncertain,
        reason=row.reason,
        created_by=row.created_by,
        started_by=row.started_by,
        approved_by=row.approved_by,
        verdicts=row.verdicts,
        providers=row.providers,
        counts=counts_of(named),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        canary_judged_at=row.canary_judged_at,
        judgement=row.judgement,
        held_up=row.held_up,
        held_up_since=row.held_up_since,
        halted=row.halted,
        now=row.now,
    )


def settings_of(row: Mapping[str, Any]) -> Settings:
    """The settings from a row that has SETTINGS."""
    return Settings(
        row["canary"], row["rate"], row["stop_above"], row["max_in_flight"], wait_for_go=row["wait_for_go"]
    )


def counts_of(row: Mapping[str, Any]) -> Counts:
    """The counts from a row that has COUNTS."""
    return Counts(**{state.value: row[f"{state.value}_items"] for state in ItemState})


def _item(row: Sequence[Any]) -> ItemRecord:
    return ItemRecord(row[0], row[1], ItemState(row[2]), *row[3:11])
