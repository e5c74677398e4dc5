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
    # The rows that are there, of every minute, queue and outcome, are looked at later (0026), without the lock that this needs.
    _allow("'minute', 'hour', 'day'", "NOT VALID")


def downgrade() -> None:
    # The release before knows neither, and would keep them for ever.
    op.execute("DELETE FROM marks WHERE name = 'day_statistics' OR starts_with(name, 'calls:')")
    for table in _TABLES:
        op.execute(f"DELETE FROM {table} WHERE grain = 'day'")  # noqa: S608 - constants
    _allow("'minute', 'hour'")


def _allow(grains: str, how: str = "") -> None:
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_grain_check")
        op.execute(
            f"ALTER TABLE {table} ADD CONSTRAINT {table}_grain_check CHECK (grain IN ({grains})) {how}"
        )
