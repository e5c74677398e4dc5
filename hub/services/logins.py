"""Logging in and out. Nothing here tells apart, in words or in time, who exists, who is locked out and whose guess is wrong."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from hub.domain.access import Principal, Role, digest_of
from hub.domain.errors import LoginRefused, NotFound, TooManyLogins
from hub.domain.operators import LONGEST_PASSWORD, LockOut, client_network, email_of
from hub.domain.ratelimit import TokenBucket
from hub.domain.sessions import LoginKind, SessionLimits, device_token, is_token, shortened_agent
from hub.infra.logs import logger
from hub.infra.passwords import Passwords, Verified
from hub.infra.store.guesses import Candidate, GuessStore
from hub.infra.store.logins import LoginStore, NewSession
from hub.infra.store.sessions import LiveSession, SessionStore, StoredSession

_MINUTES = LockOut().longest // timedelta(minutes=1)
THEN_WAIT = f"too many wrong ones were given: then wait, {_MINUTES} minutes at most"
_NO = f"the e-mail address and the password do not go together, or {THEN_WAIT}"
_NO_LINK = "this link has been used, is too old, or never was one"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser that asks to be let in.

    Attributes:
        address: where it asks from, for the limit on guesses.
        user_agent: what it says it is.
        former: the token of the session that it had, which ends with a new one.
        device: what it shows that somebody has logged in with it before.
    """

    address: str
    user_agent: str
    former: str | None = field(default=None, repr=False)
    device: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in.

    Attributes:
        token: what their cookie holds.
        fresh: they came by a one-time link just now, and may set a password without giving the old one.
    """

    id: UUID
    operator: UUID
    email: str
    name: str
    kind: LoginKind
    created_at: datetime
    role: Role
    principal: Principal
    fresh: bool
    has_password: bool
    token: str = field(repr=False)


class AddressLimits:
    """How many log-ins are tried from one address, in this process. The least recently used are forgotten.

    Args:
        per_minute: at a steady rate.
        burst: at once.
        clock: steady seconds.
        addresses: how many are remembered.
    """

    def __init__(
        self, clock: Callable[[], float], *, per_minute: float = 20, burst: int = 20, addresses: int = 10_000
    ) -> None:
        self._clock = clock
        self._rate = per_minute / 60
        self._burst = burst
        self._most = addresses
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, address: str) -> None:
        """Count one. Raises TooManyLogins."""
        network, now = client_network(address), self._clock()
        bucket = self._buckets.pop(network, None) or TokenBucket.full(self._rate, self._burst, now)
        while len(self._buckets) >= self._most:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[network] = bucket
        allowance = bucket.take(now)
        if not allowance.allowed:
            raise TooManyLogins(timedelta(seconds=allowance.reset))


class Logins:
    """Lets operators in, knows who is in, and lets them out.

    Args:
        store: lets in.
        guesses: counts wrong passwords.
        sessions: who is in.
        passwords: judges passwords.
        limits: how long sessions last.
        addresses: how many may be tried from one address.
        new_id: makes UUIDv7s.
        new_secret: makes 32 random bytes in URL-safe base64 (`secrets.token_urlsafe`).
    """

    def __init__(
        self,
        store: LoginStore,
        guesses: GuessStore,
        sessions: SessionStore,
        passwords: Passwords,
        limits: SessionLimits,
        addresses: AddressLimits,
        *,
        new_id: Callable[[], UUID],
        new_secret: Callable[[], str],
    ) -> None:
        self._store = store
        self._guesses = guesses
        self._sessions = sessions
        self._passwords = passwords
        self._limits = limits
        self._addresses = addresses
        self._new_id = new_id
        self._new_secret = new_secret
        self._log = logger("hub.login")

    def admit(self, visitor: Visitor) -> None:
        """Count one try from this address. Raises TooManyLogins."""
        self._addresses.take(visitor.address)

    async def by_password(self, email: str, password: str, visitor: Visitor) -> str:
        """Let somebody in by their password; gives the session's token.

        Raises:
            LoginRefused: nobody is let in by this.
            TooManyLogins: from this address.
            Unavailable: too many at once, or the database is away.
        """
        self.admit(visitor)
        address = email_of(email)
        # What no operator can have is not looked up; it is judged all the same, for the time that takes.
        candidate = (
            await self._guesses.guess(address, _digest(visitor.device)) if _is_storable(address) else None
        )
        verified = await self._judged(candidate, password)
        if candidate is None or not verified.right or len(password) > LONGEST_PASSWORD:
            # Not the address that was typed: at times it is a password, typed into the wrong field.
            who = str(candidate.operator) if candidate else "nobody, or nobody who may try now"
            self._log.warning("log-in refused", operator=who, network=client_network(visitor.address))
            await self._note_lock(candidate)
            raise LoginRefused(_NO)
        new, token = self._new(LoginKind.PASSWORD, visitor)
        if not await self._store.begin_by_password(candidate, verified.renewed, new):
            raise LoginRefused(_NO)
        return token

    async def is_good_link(self, link: str) -> bool:
        """Whether a one-time link would let somebody in. It is not used up by asking."""
        return is_token(link) and await self._store.is_good(digest_of(link))

    async def by_link(self, link: str, visitor: Visitor) -> str:
        """Let somebody in by a one-time link, and use it up; gives the session's token.

        Raises LoginRefused, TooManyLogins.
        """
        self.admit(visitor)
        new, token = self._new(LoginKind.LINK, visitor)
        if not (is_token(link) and await self._store.begin_by_link(digest_of(link), new)):
            raise LoginRefused(_NO_LINK)
        return token

    async def by_identity(self, operator: UUID, visitor: Visitor) -> str:
        """Let somebody in for whom the identity provider vouches; gives the session's token. Raises LoginRefused."""
        new, token = self._new(LoginKind.OIDC, visitor)
        if not await self._store.begin_by_identity(operator, new):
            raise LoginRefused("this operator is disabled")
        return token

    async def session(self, token: str, *, used: bool = True) -> Session | None:
        """Who a cookie's token belongs to; None if it is none, or the session has ended. `used`: its end moves on.

        Raises Unavailable.
        """
        if not is_token(token):
            return None
        live = await self._sessions.seen(digest_of(token), used=used)
        return None if live is None else self._session(live, token)

    async def standing(self, sessions: Collection[UUID]) -> Mapping[UUID, Role]:
        """Those of these sessions that have not ended, and the role that each gives now. Raises Unavailable."""
        return await self._sessions.standing(sessions)

    async def is_own_password(self, session: Session, password: str) -> bool:
        """Whether this is the password of who is logged in; a wrong one counts as a wrong log-in with this browser."""
        candidate = await self._guesses.guess(session.email, digest_of(device_token(session.token)))
        verified = await self._judged(candidate, password)
        if not verified.right:
            await self._note_lock(candidate)
        return verified.right

    async def sessions(self, operator: UUID) -> list[StoredSession]:
        """An operator's sessions that have not ended, newest first."""
        return await self._sessions.sessions(operator)

    async def revoke(self, operator: UUID, session: UUID, *, actor: str) -> None:
        """End a session of an operator, and know its browser no more: it may be a lost one.

        Raises NotFound if it has ended or is not theirs.
        """
        if not await self._sessions.revoke(
            operator, session, forgotten=True, audit=self._new_id(), actor=actor
        ):
            raise NotFound("this session has ended", code="unknown_session")

    async def log_out(self, session: Session) -> None:
        """End one's own session. Its browser stays known."""
        await self._sessions.revoke(
            session.operator, session.id, forgotten=False, audit=self._new_id(), actor=session.email
        )

    async def _judged(self, candidate: Candidate | None, password: str) -> Verified:
        known = candidate is not None and candidate.known
        stored = candidate.hash if candidate else None
        return await self._passwords.verify(stored, password[:LONGEST_PASSWORD], known=known)

    def _session(self, live: LiveSession, token: str) -> Session:
        return Session(
            id=live.id,
            operator=live.operator,
            email=live.email,
            name=live.name,
            kind=live.kind,
            created_at=live.created_at,
            role=live.role,
            principal=Principal.of_operator(live.operator, live.email, live.role),
            fresh=live.kind is LoginKind.LINK and live.age < self._limits.fresh,
            has_password=live.has_password,
            token=token,
        )

    def _new(self, kind: LoginKind, visitor: Visitor) -> tuple[NewSession, str]:
        token = self._new_secret()
        new = NewSession(
            id=self._new_id(),
            digest=digest_of(token),
            device=digest_of(device_token(token)),
            kind=kind,
            user_agent=shortened_agent(visitor.user_agent),
            audit=self._new_id(),
            former=_digest(visitor.former),
            former_device=_digest(visitor.device),
        )
        return new, token

    async def _note_lock(self, candidate: Candidate | None) -> None:
        if candidate is not None and candidate.locked:
            await self._guesses.note_lock(candidate, audit=self._new_id())


def _digest(token: str | None) -> bytes | None:
    return digest_of(token) if token else None


def _is_storable(email: str) -> bool:
    return len(email) <= 254 and "\0" not in email
