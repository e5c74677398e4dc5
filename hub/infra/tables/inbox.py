"""The operators' inbox: failures grouped by cause, and how often each happened hour by hour.

Written by the statements that end attempts, see hub.infra.store.settlements. No foreign keys to jobs: a group outlives
those that made it.
"""

from sqlalchemy import CheckConstraint, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import BIGINT

from hub.domain.inbox import GroupState
from hub.infra.tables.base import metadata, one_of, time
from hub.infra.tables.work import jobs

error_groups = Table(
    "error_groups",
    metadata,
    # As in jobs.error_signature; what it is made of, see hub.domain.causes.
    Column("signature", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    # Attempts that failed, and how many of these a job failed of for good.
    Column("attempts", BIGINT, nullable=False),
    Column("lost", BIGINT, nullable=False),
    time("first_seen_at", nullable=False),
    time("last_seen_at", nullable=False),
    Column("first_release", Text),
    Column("last_release", Text),
    Column("example_id", Uuid, nullable=False),
    # How often it came back after it was resolved.
    Column("reopened", Integer, nullable=False, server_default=text("0")),
    time("changed_at"),
    Column("changed_by", Text),
    Column("change_reason", Text),
    one_of("state", GroupState),
    CheckConstraint("lost BETWEEN 0 AND attempts", name="lost"),
    # Counted in place: room for the next version of each row beside it, so that no index is touched.
    postgresql_with={"fillfactor": "50"},
)
# How many groups a job has, which is bounded.
Index("error_groups_of_a_job", error_groups.c.job)

error_hours = Table(
    "error_hours",
    metadata,
    Column("signature", Text, nullable=False),
    time("hour", nullable=False),
    Column("attempts", BIGINT, nullable=False),
    Column("lost", BIGINT, nullable=False),
    PrimaryKeyConstraint("signature", "hour"),
    postgresql_with={"fillfactor": "50"},
)
Index("error_hours_prune", error_hours.c.hour)

# How many jobs stand failed for each cause, without a look at their rows; and the jobs of a group.
Index(
    "jobs_failed_by_cause",
    jobs.c.error_signature,
    jobs.c.id,
    postgresql_where=text("state = 'failed' AND error_signature IS NOT NULL"),
)
