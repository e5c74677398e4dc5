"""Sessions of operators, from when they have begun until they end."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from hub.domain.access import Role
from hub.domain.sessions import LoginKind, SessionLimits
from hub.infra.store.database import Database
from hub.infra.store.operators import noted


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended, and whose it is."""

    id: UUID
    operator: UUID
    email: str
    name: str
    role: Role
    kind: LoginKind
    created_at: datetime
    age: timedelta
    has_password: bool


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as its owner sees it."""

    id: UUID
    kind: LoginKind
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


# Being seen is written once a minute, not at every request.
_SEEN = text("""
WITH found AS (
    SELECT s.id, s.operator_id, o.email, o.name, o.role, s.kind, s.created_at, s.last_seen_at,
           o.password_hash IS NOT NULL AS has_password
    FROM sessions s JOIN operators o ON o.id = s.operator_id
    WHERE s.digest = :digest AND s.revoked_at IS NULL AND s.expires_at > now() AND o.disabled_at IS NULL
), touched AS (
    UPDATE sessions s SET
        last_seen_at = now(), expires_at = least(now() + CAST(:idle AS interval), s.created_at + CAST(:whole AS interval))
    FROM found f WHERE :used AND s.id = f.id AND f.last_seen_at < now() - interval '1 minute'
)
SELECT id, operator_id, email, name, role, kind, created_at, now() - created_at, has_password FROM found
""")

_STANDING = text("""
SELECT s.id, o.role FROM sessions s JOIN operators o ON o.id = s.operator_id
WHERE s.id = ANY(:sessions) AND s.revoked_at IS NULL AND s.expires_at > now() AND o.disabled_at IS NULL
""")

_SESSIONS = text("""
SELECT id, kind, user_agent, created_at, last_seen_at, expires_at FROM sessions
WHERE operator_id = :operator AND revoked_at IS NULL AND expires_at > now() ORDER BY id DESC LIMIT 100
""")

_REVOKE = text(f"""
WITH moved AS (
    UPDATE sessions SET revoked_at = now()
    WHERE id = :session AND operator_id = :operator AND revoked_at IS NULL AND expires_at > now()
    RETURNING operator_id AS id
), forgotten AS (
    DELETE FROM devices d USING moved m WHERE :forgotten AND d.operator_id = m.id AND d.session_id = :session
), noted AS ({noted("operator.logout")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants


class SessionStore:
    """Sessions: whose they are, and when they end."""

    def __init__(self, database: Database, limits: SessionLimits) -> None:
        self._database = database
        self._lasts = {"idle": limits.idle, "whole": limits.whole}

    async def seen(self, digest: bytes, *, used: bool) -> LiveSession | None:
        """The session with a token of this digest, if it has not ended; its end moves on if it is used."""
        rows = await self._database.run(_SEEN, {"digest": digest, "used": used, **self._lasts})
        if not rows:
            return None
        session, operator, email, name, role, kind, *rest = rows[0]
        return LiveSession(session, operator, email, name, Role(role), LoginKind(kind), *rest)

    async def standing(self, sessions: Collection[UUID]) -> dict[UUID, Role]:
        """Those of these sessions that have not ended, and the role that each gives now."""
        rows = await self._database.run(_STANDING, {"sessions": list(sessions)})
        return {session: Role(role) for session, role in rows}

    async def sessions(self, operator: UUID) -> list[StoredSession]:
        """An operator's sessions that have not ended, newest first."""
        rows = await self._database.run(_SESSIONS, {"operator": operator})
        return [StoredSession(row[0], LoginKind(row[1]), *row[2:]) for row in rows]

    async def revoke(
        self, operator: UUID, session: UUID, *, forgotten: bool, audit: UUID, actor: str
    ) -> bool:
        """End one session of an operator; False if it has ended, or is not theirs. `forgotten`: so is its browser."""
        values = {
            "operator": operator,
            "session": session,
            "forgotten": forgotten,
            "audit": audit,
            "actor": actor,
        }
        return bool(await self._database.run(_REVOKE, {**values, "detail": f'{{"session": "{session}"}}'}))
