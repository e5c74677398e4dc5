"""What people are told by themselves, one row for each episode."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KINDS = "'new_error', 'error_came_back', 'uncertain_payment', 'breaker_open', 'work_waits'"


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("kind", "subject", "key", "title", "detail", "path")
        ),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        *(
            sa.Column(name, sa.DateTime(timezone=True), nullable=True)
            for name in ("resolved_at", "told_at", "end_told_at")
        ),
        sa.Column("deliveries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("alerts_kind_check")),
        sa.CheckConstraint("end_told_at IS NULL OR resolved_at IS NOT NULL", name=op.f("alerts_end_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("alerts_pkey")),
    )
    open_ = sa.text("resolved_at IS NULL")
    op.create_index("alerts_open", "alerts", ["kind", "key"], unique=True, postgresql_where=open_)
    op.create_index("alerts_known", "alerts", ["kind", "key"])
    untold = sa.text("told_at IS NULL AND end_told_at IS NULL")
    op.create_index("alerts_untold", "alerts", ["raised_at"], postgresql_where=untold)
    end_untold = sa.text("resolved_at IS NOT NULL AND end_told_at IS NULL")
    op.create_index("alerts_end_untold", "alerts", ["resolved_at"], postgresql_where=end_untold)


def downgrade() -> None:
    op.drop_table("alerts")
