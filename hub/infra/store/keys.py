"""Applications and their API keys. A key is stored as a digest; the key itself is never here."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored; its application is made if there is none of that name."""

    id: UUID
    application_id: UUID
    application: str
    name: str
    digest: bytes = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as it can be shown."""

    id: UUID
    application: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Credential:
    """What a presented key is checked against."""

    id: UUID
    digest: bytes = field(repr=False)
    application_id: UUID
    application: str
    scopes: tuple[str, ...]


_CREATE = text("""
WITH owner AS (
    INSERT INTO applications (id, name) VALUES (:application_id, :application)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name
    RETURNING id
), made AS (
    INSERT INTO api_keys (id, application_id, name, digest, scopes)
    SELECT :id, owner.id, :name, :digest, CAST(:scopes AS text[]) FROM owner
    RETURNING id, created_at
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT :audit, :actor, 'key.create', CAST(made.id AS text),
           jsonb_build_object('application', CAST(:application AS text), 'scopes', CAST(:scopes AS text[]))
    FROM made
)
SELECT created_at FROM made
""")

_LIST = text("""
SELECT k.id, a.name, k.name, k.scopes, k.created_at, k.revoked_at
FROM api_keys k JOIN applications a ON a.id = k.application_id
ORDER BY a.name, k.id
""")

_REVOKE = text("""
WITH moved AS (
    UPDATE api_keys SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL RETURNING id
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT :audit, :actor, 'key.revoke', CAST(moved.id AS text), '{}' FROM moved
)
SELECT id FROM moved
""")

_EXISTS = text("SELECT id FROM api_keys WHERE id = :id")

_LOOK_UP = text("""
SELECT k.id, k.digest, a.id, a.name, k.scopes
FROM api_keys k JOIN applications a ON a.id = k.application_id
WHERE k.id = ANY(CAST(:ids AS uuid[])) AND k.revoked_at IS NULL
""")


class KeyStore:
    """Keys and the applications they belong to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, key: NewKey, *, audit: UUID, actor: str) -> datetime:
        """Store a key, with its application if that is new; gives the time of creation."""
        [(created_at,)] = await self._database.run(
            _CREATE,
            {
                "id": key.id,
                "application_id": key.application_id,
                "application": key.application,
                "name": key.name,
                "digest": key.digest,
                "scopes": list(key.scopes),
                "audit": audit,
                "actor": actor,
            },
        )
        moment: datetime = created_at
        return moment

    async def all(self) -> list[StoredKey]:
        """Every key, revoked ones too, by application."""
        rows = await self._database.run(_LIST)
        return [StoredKey(row[0], row[1], row[2], tuple(row[3]), row[4], row[5]) for row in rows]

    async def revoke(self, key: UUID, *, audit: UUID, actor: str) -> bool:
        """Revoke a key; False if it was revoked before, or never was."""
        return bool(await self._database.run(_REVOKE, {"id": key, "audit": audit, "actor": actor}))

    async def exists(self, key: UUID) -> bool:
        """Whether there is such a key, revoked or not."""
        return bool(await self._database.run(_EXISTS, {"id": key}))

    async def look_up(self, keys: Sequence[UUID]) -> dict[UUID, Credential]:
        """Those of the keys that exist and are not revoked."""
        rows = await self._database.run(_LOOK_UP, {"ids": list(keys)})
        return {row[0]: Credential(row[0], row[1], row[2], row[3], tuple(row[4])) for row in rows}
