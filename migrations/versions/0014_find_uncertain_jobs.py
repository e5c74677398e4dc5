"""The index that finds jobs whose effect is uncertain: a revision of its own, because it may fail and is repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # For as long as others' transactions last: nobody waits for what is done concurrently.
        op.execute("SET lock_timeout = 0")
        # A build that was interrupted leaves an invalid index behind, which is written to and never read.
        _drop()
        op.create_index(
            "jobs_uncertain",
            "jobs",
            ["settled_at"],
            postgresql_where=sa.text("state = 'failed' AND reason = 'uncertain'"),
            postgresql_concurrently=True,
        )
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        _drop()
        op.execute("RESET lock_timeout")


def _drop() -> None:
    op.drop_index("jobs_uncertain", table_name="jobs", postgresql_concurrently=True, if_exists=True)
