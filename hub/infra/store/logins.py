"""Who gets in: passwords, one-time links and identities on one side, sessions on the other."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.access import Role
from hub.domain.sessions import LoginKind, SessionLimits
from hub.infra.store.database import Database
from hub.infra.store.operators import noted


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to begin. `former`: the digest of the one that the browser had, which ends."""

    id: UUID
    digest: bytes = field(repr=False)
    kind: LoginKind
    user_agent: str
    audit: UUID
    former: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whose password is to be judged. The guess is counted already."""

    operator: UUID
    email: str
    hash: str = field(repr=False)
    locked: bool


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


# The guess counts before it is judged, under the row's lock: of any number made at once, each counts, and those beyond the
# free ones find the account closed. What turns out right takes the count back.
_GUESS = text("""
UPDATE operators SET
    failed_logins = failed_logins + 1,
    locked_until = now() + NULLIF((CAST(:delays AS interval[]))[least(failed_logins + 1, cardinality(CAST(:delays AS interval[])))],
                                  interval '0')
WHERE email = :email AND disabled_at IS NULL AND password_hash IS NOT NULL
  AND (locked_until IS NULL OR locked_until <= clock_timestamp())
RETURNING id, email, password_hash, locked_until IS NOT NULL
""")

_NOTE_LOCK = text("""
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (:audit, :actor, 'operator.lock', CAST(CAST(:operator AS uuid) AS text), '{}')
""")

# After `moved`, whoever is let in. Sessions that ended long ago go with every new one, so that they do not pile up.
_BEGUN = """
pruned AS (
    DELETE FROM sessions s USING moved m WHERE s.operator_id = m.id AND s.expires_at < now() - interval '30 days'
), ended AS (
    UPDATE sessions SET revoked_at = now()
    WHERE digest = :former AND revoked_at IS NULL AND expires_at > now() - interval '30 days'
), begun AS (
    INSERT INTO sessions (id, digest, operator_id, kind, user_agent, expires_at)
    SELECT :session, :digest, m.id, :kind, :user_agent, now() + least(CAST(:idle AS interval), CAST(:whole AS interval)) FROM moved m
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT CAST(:audit AS uuid), m.email, 'operator.login', CAST(m.id AS text),
           jsonb_build_object('kind', CAST(:kind AS text), 'session', CAST(:session AS uuid)) FROM moved m
)
SELECT id FROM moved
"""

_BY_PASSWORD = text(f"""
WITH moved AS (
    UPDATE operators SET failed_logins = 0, locked_until = NULL, last_login_at = now(),
                         password_hash = coalesce(:renewed, password_hash)
    WHERE id = :operator AND disabled_at IS NULL AND password_hash = :judged RETURNING id, email
), {_BEGUN}
""")  # noqa: S608 - the parts are constants

_BY_LINK = text(f"""
WITH used AS (
    UPDATE login_links SET used_at = now()
    WHERE digest = :link AND used_at IS NULL AND expires_at > now() RETURNING operator_id
), moved AS (
    UPDATE operators o SET failed_logins = 0, locked_until = NULL, last_login_at = now()
    FROM used WHERE o.id = used.operator_id AND o.disabled_at IS NULL RETURNING o.id, o.email
), {_BEGUN}
""")  # noqa: S608 - the parts are constants

_BY_IDENTITY = text(f"""
WITH moved AS (
    UPDATE operators SET last_login_at = now() WHERE id = :operator AND disabled_at IS NULL RETURNING id, email
), {_BEGUN}
""")  # noqa: S608 - the parts are constants

_LINK_IS_GOOD = text("""
SELECT EXISTS (
    SELECT FROM login_links l JOIN operators o ON o.id = l.operator_id
    WHERE l.digest = :link AND l.used_at IS NULL AND l.expires_at > now() AND o.disabled_at IS NULL
)
""")

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
), noted AS ({noted("operator.logout")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants


class LoginStore:
    """Log-ins and sessions."""

    def __init__(self, database: Database, limits: SessionLimits) -> None:
        self._database = database
        self._lasts = {"idle": limits.idle, "whole": limits.whole}

    async def guess(self, email: str, delays: Sequence[timedelta]) -> Candidate | None:
        """Count a guess at somebody's password; None if there is no such operator or none may be made now."""
        rows = await self._database.run(_GUESS, {"email": email, "delays": list(delays)})
        return Candidate(*rows[0]) if rows else None

    async def note_lock(self, operator: UUID, *, audit: UUID, actor: str) -> None:
        """Write down that wrong passwords have closed an account for a while."""
        await self._database.run(_NOTE_LOCK, {"operator": operator, "audit": audit, "actor": actor})

    async def begin_by_password(self, candidate: Candidate, renewed: str | None, new: NewSession) -> bool:
        """Begin a session; False if the password has been changed, or the operator disabled, since it was judged."""
        values = {"operator": candidate.operator, "judged": candidate.hash, "renewed": renewed}
        return bool(await self._database.run(_BY_PASSWORD, {**values, **self._values(new)}))

    async def begin_by_link(self, link: bytes, new: NewSession) -> bool:
        """Use a link up and begin a session; False if it is used up, too old, or none."""
        return bool(await self._database.run(_BY_LINK, {"link": link, **self._values(new)}))

    async def begin_by_identity(self, operator: UUID, new: NewSession) -> bool:
        """Begin a session of somebody whom the identity provider vouches for; False if they are disabled."""
        return bool(await self._database.run(_BY_IDENTITY, {"operator": operator, **self._values(new)}))

    async def is_good(self, link: bytes) -> bool:
        """Whether a link would let somebody in."""
        [(good,)] = await self._database.run(_LINK_IS_GOOD, {"link": link})
        return bool(good)

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

    async def revoke(self, operator: UUID, session: UUID, *, audit: UUID, actor: str) -> bool:
        """End one session of an operator; False if it has ended, or is not theirs."""
        values = {"operator": operator, "session": session, "audit": audit, "actor": actor}
        return bool(await self._database.run(_REVOKE, {**values, "detail": f'{{"session": "{session}"}}'}))

    def _values(self, new: NewSession) -> dict[str, Any]:
        return {
            "session": new.id,
            "digest": new.digest,
            "kind": new.kind.value,
            "user_agent": new.user_agent,
            "audit": new.audit,
            "former": new.former,
            **self._lasts,
        }
