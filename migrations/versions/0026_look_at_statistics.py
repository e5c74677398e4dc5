"""Looks at the rows that were there before the constraints of 0022, while others read and write them."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A transaction each, so that the lock on one table is not kept while the other is read.
    with op.get_context().autocommit_block():
        for table in ("attempt_statistics", "call_statistics", "queue_statistics"):
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {table}_grain_check")


def downgrade() -> None:
    """Nothing: what is valid stays so."""
