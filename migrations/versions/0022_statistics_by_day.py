"""Statistics by the day, so that months are read from days instead of from thousands of hours.

Nothing is added up here: the workers do it, and until then days are read from their hours.
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TABLES = ("attempt_statistics", "call_statistics", "queue_statistics")


def upgrade() -> None:
    _allow("'minute', 'hour', 'day'")


def downgrade() -> None:
    op.execute("DELETE FROM marks WHERE name = 'day_statistics'")
    for table in _TABLES:
        op.execute(f"DELETE FROM {table} WHERE grain = 'day'")  # noqa: S608 - constants
    _allow("'minute', 'hour'")


def _allow(grains: str) -> None:
    # A hundred thousand rows at most: reading them under the lock takes no time.
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_grain_check")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_grain_check CHECK (grain IN ({grains}))")
