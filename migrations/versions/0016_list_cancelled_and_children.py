"""Indexes for lists of what few jobs come to: cancelled ones, and those that other jobs made."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_INDEXES = (
    ("jobs_cancelled", ["id"], "state = 'cancelled'"),
    ("jobs_list_by_parent", ["parent_id", "id"], "parent_id IS NOT NULL"),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _wait_for_others()
        # A build that was interrupted leaves an invalid index behind, which is written to and never read.
        _drop()
        for name, columns, where in _INDEXES:
            op.create_index(
                name, "jobs", columns, postgresql_where=sa.text(where), postgresql_concurrently=True
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
    for name, _, _ in _INDEXES:
        op.drop_index(name, table_name="jobs", postgresql_concurrently=True, if_exists=True)
