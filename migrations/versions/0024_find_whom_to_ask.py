"""The index that finds the job of a plan that asks a provider: a revision of its own, because it may fail and is repeated."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_NAME = "plan_items_to_ask"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # For as long as others' transactions last: nobody waits for what is done concurrently.
        op.execute("SET lock_timeout = 0")
        # A build that was interrupted leaves an invalid index behind, which is written to and never read.
        _drop()
        op.create_index(
            _NAME,
            "plan_items",
            ["plan_id", "provider", "position"],
            postgresql_where=sa.text("state = 'pending'"),
            postgresql_concurrently=True,
        )
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        _drop()
        op.execute("RESET lock_timeout")


def _drop() -> None:
    op.drop_index(_NAME, table_name="plan_items", postgresql_concurrently=True, if_exists=True)
