"""The application whose key proposed an edit: another key of it is no second party."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of what was proposed before it is not known, so that it takes a person to approve it.
    op.add_column("job_edits", sa.Column("proposed_application", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("job_edits_proposed_application_fkey"),
        "job_edits",
        "applications",
        ["proposed_application"],
        ["id"],
    )


def downgrade() -> None:
    op.drop_column("job_edits", "proposed_application")
