"""What was seen from the outside: the clients' notes, the database's rows, the providers' books, the processes' logs."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from tests.certify.faults import Happened, Injector
from tests.certify.load import Sent
from tests.certify.schedule import LEASE, Input


@dataclass(frozen=True, slots=True)
class Client:
    """An input as its client saw it; times in Unix seconds."""

    reference: str
    kind: Input
    first_sent: float
    acknowledged: float | None
    answers: tuple[str, ...]
    refused: str = ""
    tries: tuple[tuple[int, float, float, bool], ...] = ()  # web, began, ended, acknowledged


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of `attempts`."""

    number: int
    outcome: str
    started: float
    finished: float
    worker: str
    code: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A row of `steps`."""

    position: int
    provider: str
    certainty: str


@dataclass(frozen=True, slots=True)
class Job:
    """A row of `jobs`, with what belongs to it."""

    id: str
    event: str | None
    reference: str
    name: str
    state: str
    reason: str | None
    attempt: int
    failures: int
    created: float
    settled: float | None
    attempts: tuple[Attempt, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that the invariants are judged by.

    Attributes:
        bank: effects by reference, at the provider that honours idempotency keys.
        courier: effects by reference, at the provider that does not.
        errors: lines that the hub's processes logged as errors, by what they say.
        pids: of the workers, by id.
        lapsed: the pids of those that said that they lost their lease.
        lease: a worker's, in seconds.
        complaints: what supervision saw: processes that ended by themselves, or badly.
    """

    clients: Sequence[Client]
    jobs: Sequence[Job]
    bank: Counter[str]
    courier: Counter[str]
    happened: Sequence[Happened] = ()
    errors: Counter[str] = field(default_factory=Counter)
    complaints: Sequence[str] = ()
    pids: Mapping[str, int] = field(default_factory=dict)
    lapsed: Sequence[int] = ()
    lease: float = LEASE

    def jobs_by_reference(self) -> Mapping[str, list[Job]]:
        """The jobs of each input."""
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(job.reference, []).append(job)
        return found


LEASE_LOST = "lease lost"
_JOBS = """
SELECT j.id, j.event_id, j.name, j.state, j.reason, j.attempt, j.failures, j.created_at, j.settled_at,
       coalesce(j.args->>'reference', j.args->>'description', convert_from(e.body, 'UTF8')::jsonb->>'reference') AS reference
FROM jobs j LEFT JOIN events e ON e.id = j.event_id ORDER BY j.id
"""
_ATTEMPTS = "SELECT job_id, number, outcome, started_at, finished_at, worker_id, error_code FROM attempts ORDER BY job_id, number"
_STEPS = "SELECT job_id, position, provider, certainty FROM steps ORDER BY job_id, position"


async def close(injector: Injector, sent: Sequence[Sent], lease: float) -> Books:
    """Read everything, now that all is over."""
    stage = injector.stage
    logs = [said for slot in stage.slots for said in slot.logs]
    logs += [(slot.child.pid, slot.child.output()) for slot in stage.slots if slot.child]
    return Books(
        [_client(one) for one in sent],
        _jobs(await stage.rows(_JOBS), await stage.rows(_ATTEMPTS), await stage.rows(_STEPS)),
        Counter(await injector.books(0)),
        Counter(await injector.books(1)),
        sorted(injector.happened, key=lambda one: one.began),
        errors_in(text for _, text in logs),
        tuple(injector.complaints),
        {str(row["id"]): row["pid"] for row in await stage.rows("SELECT id, pid FROM workers")},
        [pid for pid, text in logs if errors_in([text])[LEASE_LOST]],
        lease,
    )


def _client(sent: Sent) -> Client:
    tries = tuple(
        (one.web, one.began, one.ended, one.status is not None and one.status < 300) for one in sent.tries
    )
    return Client(
        sent.reference,
        sent.planned.kind,
        sent.first_sent,
        sent.acknowledged,
        tuple(sent.answers),
        sent.refused,
        tries,
    )


def _jobs(
    rows: Iterable[asyncpg.Record], attempts: Iterable[asyncpg.Record], steps: Iterable[asyncpg.Record]
) -> list[Job]:
    attempts_of: dict[object, list[Attempt]] = {}
    for row in attempts:
        attempts_of.setdefault(row["job_id"], []).append(
            Attempt(
                row["number"],
                row["outcome"],
                row["started_at"].timestamp(),
                row["finished_at"].timestamp(),
                str(row["worker_id"]),
                row["error_code"],
            )
        )
    steps_of: dict[object, list[Step]] = {}
    for row in steps:
        steps_of.setdefault(row["job_id"], []).append(
            Step(row["position"], row["provider"], row["certainty"])
        )
    return [
        Job(
            str(row["id"]),
            str(row["event_id"]) if row["event_id"] else None,
            row["reference"],
            row["name"],
            row["state"],
            row["reason"],
            row["attempt"],
            row["failures"],
            row["created_at"].timestamp(),
            _seconds(row["settled_at"]),
            tuple(attempts_of.get(row["id"], ())),
            tuple(steps_of.get(row["id"], ())),
        )
        for row in rows
    ]


def _seconds(time: datetime | None) -> float | None:
    return time.timestamp() if time else None


def errors_in(logs: Iterable[str]) -> Counter[str]:
    """What processes logged as errors (and whatever they printed that is no log line, such as a traceback)."""
    errors: Counter[str] = Counter()
    for line in (line for text in logs for line in text.splitlines() if line.strip()):
        try:
            document = json.loads(line)
        except ValueError:
            errors[line[:200]] += 1
            continue
        if isinstance(document, dict) and document.get("level") in {"error", "critical"}:
            said = str(document.get("exception") or document.get("error") or "").strip().splitlines()
            errors[": ".join([str(document.get("event")), *said[-1:]])[:300]] += 1
    return errors
