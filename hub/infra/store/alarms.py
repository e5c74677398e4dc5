"""Finding what people are to be told, and keeping it as alerts: every statement by an index, from a mark on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import text

from hub.domain.alerts import CALM, PASSING, AlertKind, Finding
from hub.infra.store.database import Database

MOST = 500  # findings of one kind at a time; the rest is found the next time
KEPT = timedelta(days=90)
# A row's time is when its statement began; it is seen when that is committed.
_LATE = timedelta(minutes=1)
# Jobs that tell of alerts: what becomes of them is in the inbox, and must not raise alerts in its turn.
OWN = "alerts"

_BEGIN = text(
    "INSERT INTO marks (name, upto) VALUES ('alerts', now()), ('alerts.payments', now()) ON CONFLICT DO NOTHING"
)

# The table of groups is bounded, see hub.domain.causes.
_ERRORS = text(f"""
SELECT g.signature, g.reopened, g.job, g.step, g.provider, g.code, g.message, g.lost FROM error_groups g
WHERE g.state = 'open' AND g.lost > 0 AND split_part(g.job, '.', 1) <> '{OWN}'
  AND g.last_seen_at >= (SELECT upto FROM marks WHERE name = 'alerts')
  AND NOT EXISTS (
      SELECT FROM alerts a WHERE a.kind IN ('new_error', 'error_came_back') AND a.key = g.signature || ':' || g.reopened
  )
ORDER BY g.first_seen_at LIMIT :limit
""")  # noqa: S608 - constants

# However the job ended: one that has used up its retries, or was cancelled between two of them, leaves as much in the dark
# as one that asks by itself.
_PAYMENTS = text("""
SELECT j.id, j.name, j.attempt, s.name AS step, s.provider, s.idempotency_key
FROM jobs j CROSS JOIN LATERAL (
    SELECT s.name, s.provider, s.idempotency_key FROM steps s
    WHERE s.job_id = j.id AND s.effect = 'money' AND s.certainty = 'unknown' ORDER BY s.position LIMIT 1
) s
WHERE j.state IN ('failed', 'cancelled')
  AND j.settled_at >= (SELECT upto FROM marks WHERE name = 'alerts.payments') - make_interval(secs => :late)
  AND NOT EXISTS (
      SELECT FROM alerts a WHERE a.kind = 'uncertain_payment' AND a.key = CAST(j.id AS text) || ':' || j.attempt
  )
ORDER BY j.settled_at LIMIT :limit
""")

# Never back: looks of two processes may overlap, and the slower one began earlier.
_PAYMENTS_SEEN = text("UPDATE marks SET upto = greatest(upto, :upto) WHERE name = 'alerts.payments'")
_NOW = text("SELECT now()")

_RAISE = text("""
INSERT INTO alerts AS a (id, kind, subject, key, title, detail, path)
SELECT * FROM unnest(CAST(:id AS uuid[]), CAST(:kind AS text[]), CAST(:subject AS text[]), CAST(:key AS text[]),
                     CAST(:title AS text[]), CAST(:detail AS text[]), CAST(:path AS text[]))
ON CONFLICT (kind, key) WHERE resolved_at IS NULL
DO UPDATE SET last_seen_at = now(), count = a.count + 1, title = excluded.title, detail = excluded.detail
RETURNING xmax = 0
""")

_PASSED = text("""
UPDATE alerts SET resolved_at = now()
WHERE resolved_at IS NULL AND kind = ANY(CAST(:kinds AS text[])) AND last_seen_at < now() - make_interval(secs => :calm)
RETURNING id
""")

# A failed job stands until a person has decided. Of a cancelled one nothing waits for that, so it is told and over.
_DEALT_WITH = text("""
UPDATE alerts a SET resolved_at = now(), end_told_at = now()
WHERE a.resolved_at IS NULL AND (
    a.kind IN ('new_error', 'error_came_back')
        AND NOT EXISTS (SELECT FROM error_groups g WHERE g.signature = a.subject AND g.state = 'open')
    OR a.kind = 'uncertain_payment' AND NOT EXISTS (
        SELECT FROM jobs j WHERE j.id = CAST(CASE a.kind WHEN 'uncertain_payment' THEN a.subject END AS uuid)
                             AND a.key = CAST(j.id AS text) || ':' || j.attempt
                             AND (j.state = 'failed' OR j.state = 'cancelled' AND a.told_at IS NULL))
)
RETURNING a.id
""")

_FORGET = text("DELETE FROM alerts WHERE resolved_at < now() - make_interval(secs => :kept)")


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A finding, under the id that it gets if it is new."""

    id: UUID
    finding: Finding


class AlarmStore:
    """Finds, raises and ends alerts. Each raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self) -> None:
        """Note when watching began: what is older is nobody's news."""
        await self._database.run(_BEGIN)

    async def errors(self) -> list[Finding]:
        """Causes of failure for good that nobody was told of, new ones and those that came back."""
        rows = await self._database.run(_ERRORS, {"limit": MOST})
        return [_error(row.signature, row.reopened, row.job, row.code, row.message, row.lost) for row in rows]

    async def payments(self) -> list[Finding]:
        """Jobs after which money may have moved, that nobody was told of."""
        rows = await self._database.run(_PAYMENTS, {"limit": MOST, "late": _LATE.total_seconds()})
        return [
            _payment(row.id, row.attempt, row.name, row.step, row.provider, row.idempotency_key)
            for row in rows
        ]

    async def now(self) -> datetime:
        """The database's clock."""
        [(now,)] = await self._database.run(_NOW)
        if not isinstance(now, datetime):
            raise TypeError(now)
        return now

    async def payments_seen(self, upto: datetime) -> None:
        """All that had ended by then were raised, so the next look begins there."""
        await self._database.run(_PAYMENTS_SEEN, {"upto": upto})

    async def raise_all(self, alerts: Sequence[NewAlert]) -> int:
        """Keep findings, or note that they were seen again; gives how many are new."""
        if not alerts:
            return 0
        # In one order everywhere, so that two at once wait for each other and never in a circle.
        ordered = sorted(alerts, key=lambda one: (one.finding.kind, one.finding.key))
        names = ("kind", "subject", "key", "title", "detail", "path")
        columns: dict[str, list[object]] = {
            name: [str(getattr(one.finding, name)) for one in ordered] for name in names
        }
        rows = await self._database.run(_RAISE, {**columns, "id": [one.id for one in ordered]})
        return sum(row[0] for row in rows)

    async def end(self) -> int:
        """End what has passed, or was dealt with by a person; gives how many."""
        passing = {"kinds": [kind.value for kind in sorted(PASSING)], "calm": CALM.total_seconds()}
        passed = await self._database.run(_PASSED, passing)
        return len(passed) + len(await self._database.run(_DEALT_WITH))

    async def forget(self) -> None:
        """Forget what was over long ago."""
        await self._database.run(_FORGET, {"kept": KEPT.total_seconds()})


def _error(signature: str, reopened: int, job: str, code: str, message: str, lost: int) -> Finding:
    back = reopened > 0
    kind = AlertKind.ERROR_CAME_BACK if back else AlertKind.NEW_ERROR
    what = f"{job} fails again" if back else f"{job} fails"
    times = "1 job" if lost == 1 else f"{lost} jobs"
    return Finding(
        kind,
        signature,
        f"{signature}:{reopened}",
        f"{what}: {code}",
        f"{message}; {times} failed for good so far",
        f"/console/inbox/{signature}",
    )


def _payment(job: UUID, attempt: int, name: str, step: str, provider: str | None, key: str | None) -> Finding:
    looked_up = f"; look it up at {provider or 'the provider'}" + (f" under the key {key}" if key else "")
    return Finding(
        AlertKind.UNCERTAIN_PAYMENT,
        str(job),
        f"{job}:{attempt}",
        f"{name}: money may have moved",
        f"{step} was sent and never answered{looked_up}",
        f"/console/jobs/{job}",
    )


def breakers(names: Iterable[str]) -> list[Finding]:
    """Breakers that are not closed, by name: `provider` or `provider target`."""
    return [
        Finding(
            AlertKind.BREAKER_OPEN,
            name.partition(" ")[0],
            name,
            f"{name} is not called",
            "it has been failing; its jobs wait, at no cost to their retries",
            f"/console/providers/{name.partition(' ')[0]}",
        )
        for name in names
    ]


def waits(queues: Iterable[str], seconds: float) -> list[Finding]:
    """Queues that do not keep up; `seconds` is the limit that they are over, which does not change from look to look."""
    return [
        Finding(
            AlertKind.WORK_WAITS,
            queue,
            queue,
            f"due work of {queue} waits for longer and longer",
            f"the oldest due job has waited for more than {seconds:g} s",
            f"/console/queues/{quote(queue, safe='')}",
        )
        for queue in queues
    ]
