"""The dry run: which jobs a filter finds, what a plan makes of each, and how each was seen, written down.

Jobs are gone through in pages, oldest first, in one transaction that locks no job and leaves nothing behind if it does not
come to its end. A job that changes meanwhile is as one that changes afterwards: it is not touched. What a plan makes of a job
is decided by a pure rule, once for all jobs whose facts are equal: a page is written with the rulings that are known, and
what was met for the first time is filled in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.errors import Invalid
from hub.domain.plan_rulings import Ruling
from hub.domain.plans import MAX_ITEMS, Action, ItemState, Settings
from hub.domain.providers import Provider
from hub.domain.safety import Facts
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit
from hub.infra.store.reading import Where
from hub.infra.store.safety import COLUMNS, facts_from, protection, read_facts

Rule = Callable[[Facts, bool], tuple[Ruling, bool]]
"""From the facts, and whether something is recorded to undo it, to a ruling and whether the job is part of the plan."""

# The first page shows what is met most; the others are as large as a statement stays short.
_FIRST_PAGE = 500
_PAGE = 20_000
_SAMPLES = 5
_NOBODY = UUID(int=0)


# Not EXISTS, which the planner answers for many jobs by reading all steps there are.
_UNDOABLE = """
    (SELECT count(*) FROM steps s WHERE s.job_id = j.id AND s.kind = 'undo' AND s.certainty <> 'confirmed') > 0
"""
# A page is some thousands of look-ups by id. The planner would rather read all jobs there are, page after page.
_BY_INDEX = text("SET LOCAL enable_seqscan = off")


def _page(where: Where, action: Action) -> TextClause:
    undoable = "false" if action is Action.RETRY else _UNDOABLE
    # Its own parameters begin with `p_`, so that those of the conditions may be called anything else.
    return text(f"""
WITH wanted AS MATERIALIZED (
    SELECT j.id, j.state, j.reason, j.undone_at, j.ending, j.generation, j.attempt, j.error_signature FROM jobs j
    WHERE {where} AND j.id > CAST(:p_after_job AS uuid) ORDER BY j.id LIMIT :p_page
), facts AS MATERIALIZED ({facts_from("wanted")}), found AS MATERIALIZED (
    SELECT j.id, f.state, j.generation, j.attempt, nullif(g.provider, '') AS provider,
           CAST(:p_last AS int) + row_number() OVER (ORDER BY j.id) AS position,
           CAST(jsonb_build_array({_qualified(COLUMNS)}, {undoable}) AS text) AS alike
    FROM facts f JOIN wanted j ON j.id = f.id LEFT JOIN error_groups g ON g.signature = j.error_signature
), known AS (
    SELECT * FROM unnest(CAST(:p_alike AS text[]), CAST(:p_verdict AS text[]), CAST(:p_state AS text[])) AS k(alike, verdict, state)
), written AS (
    INSERT INTO plan_items (plan_id, position, job_id, state, verdict, seen, generation, attempt, provider)
    SELECT CAST(:p_plan AS uuid), f.position, f.id, coalesce(k.state, 'excluded'), coalesce(k.verdict, f.alike), f.state,
           f.generation, f.attempt, f.provider
    FROM found f LEFT JOIN known k ON k.alike = f.alike
)
SELECT alike, provider, count(*) AS jobs, (array_agg(id))[1:{_SAMPLES}] AS samples,
       (SELECT id FROM found ORDER BY position DESC LIMIT 1) AS last_job
FROM found GROUP BY alike, provider
""")  # noqa: S608 - the parts are constants, and conditions whose values are bound


def _qualified(columns: str) -> str:
    return ", ".join(f"f.{column.strip()}" for column in columns.split(","))


# What was met for the first time stands there under what it is made of.
_FILL_IN = text("""
UPDATE plan_items i SET verdict = k.verdict, state = k.state
FROM unnest(CAST(:p_alike AS text[]), CAST(:p_verdict AS text[]), CAST(:p_state AS text[])) AS k(alike, verdict, state)
WHERE i.plan_id = :p_plan AND i.position > :p_last AND i.state = 'excluded' AND i.verdict = k.alike
""")

_KEEP = text("""
WITH made AS (
    INSERT INTO plans (id, action, filter, state, canary, rate, stop_above, max_in_flight, wait_for_go, include_uncertain,
                       reason, created_by, verdicts, providers, pending_items, excluded_items)
    VALUES (:id, :action, :filter, 'draft', :canary, :rate, :stop_above, :max_in_flight, :wait_for_go, :include_uncertain,
            :reason, :actor, CAST(:verdicts AS jsonb), CAST(:providers AS text[]), :pending, :excluded)
    RETURNING id
)
INSERT INTO audit_log (id, actor, action, subject, detail)
SELECT CAST(:audit AS uuid), :actor, 'plan.create', CAST(id AS text), CAST(:detail AS jsonb) FROM made
""")


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan to be made.

    Attributes:
        filter: in the search language, to be shown; `where` is what it means.
        include_uncertain: a person answers for the effects that may exist.
    """

    id: UUID
    action: Action
    filter: str
    where: Where
    settings: Settings
    include_uncertain: bool
    reason: str | None


@dataclass(slots=True)
class _Pile:
    """Jobs that are alike."""

    ruling: Ruling
    included: bool
    jobs: int = 0
    samples: list[UUID] = field(default_factory=list)

    @property
    def state(self) -> ItemState:
        return ItemState.PENDING if self.included else ItemState.EXCLUDED


class PlanSnapshots:
    """Makes plans.

    Args:
        database: the pool.
        providers: whose keys protect, and for how long.
        most: how many jobs one plan may be made of.
    """

    def __init__(
        self, database: Database, providers: Mapping[str, Provider], *, most: int = MAX_ITEMS
    ) -> None:
        self._database = database
        self._protection = protection(providers)
        self._most = most

    async def take(self, draft: Draft, rule: Rule, audit: Audit) -> None:
        """Write a draft with everything that its filter finds now, and the line in the audit log.

        Raises:
            Invalid: it finds more jobs than a plan may have.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_BY_INDEX)
            piles, providers = await self._write_items(connection, draft, rule)
            await connection.execute(_KEEP, _plan_of(draft, piles, providers, audit))

    async def _write_items(
        self, connection: AsyncConnection, draft: Draft, rule: Rule
    ) -> tuple[list[_Pile], set[str]]:
        statement, piles, providers = _page(draft.where, draft.action), dict[str, _Pile](), set[str]()
        last, after_job, page = 0, _NOBODY, _FIRST_PAGE
        while True:
            given = {
                "p_plan": draft.id,
                "p_last": last,
                "p_after_job": after_job,
                "p_page": page,
                **_known(piles),
            }
            rows = (
                await connection.execute(statement, {**draft.where.values, **self._protection, **given})
            ).all()
            new = {row.alike: _met(row.alike, rule) for row in rows if row.alike not in piles}
            piles |= new
            if new:
                await connection.execute(_FILL_IN, {"p_plan": draft.id, "p_last": last, **_known(new)})
            for row in rows:
                _count(piles[row.alike], row)
                if row.provider and piles[row.alike].included:
                    providers.add(row.provider)
            found = sum(row.jobs for row in rows)
            last += found
            if last > self._most:
                raise _too_many(self._most)
            if found < page:
                return [*piles.values()], providers
            after_job, page = rows[0].last_job, _PAGE


def _met(alike: str, rule: Rule) -> _Pile:
    *facts, undoable = orjson.loads(alike)
    ruling, included = rule(read_facts(facts), undoable)
    return _Pile(ruling, included)


def _count(pile: _Pile, row: Any) -> None:
    pile.jobs += row.jobs
    pile.samples += row.samples[: _SAMPLES - len(pile.samples)]


def _known(piles: Mapping[str, _Pile]) -> dict[str, list[str]]:
    return {
        "p_alike": [*piles],
        "p_verdict": [pile.ruling.verdict for pile in piles.values()],
        "p_state": [pile.state.value for pile in piles.values()],
    }


def _plan_of(draft: Draft, piles: Sequence[_Pile], providers: set[str], audit: Audit) -> dict[str, Any]:
    settings, included = draft.settings, sum(pile.jobs for pile in piles if pile.included)
    return {
        "id": draft.id,
        "action": draft.action.value,
        "filter": draft.filter,
        "canary": settings.canary,
        "rate": settings.rate,
        "stop_above": settings.stop_above,
        "max_in_flight": settings.max_in_flight,
        "wait_for_go": settings.wait_for_go,
        "include_uncertain": draft.include_uncertain,
        "reason": draft.reason,
        "verdicts": orjson.dumps(_verdicts(piles)).decode(),
        "providers": sorted(providers),
        "pending": included,
        "excluded": sum(pile.jobs for pile in piles) - included,
        "audit": audit.id,
        "actor": audit.actor,
        "detail": audit.detail,
    }


def _verdicts(piles: Sequence[_Pile]) -> list[dict[str, Any]]:
    """What a person tells apart: jobs whose facts differ and whose verdict reads the same are one."""
    merged: dict[tuple[Ruling, bool], _Pile] = {}
    for pile in piles:
        one = merged.setdefault((pile.ruling, pile.included), _Pile(pile.ruling, pile.included))
        one.jobs += pile.jobs
        one.samples = sorted([*one.samples, *pile.samples])[:_SAMPLES]
    return [
        {
            "kind": one.ruling.kind.value,
            "verdict": one.ruling.verdict,
            "text": one.ruling.text,
            "included": one.included,
            "jobs": one.jobs,
            "samples": [str(job) for job in one.samples],
        }
        for one in sorted(merged.values(), key=lambda one: (-one.included, -one.jobs))
    ]


def _too_many(most: int) -> Invalid:
    message = f"this finds more than {most:,} jobs, and a plan has no more than that: narrow it down, by a time perhaps"
    return Invalid(message, code="plan_too_large")
