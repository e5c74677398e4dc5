"""The facts that a query gathers for many jobs are those that the rules read from one ledger."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub import Idempotency, Provider
from hub.domain.effects import WINDOW_MARGIN, Certainty, Effect, StepKind, is_covered
from hub.domain.jobs import JobState, Reason
from hub.domain.safety import SAFE, Facts, Trace, Verdict, facts_of, needs_decision, verdict_of
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit, OperationsStore, Reach
from hub.infra.store.safety import UNCERTAIN, SafetyStore, protection

PROVIDERS = {
    "shop": Provider("shop", idempotency=Idempotency("Idempotency-Key", timedelta(hours=24))),
    "http": Provider("http", idempotency=Idempotency("Idempotency-Key", timedelta(0))),
    "post": Provider("post"),
}
# How long ago a step was first sent: near and far from the end of a window, but never so near that a slow run matters.
AGES = [timedelta(0), timedelta(hours=23), timedelta(hours=24), timedelta(days=9)]
STANDINGS: list[tuple[JobState, Reason | None]] = [
    (JobState.FAILED, Reason.EXHAUSTED),
    (JobState.FAILED, Reason.UNCERTAIN),
    (JobState.CANCELLED, Reason.BY_OPERATOR),
    (JobState.RETRYING, None),
    (JobState.SUCCEEDED, None),
    (JobState.HELD, Reason.STEPS_CHANGED),
]
# All there are, and more of those that a provider sees.
KINDS = [*StepKind, StepKind.CALL, StepKind.CALL, StepKind.CALL, StepKind.UNDO]

_JOB = text("""
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, settled_at, ending, undone_at)
VALUES (:id, 'a.b', '{}', 'default', 5, :state, :reason, now(), 'c',
    CASE WHEN :state IN ('failed', 'cancelled', 'succeeded') THEN now() END,
    CASE WHEN :ending THEN CAST('{"state": "failed", "reason": "stopped"}' AS jsonb) END,
    CASE WHEN :undone THEN now() END)
""")
_STEP = text("""
INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, digest, kind,
    first_sent_at)
VALUES (:job, :position, 'a step', :provider, :effect, :certainty, 0, 1, 1, 1, '', :kind, :at)
""")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    await made.run(text("INSERT INTO queues (name) VALUES ('default')"))
    yield made
    await made.close()


async def put(database: Database, rng: Random, now: datetime) -> tuple[UUID, Facts]:
    """Any job with any ledger, and its facts by the rules."""
    job, (state, reason) = uuid4(), rng.choice(STANDINGS)
    ending, undone = rng.choice([(False, False), (True, False), (True, True)])
    values = {"id": job, "state": state, "reason": reason, "ending": ending, "undone": undone}
    await database.run(_JOB, values)
    traces = [await put_step(database, rng, now, job, position) for position in range(rng.randrange(4))]
    return job, facts_of(state, reason, traces, undone=undone, undoing=ending and not undone)


async def put_step(database: Database, rng: Random, now: datetime, job: UUID, position: int) -> Trace:
    kind, provider = rng.choice(KINDS), rng.choice([*PROVIDERS, "shop", "shop", None, "gone"])
    effect, certainty = rng.choice(list(Effect)), rng.choice(list(Certainty))
    at = rng.choice([now - age for age in AGES] + [None])
    values: dict[str, Any] = {"effect": effect, "certainty": certainty, "kind": kind, "provider": provider}
    await database.run(_STEP, {**values, "job": job, "position": position, "at": at})
    known = PROVIDERS.get(provider or "")
    kept_for = known.idempotency.kept_for if known and known.idempotency else None
    return Trace(kind, effect, certainty, is_covered(at, now=now, kept_for=kept_for))


async def test_the_query_and_the_rules_read_every_ledger_alike(database: Database) -> None:
    """Five hundred jobs of every kind of ledger, their facts by one query and one by one."""
    rng = Random(7)
    [(now,)] = await database.run(text("SELECT now()"))
    expected = dict([await put(database, rng, now) for _ in range(500)])
    assert len(set(expected.values())) > 60

    assert await SafetyStore(database, PROVIDERS).facts(list(expected)) == expected


async def test_a_job_that_is_not_there_has_no_facts(database: Database) -> None:
    """Ids that nobody knows are left out."""
    assert await SafetyStore(database, PROVIDERS).facts([uuid4()]) == {}


async def test_the_store_refuses_what_needs_a_decision_and_nothing_else(database: Database) -> None:
    """The statement that retries a job goes by the same rule as what is shown of it beforehand."""
    rng, store = Random(11), OperationsStore(database, PROVIDERS)
    [(now,)] = await database.run(text("SELECT now()"))
    seen = set()
    for _ in range(300):
        job, facts = await put(database, rng, now)
        expected = verdict_of(facts) is not Verdict.INELIGIBLE and not needs_decision(facts)
        audit = Audit(uuid4(), "tests")
        moved = await store.retry(job, Reach(None), audit, decided=False, judged=False)
        assert moved == expected, facts
        seen.add((moved, verdict_of(facts)))
    assert {verdict for moved, verdict in seen if not moved} == {Verdict.INELIGIBLE, Verdict.UNCERTAIN}
    assert {verdict for moved, verdict in seen if moved} >= SAFE


async def test_a_window_that_closes_while_a_statement_runs_does_not_divide_it(database: Database) -> None:
    """Else a retry that was allowed because a key protects could vouch for the effect because it does not."""
    job = uuid4()
    values = {
        "id": job,
        "state": JobState.FAILED,
        "reason": Reason.EXHAUSTED,
        "ending": False,
        "undone": False,
    }
    await database.run(_JOB, values)
    left = timedelta(seconds=0.3)
    [(now,)] = await database.run(text("SELECT clock_timestamp()"))
    at = now - timedelta(hours=24) + WINDOW_MARGIN + left
    step: dict[str, Any] = {"effect": Effect.MONEY, "certainty": Certainty.UNKNOWN, "kind": StepKind.CALL}
    await database.run(_STEP, {**step, "provider": "shop", "job": job, "position": 1, "at": at})
    twice = text(f"""
        WITH first AS MATERIALIZED (SELECT j.id, {UNCERTAIN} AS uncertain FROM jobs j WHERE j.id = :id),
        later AS MATERIALIZED (SELECT f.id, f.uncertain, pg_sleep(:left) FROM first f)
        SELECT l.uncertain, {UNCERTAIN} FROM later l JOIN jobs j ON j.id = l.id
    """)  # noqa: S608 - constants
    given = {"id": job, "left": left.total_seconds(), **protection(PROVIDERS)}
    assert [tuple(row) for row in await database.run(twice, given)] == [(False, False)]
    assert [tuple(row) for row in await database.run(twice, given)] == [(True, True)]
