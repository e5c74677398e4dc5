"""What the ledger said before a person had a job tried again. The release before goes on without keeping it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_EFFECTS = "'read', 'write', 'money', 'message'"
_CERTAINTIES = "'not_sent', 'unknown', 'confirmed', 'rejected'"
_KINDS = "'call', 'work', 'sleep', 'wait', 'enqueue', 'undo'"


def upgrade() -> None:
    op.create_table(
        "past_steps",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("certainty", sa.Text(), nullable=False),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("first_sent_at", "last_sent_at", "answered_at")
        ),
        sa.CheckConstraint(f"effect IN ({_EFFECTS})", name=op.f("past_steps_effect_check")),
        sa.CheckConstraint(f"certainty IN ({_CERTAINTIES})", name=op.f("past_steps_certainty_check")),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name=op.f("past_steps_kind_check")),
        sa.PrimaryKeyConstraint("job_id", "position", "attempt", name=op.f("past_steps_pkey")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("past_steps_job_id_fkey"), ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("past_steps")
