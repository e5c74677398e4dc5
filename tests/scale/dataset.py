"""A hub's database after a busy month, made set by set: the same jobs every time, and as many as are wanted.

A tenth of the jobs stand failed, in 300 groups of very different sizes. The rest is what a hub holds: nearly all done, some in
every other state, with attempts, steps at providers, tags of orders and customers, events, children and parents.
"""

# ruff: noqa: S608 - statements are made of constants
from uuid import UUID

import asyncpg

from hub.domain.access import Scope, digest_of, format_token
from hub.domain.ids import KeyId
from tests.scale import history

GROUPS = 300
_KEY, _SECRET = KeyId(UUID(int=77)), "s" * 43
TOKEN = format_token(_KEY, _SECRET)
_APPLICATIONS = 5
_WORKER = UUID(int=78)

# Where jobs fail: job, queue, provider, step, operation. What a group of failures is made of is one of these and a message.
_PLACES = """
    (0, 'payments.charge', 'payments', 'stripe', 'stripe POST /v1/payment_intents', 'stripe.create_payment_intent'),
    (1, 'payments.refund', 'payments', 'stripe', 'stripe POST /v1/refunds', 'stripe.create_refund'),
    (2, 'payments.send_receipt', 'email', 'sendgrid', 'sendgrid POST /v3/mail/send', 'sendgrid.send'),
    (3, 'email.send', 'email', 'email', 'email SEND mail', 'email.send'),
    (4, 'http.request', 'http', 'http', 'http POST {url}', 'http.request'),
    (5, 'orders.fulfil', 'payments', 'stripe', 'stripe POST /v1/payment_intents/{id}/capture', 'stripe.capture')
"""
_ERRORS = """
    (0, 'Declined', 'card_declined', 'Your card was declined'),
    (1, 'ProviderFault', 'status_503', 'answered 503'),
    (2, 'NoAnswer', 'timeout', 'no answer in time'),
    (3, 'Rejected', 'status_422', 'the address does not exist'),
    (4, 'RuntimeError', 'unexpected_error', 'no stock is known of it')
"""
# What each job is to be, decided once for all tables. Ids are made of their times, oldest first; of every hundred jobs ten
# are failed, five are not settled yet and one is cancelled. Half of all groups have a few jobs, the first a tenth of all.
_PLAN = f"""
CREATE TEMP TABLE plan AS
SELECT n, uuidv7(made.at - clock_timestamp()) AS id, made.at,
    CASE WHEN n % 1000 = 11 THEN 'held' WHEN n % 1000 = 12 THEN 'running' WHEN n % 100 < 10 THEN 'failed' WHEN n % 100 = 10 THEN 'cancelled' WHEN n % 100 > 15 THEN 'succeeded'
         ELSE (ARRAY['queued', 'queued', 'scheduled', 'retrying', 'waiting'])[n % 100 - 10] END AS state,
    CASE WHEN n % 100 < 10 OR n % 100 = 14 THEN least({GROUPS} - 1, floor(exp(luck * ln({GROUPS} + 1)))::int - 1) END AS grp,
    luck, '00000000-0000-0000-0000-0000000000' || lpad(to_hex(n % {_APPLICATIONS} + 1), 2, '0') AS application
FROM (SELECT n, now() - make_interval(secs => (1 - n::float / $1) * 30 * 86400) AS at,
             -- Spread evenly by the golden ratio: no two runs differ.
             (n * 0.6180339887498949) % 1 AS luck
      FROM generate_series(1, $1::int) n) made
"""
_STATEMENTS = (
    f"""INSERT INTO applications (id, name) SELECT ('00000000-0000-0000-0000-0000000000' || lpad(to_hex(n), 2, '0'))::uuid,
        'shop-' || n FROM generate_series(1, {_APPLICATIONS}) n""",
    "INSERT INTO queues (name) VALUES ('payments'), ('email'), ('http'), ('default') ON CONFLICT DO NOTHING",
    f"""INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
        VALUES ('{_WORKER}', 'worker-1', 1, '1.4.0', '{{}}', 100, now() + interval '1 day')""",
    f"""CREATE TEMP TABLE cause AS
        SELECT g AS grp, left(md5('group ' || g), 16) AS signature, p.*, e.kind, e.code,
               e.words || ' (case ' || chr(97 + g / 26 % 26) || chr(97 + g % 26) || ')' AS message
        FROM generate_series(0, {GROUPS} - 1) g
        JOIN (VALUES {_PLACES}) p(p, job, queue, provider, step, operation) ON p.p = g % 6
        JOIN (VALUES {_ERRORS}) e(e, kind, code, words) ON e.e = g / 6 % 5""",
    """INSERT INTO events (id, source, external_id, type, body, headers, secret_index, correlation_id, received_at, subject)
       SELECT uuidv7(at - clock_timestamp()), CASE WHEN n % 3 = 0 THEN 'github' ELSE 'stripe' END, 'evt_' || n,
              (ARRAY['payment_intent.succeeded', 'charge.refunded', 'issues.opened', 'invoice.paid'])[n % 4 + 1],
              convert_to('{"id":"evt_' || n || '","type":"payment_intent.succeeded","data":{"object":{"id":"pi_' || n || '"}}}', 'UTF8'),
              '{"content-type":"application/json"}', 0, 'order-' || n / 3, at, 'pi_' || n
       FROM plan WHERE n % 5 = 0""",
    f"""INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, application_id, event_id, parent_id, correlation_id,
            tags, attempt, failures, error_code, error_message, error_kind, error_signature, created_at, started_at, settled_at,
            result, idempotency_key, worker_id)
        SELECT p.id, coalesce(c.job, o.job), jsonb_build_object('amount', p.n % 10000, 'currency', 'eur', 'order', p.n / 3,
                   'to', 'customer.' || p.n % 5000 || '@example.com'),
            coalesce(c.queue, o.queue), 5, p.state,
            CASE p.state WHEN 'cancelled' THEN 'by_operator' WHEN 'held' THEN 'queue_paused' WHEN 'failed' THEN
                CASE WHEN c.code = 'timeout' THEN 'uncertain' WHEN c.code = 'card_declined' THEN 'declined' ELSE 'exhausted' END END,
            CASE WHEN p.state IN ('scheduled', 'retrying', 'waiting') THEN now() + make_interval(secs => p.n % 86400) ELSE p.at END,
            CASE WHEN p.n % 5 <> 0 THEN p.application::uuid END, e.id,
            CASE WHEN p.n % 20 = 1 THEN lag(p.id) OVER (ORDER BY p.n) END, 'order-' || p.n / 3,
            CASE WHEN p.n % 10 < 3 THEN jsonb_build_array('order:' || p.n / 3, 'customer:' || p.n % 5000) ELSE '[]' END,
            CASE WHEN p.state IN ('queued', 'scheduled') THEN 0 WHEN p.grp IS NOT NULL THEN 1 + p.n % 3 ELSE 1 END,
            CASE WHEN p.grp IS NOT NULL THEN 1 + p.n % 3 ELSE 0 END,
            c.code, c.message || ' for order ' || p.n / 3, c.kind, c.signature, p.at,
            CASE WHEN p.state NOT IN ('queued', 'scheduled') THEN p.at + interval '1 second' END,
            CASE WHEN p.state IN ('succeeded', 'failed', 'cancelled') THEN p.at + make_interval(secs => 2 + p.n % 60) END,
            CASE WHEN p.state = 'succeeded' THEN jsonb_build_object('id', 'pi_' || p.n) END,
            CASE WHEN p.n % 4 = 1 THEN 'key-' || p.n END,
            CASE WHEN p.state = 'running' THEN '{_WORKER}'::uuid END
        FROM plan p LEFT JOIN cause c USING (grp)
        JOIN (VALUES {_PLACES}) o(p, job, queue, provider, step, operation) ON o.p = p.n % 6
        LEFT JOIN events e ON e.source = CASE WHEN p.n % 3 = 0 THEN 'github' ELSE 'stripe' END AND e.external_id = 'evt_' || p.n
        ORDER BY p.n""",
    """INSERT INTO attempts (job_id, number, generation, outcome, error_code, error_message, error_kind, error_signature,
            worker_id, started_at, finished_at)
       SELECT j.id, a, 1, CASE WHEN j.error_signature IS NULL THEN 'succeeded' WHEN j.reason = 'uncertain' AND a = j.attempt
                  THEN 'uncertain' ELSE 'failed' END,
              j.error_code, j.error_message, j.error_kind, j.error_signature, '00000000-0000-0000-0000-00000000004e',
              j.created_at + make_interval(secs => a * 10), j.created_at + make_interval(secs => a * 10 + 0.2)
       FROM jobs j, generate_series(1, j.attempt) a WHERE j.state NOT IN ('waiting', 'running', 'held', 'cancelled')""",
    """INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, idempotency_key,
            digest, answer, error_code, error_message, error_kind, first_sent_at, last_sent_at, answered_at)
       SELECT j.id, 1, o.step, o.provider, CASE WHEN o.provider = 'stripe' THEN 'money' ELSE 'message' END,
              CASE WHEN j.error_signature IS NULL THEN 'confirmed' WHEN j.error_kind IN ('NoAnswer', 'ProviderFault') THEN 'unknown'
                   ELSE 'rejected' END,
              0, 1, j.attempt, 1, 'key-' || p.n, decode(md5(j.id::text), 'hex'),
              CASE WHEN j.error_signature IS NULL THEN jsonb_build_object('id', 'pi_' || p.n) END,
              j.error_code, j.error_message, j.error_kind, j.started_at, j.started_at,
              CASE WHEN j.error_kind IS DISTINCT FROM 'NoAnswer' THEN j.started_at END
       FROM jobs j JOIN plan p USING (id) JOIN cause o ON o.grp = coalesce(p.grp, p.n % 6)
       WHERE j.attempt > 0 AND (p.n % 5 < 2 OR j.state = 'failed') AND coalesce(j.error_code, '') <> 'unexpected_error'""",
    """INSERT INTO waits (job_id, position, source, subject, types, since, consumed)
       SELECT j.id, 1, 'stripe', 'pi_' || p.n, '{payment_intent.succeeded}', j.created_at, '{}'
       FROM jobs j JOIN plan p USING (id) WHERE j.state = 'waiting'""",
    """INSERT INTO idempotency_keys (application_id, key, fingerprint, job_id, created_at)
       SELECT application_id, idempotency_key, '', id, created_at FROM jobs
       WHERE idempotency_key IS NOT NULL AND application_id IS NOT NULL""",
    """INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, state, attempts, lost,
            first_seen_at, last_seen_at, first_release, last_release, example_id)
       SELECT c.signature, c.job, c.step, c.provider, c.operation, c.kind, c.code, c.message,
              CASE WHEN c.grp % 20 = 7 THEN 'ignored' WHEN c.grp % 10 = 3 THEN 'acknowledged' WHEN c.grp % 10 = 9 THEN 'resolved'
                   ELSE 'open' END,
              s.attempts, s.lost, s.first, s.last, '1.3.0', '1.4.0', s.example
       FROM cause c JOIN (
           SELECT error_signature, sum(attempt) AS attempts, count(*) FILTER (WHERE state = 'failed') AS lost,
                  min(created_at) AS first, max(created_at) AS last,
                  (array_agg(id ORDER BY id DESC))[1] AS example
           FROM jobs WHERE error_signature IS NOT NULL GROUP BY 1
       ) s ON s.error_signature = c.signature""",
    """INSERT INTO error_hours (signature, hour, attempts, lost)
       SELECT error_signature, date_trunc('hour', created_at, 'UTC'), sum(attempt), count(*) FILTER (WHERE state = 'failed')
       FROM jobs WHERE error_signature IS NOT NULL GROUP BY 1, 2""",
    """INSERT INTO operators (id, email, name, role)
       SELECT uuidv7(), 'operator.' || n || '@example.com', 'Operator ' || n, (ARRAY['viewer', 'operator', 'admin'])[n % 3 + 1]
       FROM generate_series(1, 30) n""",
)
# The chain of the log is made line by line, by the table itself.
_AUDIT = """INSERT INTO audit_log (id, at, actor, action, subject, detail)
       SELECT uuidv7(p.at - clock_timestamp()), p.at, 'ada', 'job.retry', p.id::text, '{"reason": "tried again"}'
       FROM plan p WHERE p.n % 400 = 0"""


async def fill(url: str, jobs: int) -> None:
    """Fill an empty, migrated database with so many jobs, and what belongs to them."""
    connection = await asyncpg.connect(url)
    try:
        # What is made belongs together: nothing has to look that up two million times over.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET work_mem = '256MB'; SET maintenance_work_mem = '512MB'")
        await connection.execute(_PLAN, jobs)
        await connection.execute("CREATE UNIQUE INDEX ON plan (id); ANALYZE plan")
        for statement in _STATEMENTS:
            await connection.execute(statement)
        await connection.execute("SET session_replication_role = origin")
        await connection.execute(_AUDIT)
        await connection.execute(
            "INSERT INTO api_keys (id, application_id, name, digest, scopes) VALUES ($1, $2, 'scale', $3, $4)",
            _KEY, UUID(int=1), digest_of(_SECRET), [Scope.ADMIN.value],
        )  # fmt: skip
        await history.add(connection, url)
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
