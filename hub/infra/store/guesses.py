"""Guesses at passwords: each is counted, and too many close the account for a while."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from hub.domain.operators import LockOut
from hub.infra.store.database import Database


@dataclass(frozen=True, slots=True)
class Candidate:
    """Whose password is to be judged. The guess is counted already."""

    operator: UUID
    email: str
    hash: str = field(repr=False)
    locked: bool


# The guess counts before it is judged, under the row's lock: of any number made at once, each counts, and those beyond the
# free ones find the account closed. What turns out right takes the count back.
_GUESS = text("""
UPDATE operators SET
    failed_logins = failed_logins + 1,
    locked_until = now() + NULLIF((CAST(:delays AS interval[]))[least(failed_logins + 1, cardinality(CAST(:delays AS interval[])))],
                                  interval '0')
WHERE email = :email AND disabled_at IS NULL AND password_hash IS NOT NULL
  AND (locked_until IS NULL OR locked_until <= clock_timestamp())
RETURNING id, email, password_hash, locked_until IS NOT NULL
""")

_NOTE_LOCK = text("""
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (:audit, :actor, 'operator.lock', CAST(CAST(:operator AS uuid) AS text), '{}')
""")


class GuessStore:
    """Counts guesses.

    Args:
        database: where.
        lock_out: how guessing one account is slowed down.
    """

    def __init__(self, database: Database, lock_out: LockOut = LockOut()) -> None:  # noqa: B008 - frozen
        self._database = database
        self._delays = list(lock_out.delays())

    async def guess(self, email: str) -> Candidate | None:
        """Count a guess at somebody's password; None if there is no such operator or none may be made now."""
        rows = await self._database.run(_GUESS, {"email": email, "delays": self._delays})
        return Candidate(*rows[0]) if rows else None

    async def note_lock(self, operator: UUID, *, audit: UUID, actor: str) -> None:
        """Write down that wrong passwords have closed an account for a while."""
        await self._database.run(_NOTE_LOCK, {"operator": operator, "audit": audit, "actor": actor})
