"""The index that finds the jobs that stand failed for a cause: a revision of its own, because it may fail and is repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _wait_for_others()
        # A build that was interrupted leaves an invalid index behind, which is written to and never read.
        _drop()
        op.create_index(
            "jobs_failed_by_cause",
            "jobs",
            ["error_signature", "id"],
            postgresql_where=sa.text("state = 'failed' AND error_signature IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _wait_for_others()
        _drop()
        op.execute("RESET lock_timeout")


def _wait_for_others() -> None:
    """For as long as their transactions last: nobody waits for what is done concurrently."""
    op.execute("SET lock_timeout = 0")


def _drop() -> None:
    op.drop_index("jobs_failed_by_cause", table_name="jobs", postgresql_concurrently=True, if_exists=True)
