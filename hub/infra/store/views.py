"""Saved views: each change is one statement, with its line in the audit log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError

from hub.domain.errors import Conflict
from hub.domain.views import MAX_VIEWS, Listed, NewView, SavedView
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit

_COLUMNS = "id, name, page, query, owner_id IS NULL, is_default, created_at"


def _noted(action: str) -> str:
    return f"""noted AS (
        INSERT INTO audit_log (id, actor, action, subject, detail)
        SELECT CAST(:audit AS uuid), :actor, '{action}', CAST(m.id AS text),
               jsonb_build_object('name', m.name, 'page', m.page, 'query', m.query, 'shared', m.owner_id IS NULL)
        FROM moved m
    )"""  # noqa: S608 - the parts are constants


_LIST = text(f"""
SELECT {_COLUMNS} FROM saved_views
WHERE (owner_id = CAST(:owner AS uuid) OR owner_id IS NULL) AND page = coalesce(CAST(:page AS text), page)
ORDER BY page DESC, owner_id IS NULL, name LIMIT {2 * 2 * MAX_VIEWS}
""")  # noqa: S608 - the parts are constants

_CREATE = text(f"""
WITH moved AS (
    INSERT INTO saved_views (id, owner_id, page, name, query)
    SELECT CAST(:id AS uuid), CAST(:kept_by AS uuid), :page, :name, :query
    WHERE (SELECT count(*) FROM saved_views
           WHERE owner_id IS NOT DISTINCT FROM CAST(:kept_by AS uuid) AND page = :page) < {MAX_VIEWS}
    RETURNING *
), {_noted("view.create")}
SELECT {_COLUMNS} FROM moved
""")  # noqa: S608 - the parts are constants

_CHANGE = text(f"""
WITH moved AS (
    UPDATE saved_views SET name = :name, query = :query
    WHERE id = CAST(:id AS uuid) AND (owner_id = CAST(:owner AS uuid) OR (owner_id IS NULL AND :shares))
    RETURNING *
), {_noted("view.change")}
SELECT {_COLUMNS} FROM moved
""")  # noqa: S608 - the parts are constants

# What a page begins with is its owner's own affair, and of no interest to an audit.
_BEGIN_WITH = text("""
UPDATE saved_views v SET is_default = (v.id = w.id AND :begin)
FROM saved_views w
WHERE w.id = CAST(:id AS uuid) AND w.owner_id = CAST(:owner AS uuid) AND v.owner_id = w.owner_id AND v.page = w.page
RETURNING v.id
""")

_DELETE = text(f"""
WITH moved AS (
    DELETE FROM saved_views
    WHERE id = CAST(:id AS uuid) AND (owner_id = CAST(:owner AS uuid) OR (owner_id IS NULL AND :shares))
    RETURNING *
), {_noted("view.delete")}
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants


class ViewStore:
    """Reads and writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, owner: UUID, page: Listed | None = None) -> list[SavedView]:
        """One's own and everybody's, by page; one's own come first."""
        rows = await self._database.run(_LIST, {"owner": owner, "page": page and page.value})
        return [_view(row) for row in rows]

    async def create(self, id_: UUID, view: NewView, owner: UUID, audit: Audit) -> SavedView | None:
        """Keep one; None if there are too many. Raises Conflict where there is one of that name."""
        values = {
            "id": id_,
            "kept_by": None if view.shared else owner,
            "page": view.page.value,
            "name": view.name,
            "query": view.query,
        }
        return await self._changed(_CREATE, values | _who(audit), view.name)

    async def change(
        self, id_: UUID, name: str, query: str, owner: UUID, audit: Audit, *, shares: bool
    ) -> SavedView | None:
        """Give it another name or search; None if there is none that they may change. Raises Conflict as `create` does."""
        values = {"id": id_, "name": name, "query": query, "owner": owner, "shares": shares}
        return await self._changed(_CHANGE, values | _who(audit), name)

    async def begin_with(self, id_: UUID, owner: UUID, *, begin: bool) -> bool:
        """Let its page begin with it, or not any more; whether there is one of their own."""
        return bool(await self._database.run(_BEGIN_WITH, {"id": id_, "owner": owner, "begin": begin}))

    async def delete(self, id_: UUID, owner: UUID, audit: Audit, *, shares: bool) -> bool:
        """Forget it; whether there was one that they may delete."""
        values = {"id": id_, "owner": owner, "shares": shares}
        return bool(await self._database.run(_DELETE, values | _who(audit)))

    async def _changed(self, statement: TextClause, values: Mapping[str, Any], name: str) -> SavedView | None:
        try:
            rows = await self._database.run(statement, values)
        except IntegrityError as error:
            raise Conflict(f"there is a view {name!r} already", code="name_taken") from error
        return _view(rows[0]) if rows else None


def _who(audit: Audit) -> dict[str, Any]:
    return {"audit": audit.id, "actor": audit.actor}


def _view(row: Any) -> SavedView:
    return SavedView(row[0], row[1], Listed(row[2]), row[3], row[4], row[5], row[6])
