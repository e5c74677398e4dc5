"""How far plans have passed over providers whose breakers are open; and dry runs that nobody has started, by their age."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A runner of the release before, which does not write them, only makes fewer items pending: they stay true.
    op.add_column(
        "plans", sa.Column("passed_over", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("plans", sa.Column("passed_to", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index(
        "plans_never_started", "plans", ["created_at"], postgresql_where=sa.text("started_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("plans_never_started", table_name="plans")
    op.drop_column("plans", "passed_to")
    op.drop_column("plans", "passed_over")
