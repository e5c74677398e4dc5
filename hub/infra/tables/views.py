"""Searches that people keep."""

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Table, Text, Uuid, text

from hub.domain.views import Listed
from hub.infra.tables.base import metadata, one_of, time
from hub.infra.tables.work import jobs

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Uuid, primary_key=True),
    # Whose it is; null for everybody's. No foreign key: whoever runs a command is in no table.
    Column("owner_id", Uuid),
    Column("page", Text, nullable=False),
    Column("name", Text, nullable=False),
    # As typed, so that `since:2h` stays two hours before whenever it is looked at.
    Column("query", Text, nullable=False),
    # What the page shows its owner who asks for nothing else.
    Column("is_default", Boolean, nullable=False, server_default=text("false")),
    time("created_at", default=True),
    one_of("page", Listed),
    CheckConstraint("name <> ''", name="name"),
    CheckConstraint("owner_id IS NOT NULL OR NOT is_default", name="default"),
)

Index(
    "saved_views_name",
    saved_views.c.owner_id,
    saved_views.c.page,
    saved_views.c.name,
    unique=True,
    postgresql_where=text("owner_id IS NOT NULL"),
)
Index(
    "saved_views_shared_name",
    saved_views.c.page,
    saved_views.c.name,
    unique=True,
    postgresql_where=text("owner_id IS NULL"),
)
# Lists of what few jobs come to; the others are not in them.
Index("jobs_cancelled", jobs.c.id, postgresql_where=text("state = 'cancelled'"))
Index("jobs_list_by_parent", jobs.c.parent_id, jobs.c.id, postgresql_where=text("parent_id IS NOT NULL"))
