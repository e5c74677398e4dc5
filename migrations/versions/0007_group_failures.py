"""The operators' inbox: failures grouped by cause and counted by the hour. What has failed before, the relay adopts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "error_groups",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("attempts", sa.BIGINT(), nullable=False),
        sa.Column("lost", sa.BIGINT(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_release", sa.Text(), nullable=True),
        sa.Column("last_release", sa.Text(), nullable=True),
        sa.Column("example_id", sa.Uuid(), nullable=False),
        sa.Column("reopened", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column("change_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'acknowledged', 'resolved', 'ignored')", name=op.f("error_groups_state_check")
        ),
        sa.CheckConstraint("lost BETWEEN 0 AND attempts", name=op.f("error_groups_lost_check")),
        sa.PrimaryKeyConstraint("signature", name=op.f("error_groups_pkey")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("error_groups_of_a_job", "error_groups", ["job"])
    op.create_table(
        "error_hours",
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.BIGINT(), nullable=False),
        sa.Column("lost", sa.BIGINT(), nullable=False),
        sa.PrimaryKeyConstraint("signature", "hour", name=op.f("error_hours_pkey")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index("error_hours_prune", "error_hours", ["hour"])


def downgrade() -> None:
    op.drop_table("error_hours")
    op.drop_table("error_groups")
