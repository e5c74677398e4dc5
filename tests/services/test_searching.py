"""What a search finds, in a database of its own."""

import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from hub.domain.search import EVENTS, JOBS, Language, parse
from hub.infra.store.database import Database
from hub.services.searching import first_id, where_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVENT = UUID(int=first_id(NOW, early=True).int + 100)
PARENT = UUID(int=8)
HEX = "4bf92f3577b34da6a3ce929d0e0e4736"

_JOB = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, event_id, parent_id, correlation_id,
                  tags, attempt, failures, error_code, error_message, error_signature, settled_at, created_at)
SELECT CAST(d->>'id' AS uuid), d->>'name', '{}', d->>'queue', CAST(d->>'priority' AS int), d->>'state', d->>'reason', now(),
       (SELECT id FROM applications WHERE name = d->>'application'), CAST(d->>'event' AS uuid), CAST(d->>'parent' AS uuid),
       d->>'correlation', d->'tags', CAST(d->>'attempt' AS int), CAST(d->>'failures' AS int), d->>'code', d->>'message',
       d->>'signature', CASE WHEN d->>'state' IN ('succeeded', 'failed', 'cancelled') THEN now() END,
       CAST(d->>'created' AS timestamptz)
FROM (SELECT CAST($1 AS jsonb) AS d) given
"""
_PLAIN: dict[str, Any] = {
    "name": "mail.send",
    "queue": "default",
    "priority": 5,
    "state": "succeeded",
    "tags": [],
    "attempt": 1,
    "failures": 0,
}
_DIFFERENT: dict[str, dict[str, Any]] = {
    "plain": {},
    "declined": {
        "name": "payments.charge", "queue": "payments", "priority": 9, "state": "failed", "reason": "declined",
        "code": "card_declined", "message": "Your card was declined.", "signature": "sig-stripe",
        "tags": ["order:1234", "vip"], "attempt": 3, "failures": 2, "application": "shop",
    },
    "timed out": {
        "name": "payments.refund", "queue": "payments", "state": "failed", "reason": "uncertain", "code": "timeout",
        "message": "no answer within 100% of 10_s", "signature": "sig-mail", "tags": ["order:1235"], "application": "till",
    },
    "held": {"state": "held", "reason": "unknown_job", "name": "pay_ments", "tags": [f"order:{HEX}", HEX]},
    "of an event": {"event": str(EVENT), "correlation": "checkout-1"},
    "a child": {"parent": str(PARENT), "correlation": HEX},
    "old": {"created": NOW - timedelta(days=3)},
}  # fmt: skip

_GROUPS = """
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, attempts, lost, first_seen_at,
                          last_seen_at, example_id)
VALUES ('sig-stripe', 'payments.charge', 's', 'stripe', 'stripe.charge', 'k', 'c', 'm', 1, 1, now(), now(), gen_random_uuid()),
       ('sig-mail', 'payments.refund', 's', 'sendgrid', 'sendgrid.send', 'k', 'c', 'm', 1, 1, now(), now(), gen_random_uuid()),
       ('sig-own', 'payments.refund', 's', '', '', 'k', 'c', 'm', 1, 1, now(), now(), gen_random_uuid())
"""


@pytest.fixture
async def found(database_url: str) -> AsyncIterator[Any]:
    """Search among a handful of jobs; gives what they are called above."""
    names = await _filled(database_url)
    database = Database(database_url)

    async def search(query: str, language: Language = JOBS) -> set[str]:
        where = where_of(parse(query, NOW, language))
        table = "events e" if language is EVENTS else "jobs j"
        statement = text(f"SELECT id FROM {table} WHERE {where}")  # noqa: S608 - under test
        return {names[row[0]] for row in await database.run(statement, where.values)}

    yield search
    await database.close()


async def _filled(database_url: str) -> dict[UUID, str]:
    names, serial = {}, itertools.count(1)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO queues (name) VALUES ('default'), ('payments');"
        "INSERT INTO applications (id, name) VALUES (gen_random_uuid(), 'shop'), (gen_random_uuid(), 'till')"
    )
    await connection.execute(_GROUPS)
    for number, (external, correlation) in enumerate([("evt_1", "checkout-1"), ("evt_2", "z")]):
        event = UUID(int=EVENT.int + number)
        await connection.execute(
            "INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id, subject, received_at)"
            " VALUES ($1, $2, $3, $4, '{}', 0, $5, $6, $7)",
            event, ("stripe", "github")[number], external, ("payment_intent.succeeded", "push")[number], correlation,
            ("pi_1", None)[number], NOW,
        )  # fmt: skip
        names[event] = f"event {number + 1}"
    for name, different in _DIFFERENT.items():
        created = different.get("created", NOW)
        key = UUID(int=first_id(created, early=True).int + next(serial))
        job = {"correlation": name} | _PLAIN | different | {"id": str(key), "created": created.isoformat()}
        await connection.execute(_JOB, json.dumps(job))
        names[key] = name
    await connection.close()
    return names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", set(_DIFFERENT)),
        ("state:failed", {"declined", "timed out"}),
        ("state:failed,held", {"declined", "timed out", "held"}),
        ("-state:failed,succeeded", {"held"}),
        ("reason:declined,uncertain", {"declined", "timed out"}),
        ("-reason:declined state:failed", {"timed out"}),
        ("job:payments.charge", {"declined"}),
        ("job:payments.*", {"declined", "timed out"}),
        ("job:pay*,mail.send -state:succeeded", {"declined", "timed out", "held"}),
        ("job:pay_*", {"held"}),
        ("queue:payments", {"declined", "timed out"}),
        ("application:shop", {"declined"}),
        ("application:shop,till", {"declined", "timed out"}),
        ("application:s*", {"declined"}),
        ("application:nobody", set()),
        ("-application:*", set(_DIFFERENT) - {"declined", "timed out"}),
        ("signature:sig-mail", {"timed out"}),
        ("provider:stripe", {"declined"}),
        ("provider:s*", {"declined", "timed out"}),
        ("provider:*", {"declined", "timed out"}),
        ("-provider:stripe state:failed", {"timed out"}),
        ("operation:stripe.charge,sendgrid.send", {"declined", "timed out"}),
        ("provider:sendgrid operation:stripe.*", set()),
        ("code:card_declined", {"declined"}),
        ("code:*", {"declined", "timed out"}),
        ("error:DECLINED", {"declined"}),
        ("error:timeout", {"timed out"}),
        ("error:100%", {"timed out"}),
        ("error:%", {"timed out"}),
        ("error:_", {"declined", "timed out"}),
        ('error:"no answer",declined', {"declined", "timed out"}),
        ("-error:declined state:failed", {"timed out"}),
        ("-error:declined state:succeeded", {"plain", "of an event", "a child", "old"}),
        ("order:1234", {"declined"}),
        ("order:1234,1235", {"declined", "timed out"}),
        ("order:1234 tag:vip", {"declined"}),
        ("order:1235 tag:vip", set()),
        ("-tag:vip state:failed", {"timed out"}),
        ("correlation:checkout-1", {"of an event"}),
        (f"event:{EVENT}", {"of an event"}),
        ("source:stripe", {"of an event"}),
        ("-source:*", set(_DIFFERENT) - {"of an event"}),
        (f"parent:{PARENT}", {"a child"}),
        ("priority:>=9", {"declined"}),
        ("priority:5 -state:succeeded", {"timed out", "held"}),
        ("attempts:>1", {"declined"}),
        ("failures:1,2", {"declined"}),
        ("since:1d", set(_DIFFERENT) - {"old"}),
        ("until:1d", {"old"}),
        ("since:2026-11-20T12:00Z until:2026-11-20T12:01Z", {"old"}),
        ("vip", {"declined"}),
        ("Payments", {"declined", "timed out"}),
        ("declined -vip", set()),
        (str(EVENT), {"of an event"}),
        (HEX, {"held", "a child"}),
        ("checkout", {"of an event"}),
    ],
)
async def test_a_search_finds_what_it_says(found: Any, query: str, expected: set[str]) -> None:
    """Every field, several values, negations, and the signs that mean something to SQL."""
    assert await found(query) == expected


async def test_an_id_finds_its_job(found: Any) -> None:
    """Typed as it is, or asked for among others."""
    first = UUID(int=first_id(NOW, early=True).int + 1)
    assert await found(f"{first}") == {"plain"}
    assert await found(f"id:{first},{UUID(int=99)}") == {"plain"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"event 1", "event 2"}),
        ("source:stripe", {"event 1"}),
        ("type:payment_intent.*", {"event 1"}),
        ("-type:push", {"event 1"}),
        ("external:evt_2", {"event 2"}),
        ("correlation:checkout-1", {"event 1"}),
        ("subject:pi_1", {"event 1"}),
        ("-subject:pi_1", {"event 2"}),
        ("EVT_2", {"event 2"}),
        (str(EVENT), {"event 1"}),
        (str(UUID(int=first_id(NOW, early=True).int + 5)), {"event 1"}),
        ("since:1m", {"event 1", "event 2"}),
        ("until:1m", set()),
        (f"id:{EVENT}", {"event 1"}),
    ],
)
async def test_a_search_among_events_finds_what_it_says(found: Any, query: str, expected: set[str]) -> None:
    """A job's id finds the event that started it."""
    assert await found(query, EVENTS) == expected
