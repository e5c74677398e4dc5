"""Breakers that persons hold open or closed: kept where neither a flushed Redis nor a deploy forgets them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text

from hub.domain.overrides import Forced, Override
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit

_HOLD = text("""
WITH moved AS (
    INSERT INTO breaker_overrides (provider, state, reason, actor, until)
    VALUES (:provider, :state, :reason, :actor, CAST(:until AS timestamptz))
    ON CONFLICT (provider) DO UPDATE SET state = excluded.state, reason = excluded.reason, actor = excluded.actor,
        until = excluded.until, since = now()
    RETURNING provider, state
), noted AS (
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT CAST(:audit AS uuid), :actor, 'breaker.' || m.state, m.provider, CAST(:detail AS jsonb) FROM moved m
)
SELECT provider FROM moved
""")

# Noted also where nobody holds it: jobs that wait for it look again.
_GIVE_BACK = text("""
WITH moved AS (DELETE FROM breaker_overrides WHERE provider = :provider)
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (CAST(:audit AS uuid), :actor, 'breaker.auto', :provider, CAST(:detail AS jsonb))
""")

# Nothing else changes with a probe, so its line in the audit log stands alone.
_NOTE_PROBE = text("""
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (CAST(:audit AS uuid), :actor, 'provider.probe', :provider, CAST(:detail AS jsonb))
""")

_STANDING = text("""
SELECT provider, state, reason, actor, since, until, extract(epoch FROM until - clock_timestamp()) AS left
FROM breaker_overrides WHERE until IS NULL OR until > clock_timestamp()
""")


@dataclass(frozen=True, slots=True)
class Held:
    """An override that holds; `left` in seconds, by the database's clock, None if it does not end by itself."""

    override: Override
    left: float | None


class OverrideStore:
    """Reads and writes overrides."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self) -> list[Held]:
        """Those that hold now. Raises Unavailable."""
        return [_held(row) for row in await self._database.run(_STANDING)]

    async def hold(
        self, provider: str, state: Forced, reason: str, until: datetime | None, audit: Audit
    ) -> None:
        """Hold a provider's breakers from now on, instead of what was ordered before."""
        values = {"state": state.value, "reason": reason, "until": until}
        await self._database.run(_HOLD, {**values, **_noted(provider, audit)})

    async def give_back(self, provider: str, audit: Audit) -> None:
        """Leave a provider's breakers to themselves."""
        await self._database.run(_GIVE_BACK, _noted(provider, audit))

    async def note_probe(self, provider: str, audit: Audit) -> None:
        """Write down that somebody probed a provider."""
        await self._database.run(_NOTE_PROBE, _noted(provider, audit))


def _held(row: Any) -> Held:
    override = Override(row.provider, Forced(row.state), row.reason, row.actor, row.since, row.until)
    return Held(override, None if row.left is None else float(row.left))


def _noted(provider: str, audit: Audit) -> dict[str, object]:
    return {"provider": provider, "audit": audit.id, "actor": audit.actor, "detail": audit.detail}
