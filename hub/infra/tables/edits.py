"""Edits of jobs' arguments: what they were, what they are to be or became, why, and by whom."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from hub.domain.edits import EditState
from hub.infra.tables.base import metadata, one_of, time

job_edits = Table(
    "job_edits",
    metadata,
    Column("job_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    # The job as it was when this was proposed: it is applied to that or not at all.
    Column("generation", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    # Null where the event's body was the argument; the event keeps it.
    Column("args_before", JSONB),
    Column("args_after", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    # Whose key proposed it; null for a person.
    Column("proposed_application", Uuid),
    time("proposed_at", default=True),
    Column("decided_by", Text),
    time("decided_at"),
    Column("decision", Text),
    PrimaryKeyConstraint("job_id", "number"),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    ForeignKeyConstraint(["proposed_application"], ["applications.id"]),
    one_of("state", EditState),
    CheckConstraint("reason <> ''", name="reason"),
    CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided"),
)
