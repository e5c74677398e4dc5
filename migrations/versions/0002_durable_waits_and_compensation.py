"""Durable waits and compensation: what an event is about, who waits for it, and what a job does when it is undone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OUTCOMES = "'succeeded', 'failed', 'snoozed', 'interrupted', 'uncertain', 'waiting', 'held'"


def upgrade() -> None:
    op.create_table(
        "waits",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consumed", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("waits_job_id_fkey"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("waits_pkey")),
    )
    op.create_index("waits_woken_by", "waits", ["source", "subject"])
    op.add_column("events", sa.Column("subject", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("ending", postgresql.JSONB(), nullable=True))
    op.add_column("jobs", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("steps", sa.Column("kind", sa.Text(), server_default="call", nullable=False))
    op.add_column("steps", sa.Column("planned", postgresql.JSONB(), nullable=True))
    # The rows that are there are looked at later (0004), without the lock that these need for a moment.
    op.execute(
        "ALTER TABLE steps ADD CONSTRAINT steps_kind_check"
        " CHECK (kind IN ('call', 'work', 'sleep', 'wait', 'enqueue', 'undo')) NOT VALID"
    )
    op.drop_constraint("attempts_outcome_check", "attempts")
    op.execute(
        "ALTER TABLE attempts ADD CONSTRAINT attempts_outcome_check"
        f" CHECK (outcome IN ({OUTCOMES}, 'compensated')) NOT VALID"
    )


def downgrade() -> None:
    op.execute("UPDATE attempts SET outcome = 'succeeded' WHERE outcome = 'compensated'")
    op.drop_constraint("attempts_outcome_check", "attempts")
    op.execute(f"ALTER TABLE attempts ADD CONSTRAINT attempts_outcome_check CHECK (outcome IN ({OUTCOMES}))")
    op.drop_column("steps", "planned")
    op.drop_column("steps", "kind")
    op.drop_column("jobs", "undone_at")
    op.drop_column("jobs", "ending")
    op.drop_column("events", "subject")
    op.drop_table("waits")
