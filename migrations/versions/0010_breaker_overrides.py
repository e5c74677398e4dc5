"""Breakers that persons hold open or closed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "breaker_overrides",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("breaker_overrides_state_check")),
        sa.CheckConstraint("reason <> ''", name=op.f("breaker_overrides_reason_check")),
        sa.PrimaryKeyConstraint("provider", name=op.f("breaker_overrides_pkey")),
    )


def downgrade() -> None:
    op.drop_table("breaker_overrides")
