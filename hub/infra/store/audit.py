"""Reading the audit log, by page and along its chain. It is written by the statements that change something."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.audit import Link
from hub.infra.store.database import Database
from hub.infra.store.reading import Where

_BATCH = 1_000
_LAST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """A row."""

    seq: int
    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: bytes
    hash: bytes


# Every column that the chain is made of, as text, exactly as the database hashes it.
_LINKS = text("""
SELECT seq, CAST(id AS text), to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       actor, action, subject, CAST(detail AS text), previous, hash
FROM audit_log WHERE seq > :after ORDER BY seq LIMIT :batch
""")

# Times rise along the chain, so a time is a place in it.
SINCE = "a.seq >= coalesce((SELECT seq FROM audit_log WHERE at >= :since ORDER BY at, seq LIMIT 1), :last)"
UNTIL = "a.seq < coalesce((SELECT seq FROM audit_log WHERE at >= :until ORDER BY at, seq LIMIT 1), :last)"


class AuditStore:
    """The log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, where: Where, limit: int) -> list[AuditRecord]:
        """Rows, newest first; `a` is the table."""
        statement = text(f"""
            SELECT a.seq, a.id, a.at, a.actor, a.action, a.subject, a.detail, a.previous, a.hash
            FROM audit_log a WHERE {where} ORDER BY a.seq DESC LIMIT :limit
        """)  # noqa: S608 - conditions are constants, values are parameters
        values = {**where.values, "limit": limit}
        if ":last" in str(where):
            values["last"] = _LAST
        return [AuditRecord(*row) for row in await self._database.run(statement, values)]

    async def actions(self) -> list[str]:
        """Every action there has been, by name. One step of an index for each."""
        rows = await self._database.run(_ACTIONS)
        return [row[0] for row in rows]

    async def links(self) -> AsyncIterator[Link]:
        """Every row from the first to the last, a thousand at a time."""
        after = -_LAST
        while rows := await self._database.run(_LINKS, {"after": after, "batch": _BATCH}):
            for row in rows:
                yield Link(*row)
            after = rows[-1][0]


# A loose index scan: PostgreSQL's DISTINCT would read every row.
_ACTIONS = text("""
WITH RECURSIVE found AS (
    (SELECT action FROM audit_log ORDER BY action LIMIT 1)
    UNION ALL
    SELECT (SELECT a.action FROM audit_log a WHERE a.action > f.action ORDER BY a.action LIMIT 1)
    FROM found f WHERE f.action IS NOT NULL
)
SELECT action FROM found WHERE action IS NOT NULL LIMIT 200
""")
