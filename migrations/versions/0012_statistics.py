"""What happened, added up by the minute and by the hour."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attempt_statistics",
        *_when(),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        _counter("attempts"),
        *_times("attempt_statistics"),
        _grain("attempt_statistics"),
        sa.PrimaryKeyConstraint("grain", "at", "queue", "outcome", name=op.f("attempt_statistics_pkey")),
    )
    op.create_table(
        "call_statistics",
        *_when(),
        sa.Column("provider", sa.Text(), nullable=False),
        *(_counter(name) for name in ("calls", "failed", "refused", "skipped")),
        *_times("call_statistics"),
        _grain("call_statistics"),
        sa.PrimaryKeyConstraint("grain", "at", "provider", name=op.f("call_statistics_pkey")),
    )
    op.create_table(
        "queue_statistics",
        *_when(),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("oldest_due_seconds", postgresql.DOUBLE_PRECISION(), nullable=False),
        _grain("queue_statistics"),
        sa.PrimaryKeyConstraint("grain", "at", "queue", name=op.f("queue_statistics_pkey")),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("upto", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("marks_pkey")),
    )


def downgrade() -> None:
    for table in ("marks", "queue_statistics", "call_statistics", "attempt_statistics"):
        op.drop_table(table)


def _when() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("grain", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def _counter(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _times(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column("seconds", postgresql.DOUBLE_PRECISION(), nullable=False),
        sa.Column("buckets", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.CheckConstraint("cardinality(buckets) = 16", name=op.f(f"{table}_buckets_check")),
    )


def _grain(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint("grain IN ('minute', 'hour')", name=op.f(f"{table}_grain_check"))
