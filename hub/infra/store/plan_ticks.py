"""The runner's statements: one look at one plan, all of it in one transaction.

Whoever holds the plan's row is its runner for that moment; nobody waits for it. What is released and the note of it are
committed together, so a runner that is killed at any point has either done both or neither.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.plan_decisions import WINDOW, Barrier, Decision, Passed, Sample
from hub.domain.plans import Action, Counts, ItemState, PlanState, Settings
from hub.domain.providers import Provider
from hub.infra.store.database import Database
from hub.infra.store.plan_releases import RELEASES, UPCOMING
from hub.infra.store.plans import COUNTS, SETTINGS, counts_of, settings_of
from hub.infra.store.safety import protection

# Of one look: how many open items have their jobs looked at, and among how many the next ones are looked for.
SWEEP = 2_000
AHEAD = 5_000

_TAKE = text(f"""
SELECT p.id, p.action, p.state, p.include_uncertain, p.providers, p.credit, p.swept_to, p.released_to,
       p.passed_over, p.passed_to,
       statement_timestamp() AS now, extract(epoch FROM statement_timestamp() - p.ticked_at) AS idle, {SETTINGS}, {COUNTS},
       (SELECT count(*) FROM plans d WHERE d.next_tick_at <= clock_timestamp()) AS due
FROM plans p WHERE p.next_tick_at <= clock_timestamp() ORDER BY p.next_tick_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - constants

_NEXT = text("""
SELECT CAST(extract(epoch FROM min(next_tick_at) - clock_timestamp()) AS float8) FROM plans WHERE next_tick_at IS NOT NULL
""")

# A part of what is open, in turns, so that what waits for days does not keep the others from being seen.
# What counts as failing does so from the first failure that uses up budget until its job succeeds. What was retried or
# cancelled again by somebody else has come to an end as far as this plan is concerned.
_COLLECT = text("""
WITH open AS (
    SELECT i.position, i.job_id, i.state, i.generation, i.failures, i.undoing FROM plan_items i
    WHERE i.plan_id = :plan AND i.state = ANY('{released,waiting,retrying}') AND i.position > :after
    ORDER BY i.position LIMIT :limit
), seen AS (
    SELECT o.position, o.state AS before, CASE
            WHEN j.id IS NULL THEN 'failed'
            WHEN j.generation > o.generation THEN 'failed'
            WHEN j.state = 'cancelled' AND :action = 'cancel' THEN 'succeeded'
            WHEN o.undoing AND j.undone_at IS NOT NULL THEN 'succeeded'
            WHEN j.settled_at IS NOT NULL THEN j.state
            WHEN j.failures > o.failures THEN 'retrying'
            WHEN j.ending IS NOT NULL AND NOT o.undoing THEN 'retrying'
            WHEN j.state = 'waiting' THEN 'waiting'
            ELSE 'released'
        END AS state, CASE
            WHEN j.id IS NULL THEN 'the job is gone'
            WHEN j.generation > o.generation THEN 'retried again by somebody else'
            ELSE coalesce(j.error_code, j.reason)
        END AS note
    FROM open o LEFT JOIN jobs j ON j.id = o.job_id
), moved AS (
    UPDATE plan_items i SET
        state = s.state,
        note = CASE WHEN s.state IN ('failed', 'retrying', 'cancelled') THEN s.note
                    WHEN s.state = 'succeeded' THEN NULL ELSE i.note END,
        judged_at = CASE WHEN s.state IN ('released', 'waiting') THEN i.judged_at ELSE coalesce(i.judged_at, clock_timestamp()) END,
        ended_at = CASE WHEN s.state IN ('succeeded', 'failed', 'cancelled') THEN clock_timestamp() END
    FROM seen s WHERE i.plan_id = :plan AND i.position = s.position AND s.state <> s.before
)
SELECT before, state, count(*) AS items, max(position) AS last FROM seen GROUP BY before, state
""")

_RECENT = text("""
SELECT count(*), count(*) FILTER (WHERE state IN ('failed', 'retrying')) FROM (
    SELECT i.state FROM plan_items i JOIN plans p ON p.id = i.plan_id
    WHERE i.plan_id = :plan AND i.judged_at IS NOT NULL AND i.judged_at >= p.judging_since
    ORDER BY i.judged_at DESC LIMIT :window
) latest
""")

# A canary is few jobs, so these are few as well.
_BEFORE = text("""
SELECT count(*), count(*) FILTER (WHERE i.state IN ('failed', 'retrying'))
FROM plan_items i JOIN plans p ON p.id = i.plan_id WHERE i.plan_id = :plan AND i.judged_at < p.judging_since
""")

# A canary that stopped the plan has not let it through: it is judged when it did well, or a person says go.
# Time is counted from look to look: what a look itself takes is earned in as well.
_WRITE = text(f"""
UPDATE plans SET
    state = :state, credit = :credit, swept_to = :swept_to, released_to = :released_to,
    passed_over = CAST(:passed_over AS text[]), passed_to = :passed_to, ticked_at = :looked_at,
    next_tick_at = clock_timestamp() + make_interval(secs => CAST(:again AS float8)),
    judgement = coalesce(:judgement, judgement),
    held_up_since = CASE WHEN CAST(:held_up AS text) IS NULL THEN NULL
                         WHEN held_up IS NULL THEN clock_timestamp() ELSE held_up_since END,
    held_up = :held_up,
    canary_judged_at = CASE WHEN state = 'canary' AND :state NOT IN ('canary', 'stopped') THEN clock_timestamp()
                            ELSE canary_judged_at END,
    ended_at = CASE WHEN :state = 'finished' THEN coalesce(ended_at, clock_timestamp()) ELSE ended_at END,
    {", ".join(f"{state.value}_items = :{state.value}" for state in ItemState)}
WHERE id = :plan
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Taken:
    """A plan whose row is held.

    Attributes:
        now: by the database's clock, when it was taken.
        idle: since it was looked at last.
        swept_to: the position of the last open item that was looked at then.
        passed: how far the list was gone through.
        alone: no other plan is due to be looked at.
    """

    id: UUID
    action: Action
    state: PlanState
    settings: Settings
    counts: Counts
    include_uncertain: bool
    providers: tuple[str, ...]
    credit: float
    now: datetime
    idle: timedelta
    swept_to: int
    passed: Passed
    alone: bool


@dataclass(frozen=True, slots=True)
class Swept:
    """What a look at open items has changed.

    Attributes:
        to: the position of the last one, 0 if it was the last of all.
    """

    counts: Counts
    to: int


class Turn:
    """One look at one plan.

    Attributes:
        more: there is more to look through for what may be released, so that it is to be looked again at once.
    """

    def __init__(self, connection: AsyncConnection, plan: Taken, protection: Mapping[str, Any]) -> None:
        self._connection = connection
        self._protection = protection
        self.plan = plan
        self.more = False
        self._passed = plan.passed

    async def collect(self) -> Swept:
        """Note what became of open items."""
        plan, counts = self.plan, self.plan.counts
        if not counts.open:
            return Swept(counts, 0)
        given = {"plan": plan.id, "after": plan.swept_to, "limit": SWEEP, "action": plan.action.value}
        rows = (await self._connection.execute(_COLLECT, given)).all()
        seen = sum(row.items for row in rows)
        for row in rows:
            counts = moved(counts, row.before, row.state, row.items)
        return Swept(counts, max(row.last for row in rows) if seen == SWEEP else 0)

    async def recent(self) -> Sample:
        """The latest outcomes."""
        given = {"plan": self.plan.id, "window": WINDOW}
        [row] = (await self._connection.execute(_RECENT, given)).all()
        return Sample(*row)

    async def before(self) -> Sample:
        """All outcomes from before it was started or resumed last."""
        [row] = (await self._connection.execute(_BEFORE, {"plan": self.plan.id})).all()
        return Sample(*row)

    async def release(self, limit: int, counts: Counts, barrier: Barrier) -> Counts:
        """Release those that ask, and the next that nothing keeps back; gives what the counts are then."""
        plan, blocked = self.plan, barrier.providers
        start = self._passed.without(blocked)
        given = {"plan": plan.id, "from": start, "to": start + AHEAD, "limit": limit}
        given |= {"ask": sorted(barrier.ask), "blocked": sorted(blocked)}
        chosen = (await self._connection.execute(UPCOMING, given)).all()
        upcoming = [item.position for item in chosen if not item.asks]
        if left := limit - len(chosen) + len(upcoming):
            self._passed, self.more = self._passed.after(
                upcoming, blocked, limit=left, ahead=AHEAD, places=counts.found
            )
        return await self._let_go([item.position for item in chosen], counts)

    async def _let_go(self, positions: Sequence[int], counts: Counts) -> Counts:
        plan = self.plan
        if not positions:
            return counts
        given = {
            "plan": plan.id,
            "positions": positions,
            "decided": plan.include_uncertain,
            **self._protection,
        }
        for row in (await self._connection.execute(RELEASES[plan.action], given)).all():
            counts = moved(counts, ItemState.PENDING, row.state, row.items)
        return counts

    async def write(self, decision: Decision, counts: Counts, swept_to: int) -> None:
        """Note what was decided, and when to look again."""
        given = {
            "plan": self.plan.id,
            "state": decision.state.value,
            "credit": decision.credit,
            "swept_to": swept_to,
            "released_to": self._passed.released_to,
            "passed_over": sorted(self._passed.over),
            "passed_to": self._passed.to,
            "looked_at": self.plan.now,
            "again": None if decision.again is None else decision.again.total_seconds(),
            "judgement": decision.judgement,
            "held_up": decision.held_up,
            **{state.value: getattr(counts, state.value) for state in ItemState},
        }
        await self._connection.execute(_WRITE, given)


class PlanTickStore:
    """Hands out turns.

    Args:
        database: the pool.
        providers: whose keys make repeats harmless, and for how long.
    """

    def __init__(self, database: Database, providers: Mapping[str, Provider]) -> None:
        self._database = database
        self._protection = protection(providers)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn | None]:
        """The plan that has waited longest for a look, for this caller alone until the end; None if none is due."""
        async with self._database.transaction() as connection:
            row = (await connection.execute(_TAKE)).one_or_none()
            yield Turn(connection, _taken(row), self._protection) if row else None

    async def until_next(self) -> float | None:
        """Seconds until a plan is due to be looked at; None if none will be."""
        [(seconds,)] = await self._database.run(_NEXT)
        return None if seconds is None else max(0.0, seconds)


def moved(counts: Counts, before: str, after: str, items: int) -> Counts:
    """The counts when so many items have gone from one state to another."""
    if before == after:
        return counts
    known = {state.value: getattr(counts, state.value) for state in ItemState}
    known[before] -= items
    known[after] += items
    return Counts(**known)


def _taken(row: Any) -> Taken:
    named = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Taken(
        id=row.id,
        action=Action(row.action),
        state=PlanState(row.state),
        settings=settings_of(named),
        counts=counts_of(named),
        include_uncertain=row.include_uncertain,
        providers=tuple(row.providers),
        credit=row.credit,
        now=row.now,
        idle=timedelta(seconds=float(row.idle or 0)),
        swept_to=row.swept_to,
        passed=Passed(row.released_to, frozenset(row.passed_over), row.passed_to),
        alone=row.due <= 1,
    )
