"""Browsers that operators have logged in with, each with a count of wrong passwords of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("devices_digest_check")),
        sa.ForeignKeyConstraint(["operator_id"], ["operators.id"], name=op.f("devices_operator_id_fkey")),
        sa.PrimaryKeyConstraint("digest", name=op.f("devices_pkey")),
    )
    op.create_index("devices_of_operator", "devices", ["operator_id"])


def downgrade() -> None:
    op.drop_table("devices")
