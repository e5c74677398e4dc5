"""Who may do what: the scopes of API keys, the roles of operators, and what an application may see."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from hub.domain.ids import ApplicationId, KeyId


class Scope(StrEnum):
    """What a key or a role allows. ADMIN includes every other."""

    JOBS_WRITE = "jobs:write"
    JOBS_READ = "jobs:read"
    JOBS_READ_ALL = "jobs:read-all"  # every application's, not only its own
    JOBS_OPERATE = "jobs:operate"  # retry, cancel, plans, queues; sees every application's jobs
    JOBS_DECIDE = "jobs:decide"  # what only a person can judge: retry or end what has an uncertain effect
    EVENTS_LIST = "events:list"  # received webhooks, with what is secret or long taken out of their bodies
    EVENTS_READ = "events:read"  # as they were received
    EVENTS_OPERATE = "events:operate"
    PROVIDERS_OPERATE = "providers:operate"  # force breakers, probe
    AUDIT_READ = "audit:read"
    ADMIN = "admin"


# What holding one scope brings along.
_INCLUDED: Mapping[Scope, frozenset[Scope]] = MappingProxyType(
    {
        Scope.JOBS_OPERATE: frozenset({Scope.JOBS_READ_ALL}),
        Scope.EVENTS_READ: frozenset({Scope.EVENTS_LIST}),
        Scope.ADMIN: frozenset(Scope),
    }
)


class Role(StrEnum):
    """What an operator is to the hub."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_VIEWER = frozenset({Scope.JOBS_READ, Scope.JOBS_READ_ALL, Scope.EVENTS_LIST})
_OPERATOR = _VIEWER | {
    Scope.JOBS_OPERATE,
    Scope.EVENTS_READ,
    Scope.EVENTS_OPERATE,
    Scope.PROVIDERS_OPERATE,
    Scope.AUDIT_READ,
}
PERMISSIONS: Mapping[Role, frozenset[Scope]] = MappingProxyType(
    {Role.VIEWER: _VIEWER, Role.OPERATOR: _OPERATOR, Role.ADMIN: frozenset(Scope)}
)
"""What each role may do. The console, its tests and its documentation go by this table alone."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling.

    Attributes:
        acts_as: how the audit log names a person; None for the application and its key.
        confirmed: False when the key was only remembered; whoever writes for it has the same statement confirm it.
    """

    application: ApplicationId
    application_name: str
    key: KeyId
    scopes: frozenset[Scope]
    acts_as: str | None = None
    confirmed: bool = True

    def may(self, scope: Scope) -> bool:
        """Whether a scope is held, directly or through one that includes it."""
        return scope in self.scopes or any(scope in _INCLUDED.get(held, ()) for held in self.scopes)

    @property
    def sees_all(self) -> bool:
        """Operators see every application's jobs; an application sees its own."""
        return self.may(Scope.JOBS_READ_ALL)

    @classmethod
    def of_operator(cls, operator: UUID, name: str, role: Role) -> "Principal":
        """A person with a role, who acts under their own name and for no application."""
        return cls(ApplicationId(UUID(int=0)), "operators", KeyId(operator), PERMISSIONS[role], acts_as=name)


_TOKEN = re.compile(r"hub_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Token:
    """An API key as presented: `hub_<id>_<secret>`. Its repr shows neither the secret nor its digest."""

    key: KeyId
    digest: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Token | None":
        """Read a presented key; None if it is not one."""
        found = _TOKEN.fullmatch(text)
        return cls(KeyId(UUID(found[1])), digest_of(found[2])) if found else None


def format_token(key: KeyId, secret: str) -> str:
    """The key as it is shown once to its owner."""
    return f"hub_{key.hex}_{secret}"


def digest_of(secret: str) -> bytes:
    """How a secret is stored. It holds 256 random bits, so a plain hash cannot be guessed back; no salt is needed."""
    return hashlib.sha256(secret.encode()).digest()


def is_same(stored: bytes, presented: bytes) -> bool:
    """Compare digests in constant time."""
    return hmac.compare_digest(stored, presented)
