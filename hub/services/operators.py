"""Operators: who there is, what they may do, and who is shut out. Everything here is noted in the audit log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Role, digest_of
from hub.domain.errors import Conflict, Invalid, NotFound, Problem
from hub.domain.operators import email_of, misfits, weaknesses
from hub.domain.sessions import SessionLimits
from hub.infra.passwords import Passwords
from hub.infra.store.operations import Audit
from hub.infra.store.operators import NewOperator, OperatorStore, StoredOperator

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class LoginLink:
    """What lets somebody in once. `path` is shown now and never again."""

    operator: UUID
    expires_at: datetime
    path: str = field(repr=False)


class Operators:
    """Makes, lists, changes and shuts out operators.

    Args:
        store: where they are kept.
        passwords: hashes what they choose.
        limits: how long links can be used.
        new_id: makes UUIDv7s.
        new_secret: makes 32 random bytes in URL-safe base64 (`secrets.token_urlsafe`).
    """

    def __init__(
        self,
        store: OperatorStore,
        passwords: Passwords,
        limits: SessionLimits,
        *,
        new_id: Callable[[], UUID],
        new_secret: Callable[[], str],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._limits = limits
        self._new_id = new_id
        self._new_secret = new_secret

    async def create(self, email: str, name: str, role: str, *, actor: str) -> StoredOperator:
        """Make an operator, who cannot log in before they have a password, a link, or come from the identity provider.

        Raises:
            Invalid: the address, the name or the role is not one.
            Conflict: somebody has this address.
        """
        email, granted = email_of(email), role_of(role)
        if problems := misfits(email, name):
            raise Invalid("this is no operator", code="invalid_operator", problems=problems)
        new = NewOperator(self._new_id(), email, name, granted)
        made = await self._store.create(new, self._audit(actor, email=email, role=granted))
        if made is None:
            raise Conflict(f"there is an operator {email} already", code="operator_exists")
        return made

    async def list(self) -> list[StoredOperator]:
        """Operators by address, those who are disabled last; the first thousand."""
        return await self._store.all(_MOST)

    async def get(self, operator: UUID) -> StoredOperator:
        """One operator. Raises NotFound."""
        found = await self._store.get(operator)
        if found is None:
            raise NotFound(f"there is no operator {operator}", code="unknown_operator")
        return found

    async def find(self, email: str) -> StoredOperator:
        """The operator with an address. Raises NotFound."""
        found = await self._store.find(email_of(email))
        if found is None:
            raise NotFound(f"there is no operator {email!r}", code="unknown_operator")
        return found

    async def is_anybody(self) -> bool:
        """Whether there is an operator who could log in."""
        return await self._store.is_anybody()

    async def set_role(
        self, operator: UUID, role: str, *, actor: str, reason: str | None = None
    ) -> StoredOperator:
        """Give another role; it holds from their next request on.

        Raises:
            NotFound: there is no such operator.
            Conflict: it is the last administrator.
        """
        granted = role_of(role)
        changed = await self._store.set_role(
            operator, granted, self._audit(actor, role=granted, reason=reason)
        )
        found = await self.get(operator)
        if not changed and (found.role is not granted):
            raise _last_admin(found)
        return found

    async def disable(self, operator: UUID, *, actor: str, reason: str | None = None) -> StoredOperator:
        """Shut somebody out, now: their sessions end. Doing it again changes nothing.

        Raises:
            NotFound: there is no such operator.
            Conflict: it is the last administrator.
        """
        disabled = await self._store.disable(operator, self._audit(actor, reason=reason))
        found = await self.get(operator)
        if not disabled and found.disabled_at is None:
            raise _last_admin(found)
        return found

    async def enable(self, operator: UUID, *, actor: str, reason: str | None = None) -> StoredOperator:
        """Let somebody in again who was shut out. Doing it again changes nothing. Raises NotFound."""
        await self._store.enable(operator, self._audit(actor, reason=reason))
        return await self.get(operator)

    async def reset(self, operator: UUID, *, actor: str, reason: str | None = None) -> StoredOperator:
        """Take somebody's password and sessions away, as when a computer is lost; a link lets them in again.

        Raises NotFound.
        """
        await self._store.reset(operator, self._audit(actor, reason=reason))
        return await self.get(operator)

    async def set_password(
        self, operator: StoredOperator, password: str, *, actor: str, kept: UUID | None = None
    ) -> None:
        """Set a password; every session ends but the `kept` one, and every browser is a stranger's but the one it is in.

        Raises:
            Invalid: it is too weak.
            Conflict: the operator is disabled.
            Unavailable: too many are being hashed, or the database is away.
        """
        if problems := weaknesses(password, email=operator.email):
            raise Invalid(f"the password {problems[0].message}", code="weak_password", problems=problems)
        hashed = await self._passwords.hash(password)
        if not await self._store.set_password(operator.id, hashed, self._audit(actor), kept=kept):
            raise Conflict(f"{operator.email} is disabled", code="operator_disabled")

    async def login_link(self, operator: UUID, *, actor: str, invitation: bool = False) -> LoginLink:
        """Make a link that lets somebody in once; an invitation can be used for longer.

        Raises:
            NotFound: there is no such operator.
            Conflict: they are disabled.
        """
        secret = self._new_secret()
        lasts = self._limits.invitation if invitation else self._limits.link
        expires_at = await self._store.add_link(operator, digest_of(secret), lasts, self._audit(actor))
        if expires_at is None:
            found = await self.get(operator)
            raise Conflict(f"{found.email} is disabled", code="operator_disabled")
        return LoginLink(operator, expires_at, f"/console/login/link?token={secret}")

    def _audit(self, actor: str, **detail: Any) -> Audit:
        given = {name: value for name, value in detail.items() if value is not None}
        return Audit(self._new_id(), actor, orjson.dumps(given).decode())


def role_of(text: str) -> Role:
    """A role by its name. Raises Invalid."""
    try:
        return Role(text)
    except ValueError:
        problem = Problem("/role", f"must be one of {', '.join(Role)}")
        raise Invalid(f"{text[:50]!r} is no role", code="invalid_role", problems=(problem,)) from None


def _last_admin(operator: StoredOperator) -> Conflict:
    message = f"{operator.email} is the last administrator: make another one first"
    return Conflict(message, code="last_admin")
