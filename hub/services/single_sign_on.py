"""Logging in through an identity provider. Closed by default: being known there is not yet being let in here.

Somebody is let in whom an administrator has made (found by the address that the provider has verified, once, and from then
on by who they are there), or to one of whose groups the configuration gives a role. A role that came from a group goes
with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import orjson

from hub.config.sign_in import OidcConfig
from hub.domain.access import Role, digest_of, is_same
from hub.domain.errors import LoginRefused
from hub.domain.identity import Person, person_of
from hub.domain.operators import email_of, misfits, role_among
from hub.domain.sessions import is_token
from hub.infra.logs import logger
from hub.infra.store.identities import Identity, IdentityStore, PendingLogin
from hub.infra.store.operations import Audit
from hub.infra.store.operators import NewOperator, OperatorStore
from hub.services.logins import Logins, Visitor

_STRANGER = "the identity provider knows you, and nobody has let you in here: ask an administrator"
_STALE = "this log-in was begun elsewhere, too long ago, or is done already: begin again"


class Provider(Protocol):
    """The identity provider; see `hub.infra.identity_provider`, which takes long to import."""

    async def address(self, redirect: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send a browser."""
        ...

    async def claims(self, code: str, redirect: str, *, nonce: str, verifier: str) -> Mapping[str, Any]:
        """What the provider says of who came back with a code."""
        ...


@dataclass(frozen=True, slots=True)
class Returned:
    """What a browser brings back from the identity provider. `cookie` ties it to the one that was sent there."""

    state: str
    code: str
    error: str
    issuer: str | None
    cookie: str | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """Somebody who has come back and is let in.

    Attributes:
        token: of their session.
        next_path: where they wanted to go.
        stays_admin: their groups give less, but they are the last administrator.
    """

    token: str = field(repr=False)
    next_path: str
    stays_admin: bool


class SingleSignOn:
    """Sends browsers to the identity provider, and judges what they bring back.

    Args:
        settings: which provider, and who gets which role.
        provider: the provider itself.
        logins: begins sessions.
        store: remembers who is at the provider now, and who is whom there.
        operators: makes those whom a group lets in.
        redirect: where the provider sends browsers back to.
        new_id: makes UUIDv7s.
        new_secret: makes 32 random bytes in URL-safe base64.
    """

    def __init__(
        self,
        settings: OidcConfig,
        provider: Provider,
        logins: Logins,
        store: IdentityStore,
        operators: OperatorStore,
        *,
        redirect: str,
        new_id: Callable[[], UUID],
        new_secret: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._logins = logins
        self._store = store
        self._operators = operators
        self._redirect = redirect
        self._new_id = new_id
        self._new_secret = new_secret
        self._log = logger("hub.login")

    @property
    def title(self) -> str:
        """What the provider is called."""
        return self._settings.title

    async def begin(self, next_path: str, cookie: str, visitor: Visitor) -> str:
        """Where to send a browser; it comes back within ten minutes, with the same cookie.

        Raises TooManyLogins, Unavailable.
        """
        self._logins.admit(visitor)
        state, nonce, verifier = (self._new_secret() for _ in range(3))
        address = await self._provider.address(self._redirect, state=state, nonce=nonce, verifier=verifier)
        pending = PendingLogin(digest_of(cookie), nonce, verifier, next_path)
        await self._store.add_state(digest_of(state), pending)
        return address

    async def finish(self, returned: Returned, visitor: Visitor) -> Welcome:
        """Let somebody in who comes back.

        Raises:
            LoginRefused: they are not let in.
            Unavailable: the provider, or the database, does not answer.
        """
        pending = await self._pending(returned)
        # RFC 9207: an answer meant for another provider's log-in is not looked at.
        if returned.issuer is not None and returned.issuer != self._settings.issuer:
            raise self._refused(LoginRefused(_STALE, "the answer is another provider's"))
        if returned.error or not returned.code:
            raise self._refused(
                LoginRefused("the identity provider did not let you in", f"it says {returned.error[:100]!r}")
            )
        try:
            claims = await self._provider.claims(
                returned.code, self._redirect, nonce=pending.nonce, verifier=pending.verifier
            )
        except LoginRefused as refused:
            raise self._refused(refused) from refused
        person = person_of(claims, self._settings.groups_claim)
        if person is None:
            raise self._refused(LoginRefused(_STRANGER, "the token names nobody"))
        operator, kept = await self._known(person)
        return Welcome(await self._logins.by_identity(operator, visitor), pending.next_path, kept)

    async def _pending(self, returned: Returned) -> PendingLogin:
        pending = (
            await self._store.take_state(digest_of(returned.state)) if is_token(returned.state) else None
        )
        if pending is None or not is_same(pending.browser, digest_of(returned.cookie or "")):
            raise self._refused(LoginRefused(_STALE))
        return pending

    async def _known(self, person: Person) -> tuple[UUID, bool]:
        """The operator that somebody is, and whether they stay an administrator against their groups. Raises LoginRefused."""
        email = email_of(person.email) if person.email else None
        granted = role_among(person.groups, self._settings.roles)
        known = await self._store.identity(self._settings.issuer, person.subject, email)
        if known is None:
            return await self._made(person, email, granted), False
        if known.disabled:
            raise self._refused(LoginRefused(_STRANGER, f"{known.email} is disabled"))
        kept = False
        if not known.bound:
            await self._bind(known, person)
        elif known.role_by_provider:
            kept = await self._follow(known, granted)
        return known.operator, kept

    async def _made(self, person: Person, email: str | None, granted: Role | None) -> UUID:
        if granted is None or email is None or misfits(email, person.name):
            raise self._refused(LoginRefused(_STRANGER, f"nobody has let in {email or person.subject!r}"))
        identity = (self._settings.issuer, person.subject)
        detail = orjson.dumps({"email": email, "role": granted, "by": "identity provider"}).decode()
        new = NewOperator(self._new_id(), email, person.name, granted, identity)
        made = await self._operators.create(new, Audit(self._new_id(), email, detail))
        if made is None:
            raise self._refused(LoginRefused(_STRANGER, f"{email} is somebody else here"))
        return made.id

    async def _bind(self, known: Identity, person: Person) -> None:
        bound = await self._store.bind(
            known.operator, self._settings.issuer, person.subject, audit=self._new_id(), actor=known.email
        )
        if not bound:
            raise self._refused(LoginRefused(_STRANGER, f"{known.email} has just become somebody else"))

    async def _follow(self, known: Identity, granted: Role | None) -> bool:
        """The role is what the groups say now; without one, whoever had it is out.

        Gives whether it stays all the same, as it is the last administrator's.
        """
        if granted is None:
            await self._withdraw(known)
            raise self._refused(LoginRefused(_STRANGER, f"no group of {known.email} gives a role any more"))
        if granted is known.role:
            return False
        audit = self._audit(known, role=granted, by="identity provider")
        follows = await self._operators.follow_role(known.operator, granted, audit)
        if not follows:
            self._log_kept(known, granted)
        return not follows

    async def _withdraw(self, known: Identity) -> None:
        """They keep no role to be counted by as an administrator who could get in, unless there is no other."""
        why = "no group gives a role any more"
        role = self._audit(known, role=Role.VIEWER, by="identity provider", why=why)
        if not await self._operators.withdraw_role(known.operator, role, self._audit(known, why=why)):
            self._log_kept(known, None)

    def _audit(self, known: Identity, **detail: str) -> Audit:
        return Audit(self._new_id(), known.email, orjson.dumps(detail).decode())

    def _log_kept(self, known: Identity, granted: Role | None) -> None:
        self._log.warning("the last administrator stays one", operator=str(known.operator), provided=granted)

    def _refused(self, refused: LoginRefused) -> LoginRefused:
        self._log.warning("log-in refused", why=refused.why)
        return refused
