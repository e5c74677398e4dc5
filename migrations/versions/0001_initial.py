"""The schema to begin with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("applications_pkey")),
        sa.UniqueConstraint("name", name=op.f("applications_name_key")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index("audit_log_by_subject", "audit_log", ["subject", "id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("secret_index", sa.SmallInteger(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
        sa.UniqueConstraint("source", "external_id", name=op.f("events_source_external_id_key")),
    )
    op.create_index("events_list_by_correlation", "events", ["correlation_id"], unique=False)
    op.create_index("events_list_by_type", "events", ["type", "id"], unique=False)
    op.create_table(
        "queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("queues_pkey")),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("queues", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("workers_pkey")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "scopes <@ ARRAY['jobs:write', 'jobs:read', 'jobs:operate', 'events:read', 'events:operate', 'admin']",
            name=op.f("api_keys_scopes_check"),
        ),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("api_keys_digest_check")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("api_keys_application_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("application_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("idempotency_keys_application_id_fkey")
        ),
        sa.PrimaryKeyConstraint("application_id", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("application_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column(
            "tags", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("crashes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("dispatch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.Column("error_signature", sa.Text(), nullable=True),
        sa.Column("progress", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'running') = (worker_id IS NOT NULL)", name=op.f("jobs_lease_check")),
        sa.CheckConstraint(
            "(state IN ('cancelled', 'failed', 'succeeded')) = (settled_at IS NOT NULL)",
            name=op.f("jobs_settled_check"),
        ),
        sa.CheckConstraint("dispatched_at IS NULL OR state = 'queued'", name=op.f("jobs_dispatched_check")),
        sa.CheckConstraint(
            "state IN ('scheduled', 'queued', 'running', 'retrying', 'waiting', 'held', 'succeeded', 'failed', 'cancelled')",
            name=op.f("jobs_state_check"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('failed', 'held') OR reason IS NOT NULL", name=op.f("jobs_reason_check")
        ),
        sa.CheckConstraint("args IS NOT NULL OR event_id IS NOT NULL", name=op.f("jobs_args_check")),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("jobs_priority_check")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.id"], name=op.f("jobs_application_id_fkey")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("jobs_event_id_fkey")),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name=op.f("jobs_queue_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
    )
    op.create_index("jobs_failed", "jobs", ["id"], unique=False, postgresql_where=sa.text("state = 'failed'"))
    op.create_index(
        "jobs_held", "jobs", ["queue", "id"], unique=False, postgresql_where=sa.text("state = 'held'")
    )
    op.create_index("jobs_list_by_application", "jobs", ["application_id", "id"], unique=False)
    op.create_index("jobs_list_by_correlation", "jobs", ["correlation_id"], unique=False)
    op.create_index(
        "jobs_list_by_error",
        "jobs",
        ["error_signature", "id"],
        unique=False,
        postgresql_where=sa.text("error_signature IS NOT NULL"),
    )
    op.create_index(
        "jobs_list_by_event",
        "jobs",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "jobs_list_by_tag",
        "jobs",
        ["tags"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
        postgresql_where=sa.text("tags <> '[]'"),
    )
    op.create_index(
        "jobs_relay_due",
        "jobs",
        ["run_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('scheduled', 'retrying', 'waiting')"),
    )
    op.create_index(
        "jobs_relay_refill",
        "jobs",
        ["queue", sa.literal_column("priority DESC"), "run_at", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'queued' AND dispatched_at IS NULL"),
    )
    op.create_index(
        "jobs_relay_rescue",
        "jobs",
        ["worker_id"],
        unique=False,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "jobs_relay_sweep",
        "jobs",
        ["dispatched_at", "id"],
        unique=False,
        postgresql_where=sa.text("dispatched_at IS NOT NULL"),
    )
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.Column("error_signature", sa.Text(), nullable=True),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('succeeded', 'failed', 'snoozed', 'interrupted', 'uncertain', 'waiting', 'held')",
            name=op.f("attempts_outcome_check"),
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("attempts_pkey")),
    )
    op.create_index("attempts_throughput", "attempts", ["finished_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "steps",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("certainty", sa.Text(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("error_kind", sa.Text(), nullable=True),
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "certainty IN ('not_sent', 'unknown', 'confirmed', 'rejected')",
            name=op.f("steps_certainty_check"),
        ),
        sa.CheckConstraint(
            "effect IN ('read', 'write', 'money', 'message')", name=op.f("steps_effect_check")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("steps_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("steps_pkey")),
    )


def downgrade() -> None:
    op.drop_table("steps")
    op.drop_index("attempts_throughput", table_name="attempts", postgresql_using="brin")
    op.drop_table("attempts")
    op.drop_index(
        "jobs_relay_sweep", table_name="jobs", postgresql_where=sa.text("dispatched_at IS NOT NULL")
    )
    op.drop_index("jobs_relay_rescue", table_name="jobs", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(
        "jobs_relay_refill",
        table_name="jobs",
        postgresql_where=sa.text("state = 'queued' AND dispatched_at IS NULL"),
    )
    op.drop_index(
        "jobs_relay_due",
        table_name="jobs",
        postgresql_where=sa.text("state IN ('scheduled', 'retrying', 'waiting')"),
    )
    op.drop_index(
        "jobs_list_by_tag",
        table_name="jobs",
        postgresql_using="gin",
        postgresql_ops={"tags": "jsonb_path_ops"},
        postgresql_where=sa.text("tags <> '[]'"),
    )
    op.drop_index("jobs_list_by_event", table_name="jobs", postgresql_where=sa.text("event_id IS NOT NULL"))
    op.drop_index(
        "jobs_list_by_error", table_name="jobs", postgresql_where=sa.text("error_signature IS NOT NULL")
    )
    op.drop_index("jobs_list_by_correlation", table_name="jobs")
    op.drop_index("jobs_list_by_application", table_name="jobs")
    op.drop_index("jobs_held", table_name="jobs", postgresql_where=sa.text("state = 'held'"))
    op.drop_index("jobs_failed", table_name="jobs", postgresql_where=sa.text("state = 'failed'"))
    op.drop_table("jobs")
    op.drop_table("idempotency_keys")
    op.drop_table("api_keys")
    op.drop_table("workers")
    op.drop_table("queues")
    op.drop_index("events_list_by_type", table_name="events")
    op.drop_index("events_list_by_correlation", table_name="events")
    op.drop_table("events")
    op.drop_index("audit_log_by_subject", table_name="audit_log")
    op.drop_table("audit_log")
    op.drop_table("applications")
