"""Every named query finds its rows by its index, among fifty thousand jobs that are done and must not cost anything."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import TextClause, text

from hub.domain.access import Principal, Scope
from hub.domain.causes import Cause
from hub.domain.effects import Certainty, Effect, Step
from hub.domain.ids import ApplicationId, KeyId
from hub.domain.jobs import Failure, JobState, OutcomeKind, Reason, Transition
from hub.domain.sessions import LoginKind, SessionLimits
from hub.infra.queue import Ready
from hub.infra.store.alarms import AlarmStore
from hub.infra.store.database import Database
from hub.infra.store.depths import DepthStore
from hub.infra.store.execution import ExecutionStore
from hub.infra.store.finding import FindingStore
from hub.infra.store.fleet import FleetStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.intake import IntakeStore, NewEvent, NewJob, NewSubmission
from hub.infra.store.logins import LoginStore, NewSession
from hub.infra.store.plans import PlanStore
from hub.infra.store.reading import ReadingStore, Where
from hub.infra.store.relay import RelayStore
from hub.infra.store.safety import SafetyStore
from hub.infra.store.settlements import Settlement
from hub.infra.store.steps import StepRecord, StepStore
from hub.infra.store.timeline import Span, TimelineStore
from hub.infra.store.waits import Wait, WaitStore
from hub.infra.store.why import WhyStore
from hub.registry import Registry
from hub.services.filters import EventFilter, JobFilter
from hub.services.finding import Find
from hub.services.inspect import Inspect

MANY = 50_000
APPLICATION, EVENT, WORKER = UUID(int=1), UUID(int=2), UUID(int=3)
JOB = UUID(int=4)

# Uninteresting history, and a little of everything that is still open.
FILL = f"""
INSERT INTO applications (id, name) VALUES ('{APPLICATION}', 'one');
INSERT INTO queues (name, paused_at) VALUES ('default', NULL), ('paused', now());
INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
    VALUES ('{WORKER}', 'h', 1, '1', '{{}}', 1, now() + interval '1 minute');
INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id, subject)
    SELECT CASE n WHEN 1 THEN '{EVENT}' ELSE gen_random_uuid() END, 's', n::text,
        CASE WHEN n % 100 = 0 THEN 'rare' ELSE 't' END, '{{}}', 0, n::text, n::text
    FROM generate_series(1, {MANY // 10}) n;
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, event_id, correlation_id, tags,
                  dispatched_at, worker_id, started_at, settled_at, error_signature)
    SELECT CASE n WHEN 4 THEN '{JOB}' ELSE gen_random_uuid() END, 'a.b', '{{}}',
        CASE WHEN n % 2 = 0 AND state IN ('queued', 'held') THEN 'paused' ELSE 'default' END, 5, state,
        CASE state WHEN 'held' THEN 'queue_paused' WHEN 'failed' THEN 'exhausted' END, now() - n * interval '1 second',
        CASE WHEN n % 1000 = 0 THEN '{APPLICATION}'::uuid END, CASE WHEN n % 5000 = 0 THEN '{EVENT}'::uuid END, n::text,
        CASE WHEN n % 1000 = 0 THEN '["rare"]' ELSE '[]' END::jsonb,
        CASE WHEN state = 'queued' AND n % 3 = 0 THEN now() - interval '1 minute' END,
        CASE WHEN state = 'running' THEN '{WORKER}'::uuid END, now(),
        CASE WHEN state IN ('succeeded', 'failed') THEN now() END,
        CASE WHEN state = 'failed' THEN CASE WHEN n % 7 = 0 THEN 'rare' ELSE 'common' END END
    FROM (SELECT n, CASE WHEN n % 100 < 94 THEN 'succeeded' ELSE
        (ARRAY['queued', 'scheduled', 'running', 'held', 'failed', 'retrying'])[n % 100 - 93] END AS state
        FROM generate_series(1, {MANY}) n) made;
INSERT INTO idempotency_keys (application_id, key, fingerprint, job_id)
    SELECT '{APPLICATION}', n::text, '', gen_random_uuid() FROM generate_series(1, {MANY // 10}) n;
INSERT INTO steps (job_id, position, name, effect, certainty, serial, generation, attempt, sends, digest)
    SELECT id, 1, 's', 'read', 'confirmed', 0, 1, 1, 1, '' FROM jobs LIMIT {MANY // 10};
INSERT INTO waits (job_id, position, source, subject, types, since, consumed)
    SELECT id, 1, 's', correlation_id, '{{t}}', now(), '{{}}' FROM jobs LIMIT {MANY // 10};
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, attempts, lost, first_seen_at,
                          last_seen_at, example_id)
    SELECT CASE n WHEN 1 THEN 'rare' WHEN 2 THEN 'common' ELSE n::text END, 'a.b', '', '', '', '', '', '', 1, 1, now(),
        now(), '{JOB}' FROM generate_series(1, 300) n;
INSERT INTO error_hours (signature, hour, attempts, lost)
    SELECT signature, date_trunc('hour', now()) - n * interval '1 hour', 1, 1
    FROM error_groups, generate_series(1, 100) n;
INSERT INTO plan_items (plan_id, position, job_id, state, verdict, seen, attempt, generation)
    SELECT md5((n % 10)::text)::uuid, n, gen_random_uuid(), 'pending', '', 'failed', 1, 1
    FROM generate_series(1, {MANY // 5}) n;
INSERT INTO operators (id, email, name, role)
    SELECT md5(n::text)::uuid, n::text, '', 'viewer' FROM generate_series(1, 500) n;
INSERT INTO devices (digest, operator_id)
    SELECT sha256(n::text::bytea), md5((n % 500 + 1)::text)::uuid FROM generate_series(1, {MANY // 5}) n;
INSERT INTO sessions (id, digest, operator_id, kind, user_agent, expires_at)
    SELECT gen_random_uuid(), digest, operator_id, 'password', '', now() FROM devices;
-- One subject of which more is told than of all others together.
INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id, subject, received_at)
    SELECT gen_random_uuid(), 's', 'busy' || n, 't', '{{}}', 0, 'busy', 'busy', now() - n * interval '1 minute'
    FROM generate_series(1, {MANY // 2}) n;
INSERT INTO waits (job_id, position, source, subject, types, since, consumed)
    VALUES ('{JOB}', 2, 's', 'busy', '{{t}}', now(), '{{}}');
ANALYZE;
"""  # noqa: S608 - constants


class Explaining(Database):
    """Plans every statement and runs none."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.plans: list[dict[str, Any]] = []

    async def run(self, statement: TextClause, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        [[plan]] = await super().run(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), parameters)
        self.plans.append((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
        return []


@pytest.fixture(scope="module")
def filled_url(template_url: str) -> Iterator[str]:
    """One database for all: nothing here changes it."""
    name = f"plans_{uuid4().hex}"
    url = template_url.replace("/hub?", f"/{name}?")

    async def make() -> None:
        connection = await asyncpg.connect(template_url)
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template_hub STRATEGY FILE_COPY")
        await connection.close()
        connection = await asyncpg.connect(url)
        await connection.execute(FILL)
        await connection.close()

    async def drop() -> None:
        connection = await asyncpg.connect(template_url)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()

    asyncio.run(make())
    yield url
    asyncio.run(drop())


@pytest.fixture
async def explaining(filled_url: str) -> AsyncIterator[Explaining]:
    database = Explaining(filled_url)
    yield database
    await database.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


Query = Callable[[Explaining], Awaitable[Any]]


def listing(**wanted: Any) -> Query:
    async def ask(explaining: Explaining) -> None:
        inspect = Inspect(ReadingStore(explaining), Find(FindingStore(explaining)), Registry.of())
        principal = Principal(
            ApplicationId(APPLICATION), "one", KeyId(uuid4()), frozenset(wanted.pop("scopes", {Scope.ADMIN}))
        )
        await inspect.list_jobs(principal, JobFilter(**wanted))

    return ask


def events(**wanted: Any) -> Query:
    async def ask(explaining: Explaining) -> None:
        inspect = Inspect(ReadingStore(explaining), Find(FindingStore(explaining)), Registry.of())
        await inspect.list_events(EventFilter(**wanted))

    return ask


def executing(do: Callable[[ExecutionStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(ExecutionStore(explaining, WORKER))


def recording(do: Callable[[StepStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(StepStore(explaining, WORKER))


def waiting(do: Callable[[WaitStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(WaitStore(explaining))


def inbox(do: Callable[[InboxStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(InboxStore(explaining))


def telling(do: Callable[[TimelineStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(TimelineStore(explaining))


def relaying(do: Callable[[RelayStore], Awaitable[Any]]) -> Query:
    return lambda explaining: do(RelayStore(explaining))


STEP = StepRecord(
    JOB, 1, Step(1, "s", Effect.WRITE, Certainty.UNKNOWN, 0, 1, None, b""), "p", "k", sending=True
)
DONE = Settlement(JOB, 1, Transition(JobState.SUCCEEDED, 0, 0, OutcomeKind.SUCCEEDED), None)
FAILED = Settlement(
    JOB,
    1,
    Transition(
        JobState.FAILED,
        1,
        0,
        OutcomeKind.FAILED,
        reason=Reason.STOPPED,
        failure=Failure.of(Cause.of("a.b", "Fail", "c", "m"), "m"),
    ),
    None,
)
WAIT = Wait(1, "s", ("t",), "7", None, ())
BUSY = Wait(2, "s", ("t",), "busy", None, ())
SPAN = Span(None, 100, newest_first=True)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)
LOG_IN = NewSession(uuid4(), b"a" * 32, b"b" * 32, LoginKind.OIDC, "", uuid4(), b"c" * 32, b"d" * 32)
READY = Ready(JOB, 1, "default", 5, datetime(2026, 1, 1, tzinfo=UTC))


async def find_event(explaining: Explaining) -> None:
    store = IntakeStore(explaining)
    event = NewEvent(uuid4(), "s", "7", "t", b"", "{}", 0, "c", None, ())
    with suppress(KeyError):  # nothing was run, so nothing is found
        await store.store_events([event])


async def find_key(explaining: Explaining) -> None:
    store = IntakeStore(explaining)
    with suppress(KeyError):
        await store.store_submissions(
            [NewSubmission(NewJob(uuid4(), "a.b", "{}", "default", 5, "c"), APPLICATION, "7", b"")]
        )


async def next_due(store: RelayStore) -> None:
    with suppress(ValueError):
        await store.until_next_due()


async def hold(explaining: Explaining) -> None:
    class Paused(Explaining):
        async def run(
            self, statement: TextClause, parameters: Mapping[str, Any] | None = None
        ) -> Sequence[Any]:
            await super().run(statement, parameters)
            return [("paused",)]

    explaining.__class__ = Paused
    await RelayStore(explaining).hold_paused(1000)
    del explaining.plans[0]  # the one that asks what is paused


# A worker's running jobs are as few as the batch's own: either way is bounded.
BY_JOB_OR_WORKER = "jobs_pkey or jobs_relay_rescue"

CASES: dict[str, tuple[Query, str]] = {
    "promote": (relaying(lambda store: store.promote_due(1000)), "jobs_relay_due"),
    "next due": (relaying(next_due), "jobs_relay_due"),
    "backlog": (relaying(lambda store: store.backlog()), "jobs_relay_refill"),
    "refill": (relaying(lambda store: store.refill("default", 100)), "jobs_relay_refill"),
    "sweep": (
        relaying(lambda store: store.handed_long_ago(timedelta(seconds=2), 1000)),
        "jobs_relay_sweep",
    ),
    "take back": (relaying(lambda store: store.take_back([READY])), "jobs_pkey"),
    "rescue": (relaying(lambda store: store.abandoned(1000)), "jobs_relay_rescue"),
    "hold": (hold, "jobs_relay_refill"),
    "release": (relaying(lambda store: store.release_held(1000)), "jobs_held"),
    "take held": (relaying(lambda store: store.take_held(WORKER, ["default"], ["a.b"], 100, 4)), "jobs_held"),
    "claim": (executing(lambda store: store.claim([(JOB, 1)] * 10, ["a.b"])), "jobs_pkey"),
    "running": (executing(lambda store: store.running()), "jobs_relay_rescue"),
    "settle": (executing(lambda store: store.settle([DONE] * 10)), BY_JOB_OR_WORKER),
    "settle failures": (executing(lambda store: store.settle([FAILED] * 10)), BY_JOB_OR_WORKER),
    "error groups": (
        inbox(lambda store: store.groups(Where(), "last_seen_at DESC, signature", 50, hours=24)),
        "jobs_failed_by_cause",
    ),
    "an error group": (inbox(lambda store: store.group("rare", hours=48)), "jobs_list_by_error"),
    "an error group's hours": (inbox(lambda store: store.group("rare", hours=48)), "error_hours_pkey"),
    "adopt failures": (inbox(lambda store: store.adopt(1000)), "jobs_failed_by_cause"),
    "forget hours": (inbox(lambda store: store.forget(1000)), "error_hours_prune"),
    "forget groups": (inbox(lambda store: store.forget(1000)), "jobs_failed_by_cause"),
    "record steps": (recording(lambda store: store.record([STEP] * 10)), BY_JOB_OR_WORKER),
    "what is due later": (lambda explaining: DepthStore(explaining).later(), "jobs_relay_due"),
    "how much is held": (lambda explaining: DepthStore(explaining).held(), "jobs_held"),
    "uncertain payments": (lambda explaining: AlarmStore(explaining).payments(), "jobs_uncertain_payments"),
    "what waits for providers": (lambda explaining: FleetStore(explaining).parked(), "jobs_relay_due"),
    "what a provider's return lets go": (
        lambda explaining: FleetStore(explaining).bring_forward("p", timedelta(seconds=1)),
        "jobs_relay_due",
    ),
    "forget dry runs": (
        lambda explaining: PlanStore(explaining).forget_unstarted(timedelta(days=7)),
        "plan_items_pkey",
    ),
    "who shares a plan's jobs": (
        lambda explaining: PlanStore(explaining).shared(JOB, 1000, 3),
        "plan_items_by_job",
    ),
    "what workers run": (lambda explaining: FleetStore(explaining).workers(), "jobs_relay_rescue"),
    "how much is due": (lambda explaining: DepthStore(explaining).due(), "jobs_relay_refill"),
    "how much is in a queue": (lambda explaining: ReadingStore(explaining).depths("default"), "jobs_held"),
    "why a job waits": (lambda explaining: WhyStore(explaining).of(JOB, None), "jobs_relay_refill"),
    "whether a retry is safe": (lambda explaining: SafetyStore(explaining, {}).facts([JOB]), "steps_pkey"),
    "a job's story": (telling(lambda store: store.job(JOB, None)), "jobs_pkey"),
    "all of a correlation": (telling(lambda store: store.correlated("77", None)), "jobs_list_by_correlation"),
    "all of a business key": (telling(lambda store: store.tagged("rare", None)), "jobs_list_by_tag"),
    "all about a subject": (telling(lambda store: store.about("7", ["s"], None)), "events_waited_for"),
    "a job's steps in time": (telling(lambda store: store.steps([JOB], SPAN)), "steps_pkey"),
    "events about a subject": (
        telling(lambda store: store.events_about("7", ["s"], SPAN)),
        "events_waited_for",
    ),
    "events of a correlation": (
        telling(lambda store: store.events_of("77", SPAN)),
        "events_list_by_correlation",
    ),
    "a log-in's browsers": (
        lambda explaining: LoginStore(explaining, SessionLimits()).begin_by_identity(JOB, LOG_IN),
        "devices_of_operator",
    ),
    "load steps": (recording(lambda store: store.load(JOB)), "steps_pkey"),
    "what was heard": (waiting(lambda store: store.heard(JOB, WAIT, UNTIL)), "events_waited_for"),
    "whom an event wakes": (waiting(lambda store: store.wake_by([EVENT], [], 1000)), "waits_woken_by"),
    "what wakes a job": (waiting(lambda store: store.wake([JOB], [], 1000)), "events_waited_for"),
    "duplicate events": (find_event, "events_source_external_id_key"),
    "duplicate keys": (find_key, "idempotency_keys_pkey"),
    "list an application's": (listing(scopes={Scope.JOBS_READ}), "jobs_list_by_application"),
    "list by correlation": (listing(correlation_id="77"), "jobs_list_by_correlation"),
    "list by error": (listing(signature="rare"), "jobs_list_by_error"),
    "list events by correlation": (events(correlation_id="77"), "events_list_by_correlation"),
    "list events by type": (events(type="rare"), "events_list_by_type"),
    "list by event": (listing(event_id=EVENT), "jobs_list_by_event"),
    "list by tag": (listing(tag="rare"), "jobs_list_by_tag"),
    "list failed": (listing(states=(JobState.FAILED,)), "jobs_failed"),
    "list all": (listing(), "jobs_pkey"),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_query_uses_its_index(explaining: Explaining, name: str) -> None:
    """And reads no table of size from its beginning to its end."""
    ask, index = CASES[name]
    await ask(explaining)
    seen = [node for plan in explaining.plans for node in nodes(plan)]
    assert set(index.split(" or ")) & {node.get("Index Name") for node in seen}
    scanned = {node["Relation Name"] for node in seen if node["Node Type"] == "Seq Scan"}
    assert not scanned & {
        "jobs",
        "events",
        "steps",
        "idempotency_keys",
        "error_hours",
        "plan_items",
        "devices",
        "sessions",
    }


@pytest.mark.parametrize("name", ["what waits for providers", "what a provider's return lets go"])
async def test_the_first_that_are_due_are_read_without_sorting(explaining: Explaining, name: str) -> None:
    """A million may be scheduled for one moment: to put them in order, all would be read."""
    ask, _ = CASES[name]
    await ask(explaining)
    limits = [node for plan in explaining.plans for node in nodes(plan) if node["Node Type"] == "Limit"]
    assert [child["Node Type"] for limit in limits for child in limit["Plans"]] == ["Index Scan"]


@pytest.mark.parametrize(
    "ask",
    [
        waiting(lambda store: store.heard(JOB, BUSY, UNTIL)),
        waiting(lambda store: store.wake([JOB], [], 1000)),
    ],
    ids=["what was heard", "what wakes a job"],
)
async def test_a_wait_passes_over_the_history_of_its_subject(explaining: Explaining, ask: Query) -> None:
    """Since when is looked up in the index, and not read from event after event of a subject with many."""
    await ask(explaining)
    [look] = [
        node
        for plan in explaining.plans
        for node in nodes(plan)
        if node.get("Index Name") == "events_waited_for"
    ]
    assert all(column in look["Index Cond"] for column in ("source", "subject", "received_at"))
