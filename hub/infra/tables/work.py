"""Events, jobs and what became of them, and who may submit them.

Ids are UUIDv7, so the order of ids is the order of creation. Every time is UTC and comes from the database's clock.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub.domain.access import Scope
from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import SETTLED, JobState, OutcomeKind
from hub.infra.tables.base import metadata, one_of, time

applications = Table(
    "applications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    time("created_at", default=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("application_id", ForeignKey("applications.id"), nullable=False),
    Column("name", Text, nullable=False),
    # SHA-256 of 256 random bits; see hub.domain.access.
    Column("digest", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    time("created_at", default=True),
    time("revoked_at"),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("scopes <@ ARRAY[{}]".format(", ".join(f"'{scope}'" for scope in Scope)), name="scopes"),
)

queues = Table(
    "queues",
    metadata,
    Column("name", Text, primary_key=True),
    time("paused_at"),
    time("created_at", default=True),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("release", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("concurrency", Integer, nullable=False),
    time("started_at", default=True),
    time("lease_until", nullable=False),
    time("stopped_at"),
)

events = Table(
    "events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    # Exactly as received: what was signed can be verified again. Emptied by retention, the row stays to tell duplicates.
    Column("body", LargeBinary),
    Column("headers", JSONB, nullable=False),
    Column("secret_index", SmallInteger, nullable=False),
    Column("correlation_id", Text, nullable=False),
    time("occurred_at"),
    time("received_at", default=True),
    # What it is about, as its source reads it; null where no job may wait for it.
    Column("subject", Text),
    # Tells duplicates apart, for intake.
    UniqueConstraint("source", "external_id"),
    Index("events_list_by_correlation", "correlation_id"),
    Index("events_list_by_type", "type", "id"),
    # Since when is part of it: a subject may have a long history.
    Index(
        "events_waited_for",
        "source",
        "subject",
        "received_at",
        postgresql_where=text("subject IS NOT NULL"),
    ),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    # Null where the event's body is the argument.
    Column("args", JSONB),
    Column("queue", ForeignKey("queues.name"), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    time("run_at", nullable=False),
    Column("application_id", ForeignKey("applications.id")),
    Column("event_id", ForeignKey("events.id")),
    Column("parent_id", Uuid),
    Column("correlation_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("tags", JSONB, nullable=False, server_default=text("'[]'")),
    # The fence: raised by every claim; only the holder of the present attempt may settle it.
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    # Raised when a person retries the job.
    Column("generation", Integer, nullable=False, server_default=text("1")),
    # Raised by every hand-over to Redis; an older number is refused by the claim.
    Column("dispatch", Integer, nullable=False, server_default=text("0")),
    time("dispatched_at"),
    Column("worker_id", Uuid),
    time("started_at"),
    Column("result", JSONB),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_kind", Text),
    Column("error_signature", Text),
    Column("progress", JSONB),
    # What it becomes when its effects are undone, while that is under way and afterwards.
    Column("ending", JSONB),
    time("undone_at"),
    time("created_at", default=True),
    time("settled_at"),
    one_of("state", JobState),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
    CheckConstraint("(state = 'running') = (worker_id IS NOT NULL)", name="lease"),
    CheckConstraint(
        "(state IN ({})) = (settled_at IS NOT NULL)".format(", ".join(f"'{s}'" for s in sorted(SETTLED))),
        name="settled",
    ),
    CheckConstraint("state NOT IN ('failed', 'held') OR reason IS NOT NULL", name="reason"),
    CheckConstraint("dispatched_at IS NULL OR state = 'queued'", name="dispatched"),
    CheckConstraint("args IS NOT NULL OR event_id IS NOT NULL", name="args"),
)

# Every index on jobs is paid for by every move of every job, so most are partial: a job is in them only while it matters.
Index(
    "jobs_relay_refill",
    jobs.c.queue,
    jobs.c.priority.desc(),
    jobs.c.run_at,
    jobs.c.id,
    postgresql_where=text("state = 'queued' AND dispatched_at IS NULL"),
)
Index("jobs_relay_sweep", jobs.c.dispatched_at, jobs.c.id, postgresql_where=text("dispatched_at IS NOT NULL"))
Index("jobs_relay_due", jobs.c.run_at, postgresql_where=text("state IN ('scheduled', 'retrying', 'waiting')"))
Index("jobs_relay_rescue", jobs.c.worker_id, postgresql_where=text("state = 'running'"))
Index("jobs_held", jobs.c.queue, jobs.c.id, postgresql_where=text("state = 'held'"))
Index("jobs_failed", jobs.c.id, postgresql_where=text("state = 'failed'"))
Index("jobs_list_by_application", jobs.c.application_id, jobs.c.id)
Index("jobs_list_by_correlation", jobs.c.correlation_id)
Index("jobs_list_by_event", jobs.c.event_id, postgresql_where=text("event_id IS NOT NULL"))
# Only what has failed at some time is in it, so a success does not pay for it.
Index(
    "jobs_list_by_error",
    jobs.c.error_signature,
    jobs.c.id,
    postgresql_where=text("error_signature IS NOT NULL"),
)
Index(
    "jobs_list_by_tag",
    jobs.c.tags,
    postgresql_using="gin",
    postgresql_ops={"tags": "jsonb_path_ops"},
    postgresql_where=text("tags <> '[]'"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("application_id", ForeignKey("applications.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    # No foreign key: a key outlives the job it protects.
    Column("job_id", Uuid, nullable=False),
    time("created_at", default=True),
    PrimaryKeyConstraint("application_id", "key"),
)

attempts = Table(
    "attempts",
    metadata,
    # No foreign key: a row is only ever written by the statement that moves its job, and checking it again there costs
    # more than writing it (measured: over half of a settlement).
    Column("job_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_kind", Text),
    Column("error_signature", Text),
    Column("worker_id", Uuid, nullable=False),
    time("started_at", nullable=False),
    time("finished_at", default=True),
    PrimaryKeyConstraint("job_id", "number"),
    one_of("outcome", OutcomeKind),
)

# Rows are written in the order of time, which is all that a BRIN index needs: a few bytes for a megabyte of rows.
Index("attempts_throughput", attempts.c.finished_at, postgresql_using="brin")

steps = Table(
    "steps",
    metadata,
    Column("job_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("provider", Text),
    Column("effect", Text, nullable=False),
    Column("certainty", Text, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("digest", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False, server_default=StepKind.CALL.value),
    # Of calls that are made later, if at all: which operation, and with what.
    Column("planned", JSONB),
    Column("answer", JSONB),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("error_kind", Text),
    time("first_sent_at"),
    time("last_sent_at"),
    time("answered_at"),
    PrimaryKeyConstraint("job_id", "position"),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    one_of("effect", Effect),
    one_of("certainty", Certainty),
    one_of("kind", StepKind),
)

waits = Table(
    "waits",
    metadata,
    Column("job_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    time("since", nullable=False),
    # Events that ended earlier waits of the job.
    Column("consumed", ARRAY(Uuid), nullable=False),
    PrimaryKeyConstraint("job_id", "position"),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    Index("waits_woken_by", "source", "subject"),
)
