"""Operators as they are kept: each change is one statement, with its line in the audit log.

How they get in is in `hub.infra.store.logins`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.domain.access import Role
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit


@dataclass(frozen=True, slots=True)
class NewOperator:
    """Somebody to be let in. `identity`: issuer and subject, of who comes from the identity provider."""

    id: UUID
    email: str
    name: str
    role: Role
    identity: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class StoredOperator:
    """An operator as they can be shown.

    Attributes:
        role_by_provider: the identity provider gives the role, and takes it away.
        locked_until: until when no password is tried with browsers that they have not logged in with, after wrong ones.
    """

    id: UUID
    email: str
    name: str
    role: Role
    role_by_provider: bool
    has_password: bool
    has_identity: bool
    locked_until: datetime | None
    created_at: datetime
    disabled_at: datetime | None
    last_login_at: datetime | None


_COLUMNS = """id, email, name, role, role_by_provider, password_hash IS NOT NULL, issuer IS NOT NULL,
    CASE WHEN locked_until > now() THEN locked_until END, created_at, disabled_at, last_login_at"""


def noted(action: str, subject: str = "id") -> str:
    """The line in the audit log about what `moved` has changed."""
    return f"""
        INSERT INTO audit_log (id, actor, action, subject, detail)
        SELECT CAST(:audit AS uuid), :actor, '{action}', CAST(m.{subject} AS text), CAST(:detail AS jsonb) FROM moved m
    """  # noqa: S608 - the parts are constants


_CREATE = text(f"""
WITH moved AS (
    INSERT INTO operators (id, email, name, role, role_by_provider, issuer, subject)
    VALUES (:id, :email, :name, :role, CAST(:issuer AS text) IS NOT NULL, :issuer, :subject)
    ON CONFLICT DO NOTHING
    RETURNING *
), noted AS ({noted("operator.create")})
SELECT {_COLUMNS} FROM moved
""")  # noqa: S608 - the parts are constants

_LIST = text(f"SELECT {_COLUMNS} FROM operators ORDER BY disabled_at IS NOT NULL, email LIMIT :limit")  # noqa: S608 - as above
_FIND = text(f"SELECT {_COLUMNS} FROM operators WHERE email = :email")  # noqa: S608
_GET = text(f"SELECT {_COLUMNS} FROM operators WHERE id = :id")  # noqa: S608
_ANY = text("SELECT EXISTS (SELECT FROM operators WHERE disabled_at IS NULL)")

# Before what may take an administrator away, so that of two who take each other's role only one is in time: a statement
# that waits for a lock goes on to look at the other rows as they were before it waited.
_LOCK_ADMINS = text(
    "SELECT FROM operators WHERE role = 'admin' AND disabled_at IS NULL OR id = :id ORDER BY id FOR NO KEY UPDATE"
)
# Before what ends all of somebody's sessions, for the same reason: a log-in that is being written down is ended, too.
_LOCK = text("SELECT FROM operators WHERE id = :id FOR NO KEY UPDATE")
_IS_SPARE = """NOT (o.role = 'admin' AND o.disabled_at IS NULL AND NOT EXISTS (
    SELECT FROM operators other WHERE other.role = 'admin' AND other.disabled_at IS NULL AND other.id <> o.id))"""

_SET_ROLE = text(f"""
WITH moved AS (
    UPDATE operators o SET role = :role, role_by_provider = false
    WHERE id = :id AND (role <> :role OR role_by_provider) AND (:role = 'admin' OR {_IS_SPARE}) RETURNING id
), noted AS ({noted("operator.role")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

# As the identity provider says. It is noted, too, when the last administrator's stays.
_FOLLOW_ROLE = text(f"""
WITH asked AS (
    SELECT id, :role = 'admin' OR {_IS_SPARE} AS moves FROM operators o
    WHERE id = :id AND role_by_provider AND role <> :role
), moved AS (
    UPDATE operators o SET role = :role FROM asked a
    WHERE o.id = a.id AND a.moves AND o.role_by_provider AND o.role <> :role RETURNING o.id
), noted AS ({noted("operator.role")}), kept AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT CAST(:audit AS uuid), :actor, 'operator.role-kept', CAST(id AS text), CAST(:detail AS jsonb)
    FROM asked WHERE NOT moves
)
SELECT moves FROM asked
""")  # noqa: S608 - the parts are constants

_END_ALL = text(f"""
WITH ended AS (
    UPDATE sessions SET revoked_at = now() WHERE operator_id = :id AND revoked_at IS NULL RETURNING operator_id AS id
), moved AS (SELECT DISTINCT id FROM ended), noted AS ({noted("operator.logout")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

# Whoever is locked out is out at once: their sessions end, and what was to let them in does not.
_SHUT_OUT = """
    UPDATE sessions s SET revoked_at = now() FROM moved m WHERE s.operator_id = m.id AND s.revoked_at IS NULL
), withdrawn AS (
    DELETE FROM login_links l USING moved m WHERE l.operator_id = m.id AND l.used_at IS NULL
), forgotten AS (
    DELETE FROM devices d USING moved m WHERE d.operator_id = m.id
"""

_DISABLE = text(f"""
WITH moved AS (
    UPDATE operators o SET disabled_at = now()
    WHERE id = :id AND disabled_at IS NULL AND {_IS_SPARE} RETURNING id
), ended AS ({_SHUT_OUT}), noted AS ({noted("operator.disable")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_ENABLE = text(f"""
WITH moved AS (
    UPDATE operators SET disabled_at = NULL, failed_logins = 0, locked_until = NULL
    WHERE id = :id AND disabled_at IS NOT NULL RETURNING id
), noted AS ({noted("operator.enable")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_RESET = text(f"""
WITH moved AS (
    UPDATE operators SET password_hash = NULL, failed_logins = 0, locked_until = NULL
    WHERE id = :id RETURNING id
), ended AS ({_SHUT_OUT}), noted AS ({noted("operator.reset")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

# Every other session ends, and no other browser is known any more: whoever knew the old password may have one.
# Set by whoever is in, it gives strangers who guess no new tries; set from outside (by the command), it lets in everywhere.
_SET_PASSWORD = text(f"""
WITH moved AS (
    UPDATE operators SET password_hash = :hash,
                         failed_logins = CASE WHEN CAST(:kept AS uuid) IS NULL THEN 0 ELSE failed_logins END,
                         locked_until = CASE WHEN CAST(:kept AS uuid) IS NOT NULL THEN locked_until END
    WHERE id = :id AND disabled_at IS NULL RETURNING id
), ended AS (
    UPDATE sessions s SET revoked_at = now() FROM moved m
    WHERE s.operator_id = m.id AND s.revoked_at IS NULL AND s.id IS DISTINCT FROM CAST(:kept AS uuid)
), withdrawn AS (
    DELETE FROM login_links l USING moved m WHERE l.operator_id = m.id AND l.used_at IS NULL
), forgotten AS (
    DELETE FROM devices d USING moved m
    WHERE d.operator_id = m.id AND (d.session_id = CAST(:kept AS uuid)) IS NOT TRUE
), freed AS (
    UPDATE devices d SET failed_logins = 0, locked_until = NULL FROM moved m
    WHERE d.operator_id = m.id AND d.session_id = CAST(:kept AS uuid)
), noted AS ({noted("operator.password")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_LINK = text(f"""
WITH moved AS (
    SELECT id FROM operators WHERE id = :id AND disabled_at IS NULL
), pruned AS (
    DELETE FROM login_links l USING moved m WHERE l.operator_id = m.id AND l.expires_at < now()
), made AS (
    INSERT INTO login_links (digest, operator_id, expires_at)
    SELECT :digest, id, now() + CAST(:lasts AS interval) FROM moved RETURNING expires_at
), noted AS ({noted("operator.link")})
SELECT expires_at FROM made
""")  # noqa: S608 - the parts are constants


class OperatorStore:
    """Operators. Methods that change say whether they did; if not, nothing was changed or noted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, new: NewOperator, audit: Audit) -> StoredOperator | None:
        """Store an operator; None if somebody has this address, or this identity, already."""
        issuer, subject = new.identity or (None, None)
        rows = await self._database.run(
            _CREATE,
            _values(
                audit,
                id=new.id,
                email=new.email,
                name=new.name,
                role=new.role.value,
                issuer=issuer,
                subject=subject,
            ),
        )
        return _operator(rows[0]) if rows else None

    async def all(self, limit: int) -> list[StoredOperator]:
        """Operators by address, those who are disabled last."""
        return [_operator(row) for row in await self._database.run(_LIST, {"limit": limit})]

    async def find(self, email: str) -> StoredOperator | None:
        """Whoever has an address."""
        return next((_operator(row) for row in await self._database.run(_FIND, {"email": email})), None)

    async def get(self, operator: UUID) -> StoredOperator | None:
        """Whoever has an id."""
        return next((_operator(row) for row in await self._database.run(_GET, {"id": operator})), None)

    async def is_anybody(self) -> bool:
        """Whether there is an operator who could log in."""
        [(found,)] = await self._database.run(_ANY)
        return bool(found)

    async def set_role(self, operator: UUID, role: Role, audit: Audit) -> bool:
        """Give another role, unless it is the last administrator's."""
        return await self._after(_LOCK_ADMINS, _SET_ROLE, audit, id=operator, role=role.value)

    async def follow_role(self, operator: UUID, role: Role, audit: Audit) -> bool:
        """Give the role that the identity provider says, if it gave the one before; False if it is the last administrator."""
        async with self._database.transaction() as connection:
            return await self._follow(connection, operator, role, audit)

    async def withdraw_role(self, operator: UUID, audit: Audit, logout: Audit) -> bool:
        """Take the role that the identity provider gave, as far as there is less, and end their sessions.

        False if it is the last administrator, who keeps it; their sessions end all the same.
        """
        async with self._database.transaction() as connection:
            moves = await self._follow(connection, operator, Role.VIEWER, audit)
            await connection.execute(_END_ALL, _values(logout, id=operator))
        return moves

    async def disable(self, operator: UUID, audit: Audit) -> bool:
        """Let somebody in no more, and end their sessions; not the last administrator."""
        return await self._after(_LOCK_ADMINS, _DISABLE, audit, id=operator)

    async def enable(self, operator: UUID, audit: Audit) -> bool:
        """Let somebody in again."""
        return bool(await self._database.run(_ENABLE, _values(audit, id=operator)))

    async def reset(self, operator: UUID, audit: Audit) -> bool:
        """Take the password away, the lock-out with it, and end all sessions."""
        return await self._after(_LOCK, _RESET, audit, id=operator)

    async def set_password(self, operator: UUID, hashed: str, audit: Audit, *, kept: UUID | None) -> bool:
        """Set a password; every session ends but the `kept` one, and every browser is forgotten but the one it is in."""
        return await self._after(_LOCK, _SET_PASSWORD, audit, id=operator, hash=hashed, kept=kept)

    async def add_link(self, operator: UUID, digest: bytes, lasts: object, audit: Audit) -> datetime | None:
        """Let somebody in once, by a token with this digest; gives until when, None if they are disabled."""
        rows = await self._database.run(_LINK, _values(audit, id=operator, digest=digest, lasts=lasts))
        return rows[0][0] if rows else None

    async def _follow(self, connection: AsyncConnection, operator: UUID, role: Role, audit: Audit) -> bool:
        await connection.execute(_LOCK_ADMINS, {"id": operator})
        values = _values(audit, id=operator, role=role.value)
        return (await connection.execute(_FOLLOW_ROLE, values)).scalar() is not False

    async def _after(self, lock: TextClause, statement: TextClause, audit: Audit, **values: object) -> bool:
        async with self._database.transaction() as connection:
            await connection.execute(lock, {"id": values["id"]})
            return bool((await connection.execute(statement, _values(audit, **values))).all())


def _operator(row: Sequence[Any]) -> StoredOperator:
    identifier, email, name, role, *rest = row
    return StoredOperator(identifier, email, name, Role(role), *rest)


def _values(audit: Audit, **values: object) -> dict[str, object]:
    return {**values, "audit": audit.id, "actor": audit.actor, "detail": audit.detail}
