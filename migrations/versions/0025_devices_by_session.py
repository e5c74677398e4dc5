"""The session that a browser is known by, so that it is forgotten with it, and by a new password."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of those before it is not known: the next new password forgets them.
    op.add_column("devices", sa.Column("session_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("devices", "session_id")
