"""The index that finds what ended with a payment uncertain: a revision of its own, because it may fail and is repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NEW, _OLD = "jobs_uncertain_payments", "jobs_uncertain"


def upgrade() -> None:
    _replace(_OLD, _NEW, "state IN ('failed', 'cancelled')")


def downgrade() -> None:
    _replace(_NEW, _OLD, "state = 'failed' AND reason = 'uncertain'")


def _replace(old: str, new: str, where: str) -> None:
    with op.get_context().autocommit_block():
        # For as long as others' transactions last: nobody waits for what is done concurrently.
        op.execute("SET lock_timeout = 0")
        # A build that was interrupted leaves an invalid index behind, which is written to and never read.
        _drop(new)
        op.create_index(
            new, "jobs", ["settled_at"], postgresql_where=sa.text(where), postgresql_concurrently=True
        )
        _drop(old)
        op.execute("RESET lock_timeout")


def _drop(name: str) -> None:
    op.drop_index(name, table_name="jobs", postgresql_concurrently=True, if_exists=True)
