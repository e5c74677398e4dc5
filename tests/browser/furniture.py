"""What the console is shown: jobs, causes and figures, as a hub at work would have written them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from hub.services.hub import Hub

# A day of work: attempts, calls and depths by the hour, a worker that lives and one that is silent, alerts of every kind.
A_DAY = """
INSERT INTO attempt_statistics
SELECT 'hour', date_trunc('hour', now()) - n * interval '1 hour', queue, outcome, 100 + n * 7, 12.5,
       ARRAY[0, 0, 1, 5, 20 + n, 9, 4, 3, 1, 0, 0, 1, 0, 0, 0, 0]
FROM generate_series(0, 23) n, unnest(ARRAY['default', 'payments']) queue, unnest(ARRAY['succeeded', 'failed', 'snoozed']) outcome;
INSERT INTO call_statistics
SELECT grain, date_trunc(grain, now()) - n * ('1 ' || grain)::interval, 'bank', 100 + n, n, 2, 1, 12.5,
       ARRAY[0, 0, 1, 5, 20, 9, 4, 3, 1, 0, 0, 1, 0, 0, 0, 0]
FROM generate_series(0, 23) n, unnest(ARRAY['minute', 'hour']) grain;
INSERT INTO queue_statistics
SELECT 'hour', date_trunc('hour', now()) - n * interval '1 hour', queue, n * n, n * 1.5
FROM generate_series(0, 23) n, unnest(ARRAY['default', 'payments']) queue WHERE n % 5 <> 0;
INSERT INTO queues (name) VALUES ('reports-of-the-night-for-those-who-add-up-what-was-taken-and-given-back');
INSERT INTO marks VALUES ('attempt_statistics', now() - interval '1 minute');
INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
SELECT gen_random_uuid(), 'hub-worker-' || n, n, '2027.1', '{default,payments}', 100, now() + n * interval '1 minute'
FROM generate_series(0, 2) n;
INSERT INTO alerts (id, kind, subject, key, title, detail, path, resolved_at)
SELECT gen_random_uuid(), kind, 'subject', kind || over, 'what has happened to ' || kind, 'and a sentence more about it; see there',
       '/console/providers/bank', CASE WHEN over THEN now() END
FROM unnest(ARRAY['new_error', 'error_came_back', 'uncertain_payment', 'breaker_open', 'work_waits']) kind,
     unnest(ARRAY[true, false]) over;
"""


JOB = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, attempt, error_code, error_message,
                  error_kind, error_signature, settled_at, tags, event_id)
VALUES (:id, 'payments.charge', '{"amount": 1999, "currency": "eur"}', 'payments', 5, 'failed', 'exhausted', now(), 'checkout-1042',
        1, 'timeout', 'bank: no answer in time', 'NoAnswer', 'abc', now(), '["order:1042"]', :event) RETURNING 1
"""
ATTEMPT = """
INSERT INTO attempts (job_id, number, generation, outcome, error_code, error_message, worker_id, started_at)
VALUES (:id, 1, 1, 'failed', 'timeout', 'bank: no answer in time', gen_random_uuid(), now() - interval '1 second') RETURNING 1
"""
STEP = """
INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, digest, kind,
    idempotency_key, first_sent_at, last_sent_at)
VALUES (:id, 1, 'bank POST /v1/payments', 'bank', 'money', 'unknown', 0, 1, 1, 2, 'x', 'call', :key,
        now() - make_interval(hours => :hours), now()) RETURNING 1
"""
EVENT = """
INSERT INTO events (id, source, external_id, type, body, headers, secret_index, correlation_id, subject)
VALUES (:id, 'stripe', :external, 'payment_intent.succeeded', :body, '{"content-type": "application/json"}', 0, 'checkout-1042',
        'pi_1') RETURNING 1
"""
BODY = b'{"id": "evt_1", "client_secret": "pi_1_secret_abcdefgh", "text": "' + b"a long word " * 30 + b'"}'


async def charge_in_doubt(hub: Hub, *, hours: int = 1) -> tuple[UUID, UUID]:
    """A failed charge whose effect is in doubt, since so many hours; and the event that started it."""
    job, event = hub.new_id(), hub.new_id()
    run = hub.database.run
    await run(text(EVENT), {"id": event, "external": f"evt_{event}", "body": BODY})
    await run(text(JOB), {"id": job, "event": event})
    await run(text(ATTEMPT), {"id": job})
    await run(text(STEP), {"id": job, "key": f"hub-{job}-1-0", "hours": hours})
    return job, event


DELIVERY = """
INSERT INTO events (id, source, external_id, type, body, headers, secret_index, correlation_id)
VALUES (:id, 'shop', 'evt_7', 'order.paid', '{"id": "7"}', '{}', 0, 'c-7') RETURNING 1
"""


async def delivery(hub: Hub) -> UUID:
    """A webhook of the shop, which two jobs of these tests subscribe to."""
    event = hub.new_id()
    await hub.database.run(text(DELIVERY), {"id": event})
    return event


REFUSED = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, attempt, error_code, error_message,
                  settled_at)
VALUES (:id, 'registry.send_receipt', '{"to": "jenny@exmaple.com", "amount": 5}', 'payments', 5, 'failed', 'rejected', now(),
        'c', 1, 'no_such_domain', 'no such domain', now()) RETURNING 1
"""


async def refused(hub: Hub) -> UUID:
    """A receipt whose arguments were wrong."""
    job = hub.new_id()
    await hub.database.run(text(REFUSED), {"id": job})
    return job


GROUP = """
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, state, attempts, lost,
                          first_seen_at, last_seen_at, first_release, last_release, example_id, reopened)
VALUES (:signature, 'payments.charge', 'stripe POST /v1/payment_intents', 'stripe', 'stripe.create_payment_intent', 'Declined',
        'card_declined', :message, :state, 21, 21, :first, now(), '1.4.0', '1.4.1', :example, 1)
RETURNING 1
"""
FAILED = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, attempt, error_code, error_message,
                  error_kind, error_signature, settled_at)
VALUES (:id, 'payments.charge', '{}', 'payments', 5, 'failed', 'declined', now(), 'order-1042', 1, 'card_declined',
        'Your card was declined.', 'Declined', :signature, now())
RETURNING 1
"""
HOURS = """
INSERT INTO error_hours SELECT :signature, date_trunc('hour', now()) - n * interval '1 hour', n + 1, n FROM generate_series(0, 40, 2) n
RETURNING 1
"""


async def groups(
    hub: Hub, messages: Sequence[str] = ("Your card was declined.", "No such customer: …")
) -> list[str]:
    """Groups of failures with a job each; gives their signatures."""
    signatures = []
    for number, message in enumerate(messages):
        job, signature = hub.new_id(), f"{number:016x}"
        first = hub.clock() - timedelta(days=3)
        group = {"signature": signature, "message": message, "state": "open", "example": job, "first": first}
        await hub.database.run(text(GROUP), group)
        await hub.database.run(text(FAILED), {"id": job, "signature": signature})
        await hub.database.run(text(HOURS), {"signature": signature})
        signatures.append(signature)
    return signatures
