"""Who gets in: by a password, a one-time link or an identity, and each begins a session.

What goes before is in `hub.infra.store.guesses`, what comes after in `hub.infra.store.sessions`.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text

from hub.domain.sessions import LoginKind, SessionLimits
from hub.infra.store.database import Database
from hub.infra.store.guesses import Candidate


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to begin.

    Attributes:
        digest: of its token.
        device: of what its browser keeps to be known by.
        former: of the token of the session that the browser had, which ends.
        former_device: of what it was known by until now.
    """

    id: UUID
    digest: bytes = field(repr=False)
    device: bytes = field(repr=False)
    kind: LoginKind
    user_agent: str
    audit: UUID
    former: bytes | None = field(default=None, repr=False)
    former_device: bytes | None = field(default=None, repr=False)


# After `moved`, whoever is let in. Sessions that ended long ago go with every new one, so that they do not pile up; and so do
# browsers beyond those that logged in last, as each of them may guess by itself.
_BEGUN = """
pruned AS (
    DELETE FROM sessions s USING moved m WHERE s.operator_id = m.id AND s.expires_at < now() - interval '30 days'
), ended AS (
    UPDATE sessions s SET revoked_at = now() FROM moved m
    WHERE s.digest = :former AND s.revoked_at IS NULL AND s.expires_at > now() - interval '30 days'
), replaced AS (
    DELETE FROM devices d USING moved m WHERE d.digest = :former_device
), forgotten AS (
    DELETE FROM devices d USING moved m WHERE d.operator_id = m.id AND d.created_at < now() - CAST(:kept AS interval)
), beyond AS (
    DELETE FROM devices d USING moved m
    WHERE d.operator_id = m.id AND d.digest IN (
        SELECT e.digest FROM devices e WHERE e.operator_id = m.id AND e.digest IS DISTINCT FROM CAST(:former_device AS bytea)
        ORDER BY e.created_at DESC OFFSET :others)
), known AS (
    INSERT INTO devices (digest, operator_id, session_id) SELECT :device, m.id, :session FROM moved m
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

# Strangers' guesses go on counting when a browser is let in that has a count of its own.
_BY_PASSWORD = text(f"""
WITH moved AS (
    UPDATE operators SET failed_logins = CASE WHEN :known THEN failed_logins ELSE 0 END,
                         locked_until = CASE WHEN :known THEN locked_until END,
                         last_login_at = now(), password_hash = coalesce(:renewed, password_hash)
    WHERE id = :operator AND disabled_at IS NULL AND password_hash = :judged RETURNING id, email
), {_BEGUN}
""")  # noqa: S608 - the parts are constants

# The operator first, as whatever ends all of somebody's links does.
_BY_LINK = text(f"""
WITH whose AS MATERIALIZED (
    SELECT o.id FROM operators o JOIN login_links l ON l.operator_id = o.id WHERE l.digest = :link FOR NO KEY UPDATE OF o
), used AS (
    UPDATE login_links l SET used_at = now() FROM whose w
    WHERE l.digest = :link AND l.operator_id = w.id AND l.used_at IS NULL AND l.expires_at > now() RETURNING l.operator_id
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


class LoginStore:
    """Lets operators in."""

    def __init__(self, database: Database, limits: SessionLimits) -> None:
        self._database = database
        self._limits = {
            "idle": limits.idle,
            "whole": limits.whole,
            "kept": limits.device,
            "others": limits.devices - 1,
        }

    async def begin_by_password(self, candidate: Candidate, renewed: str | None, new: NewSession) -> bool:
        """Begin a session; False if the password has been changed, or the operator disabled, since it was judged."""
        values = {
            "operator": candidate.operator,
            "judged": candidate.hash,
            "renewed": renewed,
            "known": candidate.known,
        }
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

    def _values(self, new: NewSession) -> dict[str, Any]:
        return {
            "session": new.id,
            "digest": new.digest,
            "kind": new.kind.value,
            "user_agent": new.user_agent,
            "audit": new.audit,
            "device": new.device,
            "former": new.former,
            "former_device": new.former_device,
            **self._limits,
        }
