"""API keys: made once, shown once, checked at every request, revoked at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from hub.domain.access import Principal, Scope, Token, digest_of, format_token, is_same
from hub.domain.errors import Invalid, NotFound, Problem
from hub.domain.ids import ApplicationId, KeyId
from hub.infra.batch import Batcher, Bounds
from hub.infra.store.keys import Credential, KeyStore, NewKey, StoredKey

_MAX_REMEMBERED = 10_000
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key. `token` is shown now and never again."""

    id: KeyId
    application: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    token: str = field(repr=False)


class Keys:
    """Makes, lists, revokes and checks keys.

    Args:
        store: where their digests are.
        new_id: makes UUIDv7s.
        new_secret: makes 32 random bytes in URL-safe base64, 43 characters (`secrets.token_urlsafe`).
        bounds: how many may wait to be looked up, and for how long.
    """

    def __init__(
        self,
        store: KeyStore,
        *,
        new_id: Callable[[], UUID],
        new_secret: Callable[[], str],
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
    ) -> None:
        self._store = store
        self._new_id = new_id
        self._new_secret = new_secret
        self._look_ups: Batcher[UUID, Credential | None] = Batcher(self._look_up, limit=500, bounds=bounds)
        self._scopes: dict[tuple[str, ...], frozenset[Scope]] = {}
        self._remembered: dict[UUID, tuple[bytes, Principal]] = {}

    async def create(
        self, application: str, scopes: Iterable[str], *, actor: str, name: str = ""
    ) -> CreatedKey:
        """Make a key for an application, which is made too if there is none of that name.

        Args:
            application: its name, 1 to 100 printable characters.
            scopes: at least one of `Scope`.
            actor: who makes it, for the audit log.
            name: what this key is for, where an application has several.

        Raises:
            Invalid: the name or a scope is not one.
        """
        granted = _granted(application, name, scopes)
        key, secret = KeyId(self._new_id()), self._new_secret()
        new = NewKey(key, self._new_id(), application, name, digest_of(secret), tuple(granted))
        created_at = await self._store.create(new, audit=self._new_id(), actor=actor)
        return CreatedKey(key, application, granted, created_at, format_token(key, secret))

    async def list(self) -> list[StoredKey]:
        """Every key, without its secret."""
        return await self._store.all()

    async def revoke(self, key: UUID, *, actor: str) -> None:
        """Refuse a key from now on. Revoking it again changes nothing. Raises NotFound if there is none."""
        revoked = await self._store.revoke(key, audit=self._new_id(), actor=actor)
        if not revoked and not await self._store.exists(key):
            raise NotFound(f"there is no key {key}", code="unknown_key")

    async def authenticate(self, token: str, *, confirms: bool = False) -> Principal | None:
        """Who presents a key; None if it is not one, is wrong or was revoked.

        Look-ups of concurrent requests are one query. A revoked key is refused at once: what is remembered is only
        given to a caller whose own statement confirms the key.

        Args:
            token: as presented.
            confirms: the caller will, so the answer may come from memory (`Principal.confirmed` is then False).

        Raises:
            Unavailable: the database is away, so that nobody can be let in.
        """
        presented = Token.parse(token)
        if presented is None:
            return None
        if confirms and (remembered := self._remembered.get(presented.key)):
            digest, principal = remembered
            if is_same(digest, presented.digest):
                return principal
        known = await self._look_ups.submit(presented.key)
        if known is None or not is_same(known.digest, presented.digest):
            return None
        principal = Principal(
            ApplicationId(known.application_id), known.application, KeyId(known.id), self._scopes_of(known)
        )
        self._remember(known, principal)
        return principal

    async def drain(self) -> None:
        """Wait until no look-up is under way."""
        await self._look_ups.drain()

    async def _look_up(self, keys: Sequence[UUID]) -> Sequence[Credential | None]:
        known = await self._store.look_up(list(dict.fromkeys(keys)))
        return [known.get(key) for key in keys]

    def _remember(self, known: Credential, principal: Principal) -> None:
        if len(self._remembered) >= _MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[known.id] = known.digest, replace(principal, confirmed=False)

    def _scopes_of(self, known: Credential) -> frozenset[Scope]:
        # There are few combinations, and turning text into scopes at every request would cost more than the check.
        scopes = self._scopes.get(known.scopes)
        if scopes is None:
            scopes = self._scopes[known.scopes] = frozenset(Scope(scope) for scope in known.scopes)
        return scopes


def _granted(application: str, name: str, scopes: Iterable[str]) -> tuple[Scope, ...]:
    problems = []
    if not (1 <= len(application) <= _MAX_NAME and application.isprintable() and application.strip()):
        problems.append(Problem("/application", f"must be 1 to {_MAX_NAME} printable characters"))
    if len(name) > _MAX_NAME or not (name.isprintable() or not name):
        problems.append(Problem("/name", f"must be at most {_MAX_NAME} printable characters"))
    wanted = list(dict.fromkeys(scopes))
    known = {scope.value: scope for scope in Scope}
    problems += [
        Problem(f"/scopes/{index}", f"{scope!r} is no scope; there are {', '.join(known)}")
        for index, scope in enumerate(wanted)
        if scope not in known
    ]
    if not wanted:
        problems.append(Problem("/scopes", "at least one scope is needed"))
    if problems:
        raise Invalid("the key cannot be made", code="invalid_key", problems=tuple(problems))
    return tuple(known[scope] for scope in wanted)
