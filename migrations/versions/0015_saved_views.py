"""Searches that people keep."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("page", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("page IN ('jobs', 'events')", name=op.f("saved_views_page_check")),
        sa.CheckConstraint("name <> ''", name=op.f("saved_views_name_check")),
        sa.CheckConstraint("owner_id IS NOT NULL OR NOT is_default", name=op.f("saved_views_default_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("saved_views_pkey")),
    )
    op.create_index(
        "saved_views_name",
        "saved_views",
        ["owner_id", "page", "name"],
        unique=True,
        postgresql_where=sa.text("owner_id IS NOT NULL"),
    )
    op.create_index(
        "saved_views_shared_name",
        "saved_views",
        ["page", "name"],
        unique=True,
        postgresql_where=sa.text("owner_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("saved_views")
