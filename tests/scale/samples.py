"""Some of what is in the database, to be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hub.domain.search.fields import EVENTS, JOBS

_EACH = 40
_SPREAD = "SELECT {what} FROM (SELECT {what}, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS of FROM {table}) s WHERE n % greatest(1, of / {each}) = 0 ORDER BY n LIMIT {each}"


class Unknown(LookupError):
    """Nobody here knows how to ask this."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Ids and values, spread over all that there is."""

    jobs: Sequence[UUID]
    failed: Sequence[UUID]
    open: Sequence[UUID]
    events: Sequence[UUID]
    signatures: Sequence[str]
    plans: Sequence[UUID]
    operators: Sequence[UUID]
    correlation_ids: Sequence[str]
    customers: Sequence[str]

    def places(self, path: str, name: str) -> Sequence[str]:
        """What can stand in a place of a path. Raises Unknown."""
        ids: Mapping[str, Sequence[object]] = {
            "jobs": [*self.failed, *self.jobs, *self.open],
            "events": self.events,
            "plans": self.plans,
            "people": self.operators,
            "operators": self.operators,
        }
        named: Mapping[str, Sequence[object]] = {
            "signature": self.signatures,
            "provider": ["stripe", "sendgrid", "email"],
            "queue": ["payments", "email"],
            "name": ["payments", "email"],
            "listed": ["jobs", "events"],
        }
        room = next((part for part in path.split("/") if part in ids), "")
        found = ids[room] if name == "id" and room else named.get(name)
        if found is None:
            raise Unknown(f"{path}: say in tests/scale/samples.py what can stand for {{{name}}}")
        return [str(value) for value in found]

    def values(self, path: str, field: str) -> Sequence[str]:
        """What a field of a query can be. Raises Unknown."""
        found = self._of_path(path).get(field) or self._anywhere().get(field)
        if found is None:
            raise Unknown(f"{path}?{field}: say in tests/scale/samples.py what it can be")
        return found

    def _of_path(self, path: str) -> Mapping[str, Sequence[str]]:
        return {
            "/v1/errors": {
                "q": ["declined", "no such words"],
            },
            "/v1/plans": {"state": ["draft", "finished,aborted"]},
            "/v1/plans/{id}/items": {"state": ["pending", "succeeded"]},
            "/v1/jobs": {"q": self.searches()},
            "/v1/events": {
                "q": [field.example for field in EVENTS.fields] + ["payment_intent", "pi_5 since:7d"]
            },
            "/v1/search/suggestions": {
                "q": ["state:fa", "provider:", "job:pay", "customer:1"],
                "among": ["jobs", "events"],
            },
            "/v1/alerts": {"state": ["open", "past", "all"]},
            "/v1/statistics": {"since": ["24h", "7d", "30d", "90d"]},
            "/v1/audit": {"subject": [str(job) for job in self.jobs]},
        }.get(path, {})

    def searches(self) -> list[str]:
        """Searches for jobs: each field by itself, and what operators ask."""
        return [
            *[field.example for field in JOBS.fields],
            "state:failed provider:stripe since:2h",
            'state:failed provider:stripe error:"declined" since:7d',
            "state:failed -provider:stripe",
            "state:failed reason:uncertain",
            "state:failed queue:email until:7d",
            f"signature:{self.signatures[0]} state:failed",
            f"signature:{self.signatures[-1]}",
            "order:77",
            "customer:77 state:failed",
            "correlation:order-77",
            "application:shop-2 state:failed",
            "timeout",
            "declined",
            str(self.failed[0]),
            "no.such.thing.anywhere",
        ]

    def _anywhere(self) -> Mapping[str, Sequence[str]]:
        times = [_moment(timedelta(days=days)) for days in (0.05, 1, 7, 20)]
        return {
            "job": ["payments.charge", "email.send", "no.such"],
            "queue": ["payments", "email"],
            "application": ["shop-1", "shop-5"],
            "error_signature": self.signatures,
            "tag": self.customers,
            "correlation_id": self.correlation_ids,
            "event_id": [str(event) for event in self.events],
            "created_after": times,
            "created_before": times,
            "received_after": times,
            "received_before": times,
            "since": times,
            "until": times,
            "text": ["declined", "no stock"],
            "source": ["stripe", "github"],
            "type": ["payment_intent.succeeded", "no.such"],
            "external_id": ["evt_5", "evt_nothing"],
            "provider": ["stripe", "email"],
            "subject": ["pi_5", "pi_500", "pi_nothing"],
            "actor": ["ada", "nobody"],
            "action": ["job.retry", "job.cancel"],
        }  # fmt: skip


def _moment(ago: timedelta) -> str:
    return f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%SZ}"


async def look(connection: Any) -> Samples:
    """Take some of everything."""

    async def column(statement: str) -> list[Any]:
        return [row[0] for row in await connection.fetch(statement)]

    async def spread(table: str, what: str = "id", each: int = _EACH) -> list[Any]:
        return await column(_SPREAD.format(table=table, what=what, each=each))

    return Samples(
        jobs=await spread("jobs"),
        failed=await spread("(SELECT id FROM jobs WHERE state = 'failed') f"),
        open=await spread("(SELECT id FROM jobs WHERE settled_at IS NULL) o"),
        events=await spread("events"),
        # The largest, the smallest, and some between.
        signatures=await column("SELECT signature FROM error_groups ORDER BY lost DESC LIMIT 10")
        + await column("SELECT signature FROM error_groups ORDER BY lost LIMIT 10"),
        plans=await column("SELECT id FROM plans ORDER BY id"),
        operators=await column("SELECT id FROM operators ORDER BY id"),
        correlation_ids=await spread("(SELECT id, correlation_id FROM jobs) c", "correlation_id"),
        customers=await spread("(SELECT id, tags ->> 1 AS tag FROM jobs WHERE tags <> '[]') t", "tag"),
    )
