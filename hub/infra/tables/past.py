"""What the ledger said before a person had a job tried again.

A step that is made again is written over its line in `steps`. Who retries a job, edits it or has it run now keeps what it
would lose; nobody else writes here, so a job that succeeds costs nothing. Whose undoing is begun by cancelling it loses
nothing: none of the calls that undo was made before.
"""

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from hub.domain.effects import Certainty, Effect, StepKind
from hub.infra.tables.base import metadata, one_of, time

past_steps = Table(
    "past_steps",
    metadata,
    Column("job_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    # Which made it so: a line that was not written since is kept once, however often the job is retried.
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("provider", Text),
    Column("effect", Text, nullable=False),
    Column("certainty", Text, nullable=False),
    Column("serial", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("digest", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("answer", JSONB),
    Column("error_code", Text),
    Column("error_message", Text),
    time("first_sent_at"),
    time("last_sent_at"),
    time("answered_at"),
    PrimaryKeyConstraint("job_id", "position", "attempt"),
    ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
    one_of("effect", Effect),
    one_of("certainty", Certainty),
    one_of("kind", StepKind),
)
