"""Guesses at passwords: each is counted, and too many close the account for a while."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from hub.domain.operators import LockOut
from hub.domain.sessions import SessionLimits
from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whose password is to be judged. The guess is counted already.

    Attributes:
        locked: it was the last for a while.
        known: it was made with a browser that they have logged in with, and counted there.
    """

    operator: UUID
    email: str
    hash: str = field(repr=False)
    locked: bool
    known: bool


_COUNTED = """
    failed_logins = failed_logins + 1,
    locked_until = now() + NULLIF((CAST(:delays AS interval[]))[least(failed_logins + 1, cardinality(CAST(:delays AS interval[])))],
                                  interval '0')"""
_IS_FREE = "(locked_until IS NULL OR locked_until <= clock_timestamp())"

# The guess counts before it is judged, under the row's lock: of any number made at once, each counts, and those beyond the
# free ones find the account closed. What turns out right takes the count back. A browser that the operator has logged in
# with has its own count, and all others have one together: strangers close an account to strangers alone.
_GUESS = text(f"""
WITH asked AS (
    SELECT o.id, o.email, o.password_hash, d.digest AS device
    FROM operators o
    LEFT JOIN devices d ON d.operator_id = o.id AND d.digest = :device AND d.created_at > now() - CAST(:kept AS interval)
    WHERE o.email = :email AND o.disabled_at IS NULL AND o.password_hash IS NOT NULL
), by_stranger AS (
    UPDATE operators o SET {_COUNTED} FROM asked a WHERE o.id = a.id AND a.device IS NULL AND {_IS_FREE}
    RETURNING o.locked_until
), by_device AS (
    UPDATE devices d SET {_COUNTED} FROM asked a WHERE d.digest = a.device AND {_IS_FREE}
    RETURNING d.locked_until
)
SELECT a.id, a.email, a.password_hash, counted.locked_until IS NOT NULL, a.device IS NOT NULL
FROM asked a CROSS JOIN (SELECT locked_until FROM by_stranger UNION ALL SELECT locked_until FROM by_device) AS counted
""")  # noqa: S608 - the parts are constants

_NOTE_LOCK = text("""
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (:audit, CAST(:actor AS text), 'operator.lock', CAST(CAST(:operator AS uuid) AS text),
        jsonb_build_object('known_browser', CAST(:known AS boolean)))
""")


class GuessStore:
    """Counts guesses.

    Args:
        database: where.
        limits: how long a browser is known.
        lock_out: how guessing one account is slowed down.
    """

    def __init__(
        self,
        database: Database,
        limits: SessionLimits,
        lock_out: LockOut = LockOut(),  # noqa: B008 - frozen
    ) -> None:
        self._database = database
        self._kept = limits.device
        self._delays = list(lock_out.delays())

    async def guess(self, email: str, device: bytes | None) -> Candidate | None:
        """Count a guess at somebody's password; None if there is no such operator or none may be made now.

        Args:
            email: whose.
            device: the digest of what the browser shows that somebody has logged in with.
        """
        values = {"email": email, "device": device, "delays": self._delays, "kept": self._kept}
        rows = await self._database.run(_GUESS, values)
        return Candidate(*rows[0]) if rows else None

    async def note_lock(self, candidate: Candidate, *, audit: UUID) -> None:
        """Write down that wrong passwords have closed an account for a while."""
        values = {"operator": candidate.operator, "actor": candidate.email, "known": candidate.known}
        await self._database.run(_NOTE_LOCK, {**values, "audit": audit})
