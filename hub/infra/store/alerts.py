"""Alerts as they are told and shown. What is told and the jobs that tell it are one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.alerts import PASSING, AlertKind, Standing, Told
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert's row."""

    id: UUID
    kind: str
    subject: str
    title: str
    detail: str
    path: str
    raised_at: datetime
    last_seen_at: datetime
    count: int
    resolved_at: datetime | None
    told_at: datetime | None
    deliveries: int


@dataclass(frozen=True, slots=True)
class Pending:
    """What there is to tell, and when: `now` by the database's clock, `last` when the last message went."""

    now: datetime
    last: datetime | None
    oldest: datetime | None
    told: list[Told]


@dataclass(frozen=True, slots=True)
class TellingJob:
    """A job that tells; `args` is JSON."""

    id: UUID
    name: str
    args: str = field(repr=False)
    queue: str
    priority: int


_TURN = text("SELECT upto, now() FROM marks WHERE name = 'alerts.told' FOR UPDATE SKIP LOCKED")
_BEGIN = text("INSERT INTO marks (name, upto) VALUES ('alerts.told', '-infinity') ON CONFLICT DO NOTHING")

_PENDING = text("""
SELECT id, kind, title, detail, path, standing, since FROM (
    SELECT *, CASE WHEN resolved_at IS NULL THEN 'new' ELSE 'over' END AS standing, raised_at AS since
    FROM alerts WHERE told_at IS NULL AND end_told_at IS NULL
    UNION ALL
    SELECT *, 'over', resolved_at FROM alerts
    WHERE resolved_at IS NOT NULL AND end_told_at IS NULL AND told_at IS NOT NULL AND kind = ANY(CAST(:passing AS text[]))
    UNION ALL
    -- Marked as told while there was no channel, so that nobody was.
    SELECT *, 'new', raised_at FROM alerts
    WHERE resolved_at IS NULL AND told_at IS NOT NULL AND deliveries = 0 AND :heard
    UNION ALL
    SELECT *, 'still', told_at + make_interval(secs => :remind) FROM alerts
    WHERE resolved_at IS NULL AND told_at < now() - make_interval(secs => :remind) AND :remind > 0
        AND (deliveries > 0 OR NOT :heard)
) pending
ORDER BY since, id LIMIT 1000
""")

# By what was read and told: an alert may have come to its end since, and of that people are told the next time.
_MARK = text("""
UPDATE alerts a SET
    told_at = CASE WHEN t.standing <> 'over' OR told_at IS NULL THEN now() ELSE told_at END,
    end_told_at = CASE WHEN t.standing = 'over' THEN now() ELSE end_told_at END,
    deliveries = deliveries + :deliveries
FROM unnest(CAST(:ids AS uuid[]), CAST(:standings AS text[])) AS t(id, standing) WHERE a.id = t.id
""")

_TELL = text("UPDATE marks SET upto = now() WHERE name = 'alerts.told'")

_ENQUEUE = text("""
INSERT INTO jobs (id, name, args, queue, priority, correlation_id, state, run_at)
SELECT n.id, n.name, CAST(n.args AS jsonb), n.queue, n.priority, 'alerts-' || n.id, 'queued', now()
FROM unnest(CAST(:id AS uuid[]), CAST(:name AS text[]), CAST(:args AS text[]), CAST(:queue AS text[]),
            CAST(:priority AS smallint[])) AS n(id, name, args, queue, priority)
""")

_NOTE = text("""
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (CAST(:audit AS uuid), :actor, 'alerts.test', 'alerts', CAST(:detail AS jsonb))
""")

_COLUMNS = """
    id, kind, subject, title, detail, path, raised_at, last_seen_at, count, resolved_at, told_at, deliveries
"""
_OPEN = text(f"""
SELECT {_COLUMNS} FROM alerts WHERE resolved_at IS NULL ORDER BY raised_at DESC, id DESC LIMIT :limit
""")  # noqa: S608 - constants
_ALL = text(f"""
SELECT {_COLUMNS} FROM alerts
WHERE (CAST(:after AS uuid) IS NULL OR id < CAST(:after AS uuid)) AND (:past = false OR resolved_at IS NOT NULL)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - constants

Telling = Callable[[Sequence[Told]], Sequence[TellingJob]]


class AlertStore:
    """Tells of alerts by jobs, and shows them. Each raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(
        self, remind: timedelta, is_time: Callable[[Pending], bool], telling: Telling, *, heard: bool
    ) -> int | None:
        """Make the jobs that tell of what nobody was told of yet; gives how many alerts they tell of.

        None where it is not time, there is nothing to tell, or another process is at it.

        Args:
            remind: how often to tell of what lasts; nought for never.
            is_time: whether to tell now.
            telling: the jobs for what there is to tell; none where there is no channel.
            heard: whether there is a channel: what lasts since before there was one is told then.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN)
            turn = (await connection.execute(_TURN)).first()
            if turn is None:
                return None
            ids, pending = await self._pending(connection, remind, turn, heard=heard)
            if not ids or not is_time(pending):
                return None
            jobs = telling(pending.told)
            await _enqueue(connection, jobs)
            standings = [one.standing.value for one in pending.told]
            await connection.execute(_MARK, {"ids": ids, "standings": standings, "deliveries": len(jobs)})
            await connection.execute(_TELL)
            return len(ids)

    async def enqueue(self, jobs: Sequence[TellingJob], audit: Audit) -> None:
        """Make jobs that a person asked for."""
        async with self._database.transaction() as connection:
            await _enqueue(connection, jobs)
            await connection.execute(_NOTE, {"audit": audit.id, "actor": audit.actor, "detail": audit.detail})

    async def open(self, limit: int) -> list[AlertRecord]:
        """What is not over, the latest first."""
        return [AlertRecord(*row) for row in await self._database.run(_OPEN, {"limit": limit})]

    async def all(self, limit: int, *, after: UUID | None = None, past: bool = False) -> list[AlertRecord]:
        """Every alert, or every one that is over, newest first."""
        values = {"limit": limit, "after": after, "past": past}
        return [AlertRecord(*row) for row in await self._database.run(_ALL, values)]

    async def _pending(
        self, connection: AsyncConnection, remind: timedelta, turn: Any, *, heard: bool
    ) -> tuple[list[UUID], Pending]:
        values = {
            "remind": remind.total_seconds(),
            "passing": [kind.value for kind in sorted(PASSING)],
            "heard": heard,
        }
        rows = (await connection.execute(_PENDING, values)).all()
        told = [
            Told(AlertKind(row.kind), Standing(row.standing), row.title, row.detail, row.path) for row in rows
        ]
        last = turn[0] if isinstance(turn[0], datetime) and turn[0].year > 1 else None
        return [row.id for row in rows], Pending(turn[1], last, rows[0].since if rows else None, told)


async def _enqueue(connection: AsyncConnection, jobs: Sequence[TellingJob]) -> None:
    if jobs:
        columns = {
            name: [getattr(job, name) for job in jobs] for name in ("id", "name", "args", "queue", "priority")
        }
        await connection.execute(_ENQUEUE, columns)
