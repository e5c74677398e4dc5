"""What people were told by themselves, and are to be told: one row for each episode."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, Text, Uuid, text

from hub.domain.alerts import AlertKind
from hub.infra.tables.base import metadata, one_of, time
from hub.infra.tables.work import jobs

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("path", Text, nullable=False),
    time("raised_at", default=True),
    time("last_seen_at", default=True),
    # How often it was seen.
    Column("count", Integer, nullable=False, server_default=text("1")),
    time("resolved_at"),
    # When people were told last that it is there, and when that it is over; and by how many jobs.
    time("told_at"),
    time("end_told_at"),
    Column("deliveries", Integer, nullable=False, server_default=text("0")),
    one_of("kind", AlertKind),
    CheckConstraint("end_told_at IS NULL OR resolved_at IS NOT NULL", name="end"),
)
# One episode at a time.
Index("alerts_open", alerts.c.kind, alerts.c.key, unique=True, postgresql_where=text("resolved_at IS NULL"))
# Whether something was told of before.
Index("alerts_known", alerts.c.kind, alerts.c.key)
Index("alerts_untold", alerts.c.raised_at, postgresql_where=text("told_at IS NULL AND end_told_at IS NULL"))
Index(
    "alerts_end_untold",
    alerts.c.resolved_at,
    postgresql_where=text("resolved_at IS NOT NULL AND end_told_at IS NULL"),
)

# By how the job ended, and not by its steps: a payment is uncertain from its sending to its answer, and all would pay for that.
Index(
    "jobs_uncertain_payments",
    jobs.c.settled_at,
    postgresql_where=text("state IN ('failed', 'cancelled')"),
)
