"""Who operators are at the identity provider, and the log-ins that are there now."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from hub.domain.access import Role
from hub.infra.store.database import Database
from hub.infra.store.operators import noted


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the identity provider knows them."""

    operator: UUID
    email: str
    role: Role
    role_by_provider: bool
    disabled: bool
    bound: bool


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A log-in that is at the identity provider; `browser` is the digest of the cookie of who began it."""

    browser: bytes
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next_path: str


_IDENTITY = text("""
SELECT id, email, role, role_by_provider, disabled_at IS NOT NULL, issuer IS NOT NULL FROM operators
WHERE issuer = :issuer AND subject = :subject
   OR issuer IS NULL AND email = :email
ORDER BY issuer NULLS LAST LIMIT 1
""")

_BIND = text(f"""
WITH moved AS (
    UPDATE operators SET issuer = :issuer, subject = :subject
    WHERE id = :operator AND issuer IS NULL AND disabled_at IS NULL RETURNING id
), noted AS ({noted("operator.bind")})
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants

_ADD_STATE = text("""
WITH pruned AS (DELETE FROM login_states WHERE expires_at < now())
INSERT INTO login_states (digest, browser, nonce, verifier, next_path, expires_at)
VALUES (:digest, :browser, :nonce, :verifier, :next_path, now() + interval '10 minutes')
""")

_TAKE_STATE = text("""
DELETE FROM login_states WHERE digest = :digest
RETURNING browser, nonce, verifier, next_path, expires_at > now()
""")


class IdentityStore:
    """Identities and pending log-ins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identity(self, issuer: str, subject: str, email: str | None) -> Identity | None:
        """Who this is at the identity provider, or the operator with this (verified) address whom nobody is yet."""
        rows = await self._database.run(_IDENTITY, {"issuer": issuer, "subject": subject, "email": email})
        if not rows:
            return None
        operator, address, role, *rest = rows[0]
        return Identity(operator, address, Role(role), *rest)

    async def bind(self, operator: UUID, issuer: str, subject: str, *, audit: UUID, actor: str) -> bool:
        """Note who an operator is at the identity provider, from now on; False if somebody was quicker."""
        values = {"operator": operator, "issuer": issuer, "subject": subject}
        return bool(
            await self._database.run(_BIND, {**values, "audit": audit, "actor": actor, "detail": "{}"})
        )

    async def add_state(self, digest: bytes, pending: PendingLogin) -> None:
        """Remember a log-in that goes to the identity provider, for ten minutes."""
        await self._database.run(
            _ADD_STATE,
            {
                "digest": digest,
                "browser": pending.browser,
                "nonce": pending.nonce,
                "verifier": pending.verifier,
                "next_path": pending.next_path,
            },
        )

    async def take_state(self, digest: bytes) -> PendingLogin | None:
        """What was remembered, this once; None if it is not there any more, or too old."""
        rows = await self._database.run(_TAKE_STATE, {"digest": digest})
        return PendingLogin(*rows[0][:4]) if rows and rows[0][4] else None
