"""Looks at the rows that were there before the constraints of 0002, while others read and write them."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A transaction each, so that the lock on one table is not kept while the other is read.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE steps VALIDATE CONSTRAINT steps_kind_check")
        op.execute("ALTER TABLE attempts VALIDATE CONSTRAINT attempts_outcome_check")


def downgrade() -> None:
    """Nothing: what is valid stays so."""
