"""Who may do what: scopes of API keys, and what an application may see."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from hub.domain.ids import ApplicationId, KeyId


class Scope(StrEnum):
    """What a key allows. ADMIN includes every other."""

    JOBS_WRITE = "jobs:write"
    JOBS_READ = "jobs:read"
    JOBS_OPERATE = "jobs:operate"
    EVENTS_READ = "events:read"
    EVENTS_OPERATE = "events:operate"
    ADMIN = "admin"


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
        """Whether a scope is held, directly or through ADMIN."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def sees_all(self) -> bool:
        """Operators see every application's jobs; an application sees its own."""
        return self.may(Scope.JOBS_OPERATE)


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
