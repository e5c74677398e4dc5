"""What must hold, whatever went wrong: pure checks over the books, each with a name and the examples that offend it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.certify.books import LEASE_LOST, Attempt, Books, Job
from tests.certify.schedule import Input, Kind


class Invariant(StrEnum):
    """Their names, and what they say."""

    ACKNOWLEDGED = "every input was acknowledged in the end"
    NONE_LOST = "every acknowledged input has a job"
    NONE_DOUBLED = "no input has two jobs"
    FINISHED = "every job has ended"
    DONE = "what succeeded was done"
    DONE_ONCE = "no effect was done twice at the provider with idempotency keys"
    NOT_REPEATED = "no effect was repeated at the provider without idempotency keys"
    LEDGER = "the ledger of steps agrees with the providers' own books"
    REPORTED = "every effect that may exist is reported as uncertain"
    HISTORY = "the history of attempts has no gaps"
    BUDGET = "no retry budget was used by crashes and deploys"
    NO_CRASH_LOOP = "no job was failed as a crash loop"
    EXPLAINED = "every failure is one that the faults explain"
    PROCESSES = "no process ended by itself, and all ended in good order when asked to"
    NO_ERRORS = "no errors of the hub's own in its logs"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one invariant came to; it held if nothing offends it."""

    invariant: Invariant
    offences: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether nothing offends it."""
        return not self.offences


Check = Callable[[Books], Iterator[str]]


def judge(books: Books) -> list[Verdict]:
    """Every invariant, in order."""
    return [Verdict(invariant, tuple(CHECKS[invariant](books))) for invariant in Invariant]


def effects_of(kind: Input) -> tuple[bool, bool]:
    """Whether an input has an effect at the bank, and whether at the courier."""
    return kind is not Input.LETTER, kind not in {Input.CHARGE, Input.EVENT}


def _acknowledged(books: Books) -> Iterator[str]:
    for client in books.clients:
        if client.refused:
            yield f"{client.reference} was refused: {client.refused}"
        elif client.acknowledged is None:
            yield f"{client.reference} was sent {len(client.tries)} times and never acknowledged"


def _none_lost(books: Books) -> Iterator[str]:
    known = books.jobs_by_reference()
    for client in books.clients:
        if client.acknowledged is not None and client.reference not in known:
            yield f"{client.reference} was acknowledged as {client.answers[0]} and has no job"


def _none_doubled(books: Books) -> Iterator[str]:
    known = books.jobs_by_reference()
    for client in books.clients:
        jobs = known.get(client.reference, [])
        if len(jobs) > 1:
            yield f"{client.reference} has {len(jobs)} jobs: {', '.join(job.id for job in jobs)}"
        elif len(set(client.answers)) > 1:
            yield f"{client.reference} was acknowledged as {' and as '.join(client.answers)}"
        elif jobs and client.answers and client.answers[0] not in {jobs[0].id, jobs[0].event}:
            yield f"{client.reference} was acknowledged as {client.answers[0]}, which is not its job {jobs[0].id}"
    for reference in known.keys() - {client.reference for client in books.clients}:
        yield f"{reference} has a job, and was never sent"


def _finished(books: Books) -> Iterator[str]:
    for job in books.jobs:
        if not job.is_settled:
            yield f"{_told(job)} is still {job.state}"


def _done(books: Books) -> Iterator[str]:
    kinds = {client.reference: client.kind for client in books.clients}
    for job in books.jobs:
        if job.state != "succeeded" or job.reference not in kinds:
            continue
        at_bank, at_courier = effects_of(kinds[job.reference])
        if at_bank and not books.bank[job.reference]:
            yield f"{_told(job)} succeeded, and the bank knows of no payment"
        if at_courier and not books.courier[job.reference]:
            yield f"{_told(job)} succeeded, and the courier has no letter"


def _done_once(books: Books) -> Iterator[str]:
    yield from _repeated(books.bank, "paid")


def _not_repeated(books: Books) -> Iterator[str]:
    yield from _repeated(books.courier, "sent")


def _repeated(effects: Counter[str], what: str) -> Iterator[str]:
    for reference, count in effects.items():
        if count > 1:
            yield f"{reference} was {what} {count} times"


def _ledger(books: Books) -> Iterator[str]:
    """A confirmed step is done; one that was refused or not sent is not; and nothing is done that no step tells of."""
    known = books.jobs_by_reference()
    for provider, effects in (("stripe", books.bank), ("courier", books.courier)):
        for reference in effects.keys() - known.keys():
            yield f"{reference} was done at {provider}, and has no job"
        for job in books.jobs:
            certainty = next((step.certainty for step in job.steps if step.provider == provider), None)
            if effects[job.reference] and certainty not in {"confirmed", "unknown"}:
                yield f"{_told(job)} was done at {provider}, and its ledger says {certainty or 'nothing'}"
            elif certainty == "confirmed" and not effects[job.reference]:
                yield f"{_told(job)} was not done at {provider}, and its ledger says confirmed"


def _reported(books: Books) -> Iterator[str]:
    for job in books.jobs:
        doubtful = [step for step in job.steps if step.certainty == "unknown"]
        if doubtful and job.is_settled and (job.state, job.reason) != ("failed", "uncertain"):
            yield f"{_told(job)} is {job.state} ({job.reason}), and may have been done at {doubtful[0].provider}"
        if (job.state, job.reason) == ("failed", "uncertain") and not doubtful:
            yield f"{_told(job)} is failed as uncertain, and its ledger knows of no doubt"


_LAST: Mapping[str, frozenset[str]] = {
    "succeeded": frozenset({"succeeded"}),
    "failed": frozenset({"failed", "uncertain", "interrupted"}),
}


def _history(books: Books) -> Iterator[str]:
    for job in books.jobs:
        numbers = [attempt.number for attempt in job.attempts]
        if job.is_settled and numbers != list(range(1, job.attempt + 1)):
            yield f"{_told(job)} is at attempt {job.attempt}, and its history has {numbers}"
        elif job.state in _LAST and (not numbers or job.attempts[-1].outcome not in _LAST[job.state]):
            yield f"{_told(job)} is {job.state}, and its last attempt was {[a.outcome for a in job.attempts]}"
        elif any(attempt.outcome == "succeeded" for attempt in job.attempts[:-1]):
            yield f"{_told(job)} was attempted after it had succeeded"


def _budget(books: Books) -> Iterator[str]:
    for job in books.jobs:
        failed = sum(attempt.outcome in {"failed", "uncertain"} for attempt in job.attempts)
        if job.failures != failed:
            yield f"{_told(job)} counts {job.failures} failures, and {failed} of its attempts failed"
        for attempt in job.attempts:
            if attempt.outcome == "failed" and attempt.code not in PROVIDERS_DOING:
                yield f"{_told(job)}: attempt {attempt.number} failed with {attempt.code}, which no provider did"
            if attempt.outcome != "interrupted" and _ended_while_gone(attempt, books):
                yield f"{_told(job)}: attempt {attempt.number} {attempt.outcome} when its worker was gone"


# What an attempt may fail with that counts: the codes of the faults of providers.
PROVIDERS_DOING = frozenset({"status_503", "connection_lost", "timeout"})
# A worker says itself how an attempt ended until it is dead; what it has said is then still written.
_LAST_WORDS = 1.0


def _ended_while_gone(attempt: Attempt, books: Books) -> bool:
    """Whether it ended while its worker was dead or stopped: that is somebody else's word, and is no failure."""
    pid = books.pids.get(attempt.worker)
    for one in books.happened:
        frozen = one.fault.kind is Kind.WORKER_FROZEN
        # The processes of a frozen worker's suspects go on for as long as its lease.
        gone = one.began + (books.lease if frozen else _LAST_WORDS)
        if one.pid != pid or pid is None or attempt.started > one.began or attempt.finished <= gone:
            continue
        if not frozen or attempt.finished < one.ended:
            return True
    return False


def _no_crash_loop(books: Books) -> Iterator[str]:
    for job in books.jobs:
        if job.reason == "crash_loop":
            yield f"{_told(job)} is failed as a crash loop after {job.attempt} attempts"


def _explained(books: Books) -> Iterator[str]:
    for job in books.jobs:
        if job.state not in {"failed", "cancelled"} or job.reason in {"uncertain", "crash_loop"}:
            continue
        codes = [attempt.code for attempt in job.attempts]
        yield f"{_told(job)} is {job.state} ({job.reason}): {codes}"


def _processes(books: Books) -> Iterator[str]:
    yield from books.complaints


# A worker that was frozen says so when it wakes; its jobs are others' by then. A job that fails for good is news for
# people, and judged by other invariants. One that starts while PostgreSQL is away says that it waits.
EXPECTED_ERRORS = (LEASE_LOST, "job failed", "hub: PostgreSQL at", "DETAIL:")


def _no_errors(books: Books) -> Iterator[str]:
    for line, count in books.errors.most_common():
        if not line.startswith(EXPECTED_ERRORS):
            yield f"{count} times: {line}"
    for pid in books.lapsed:
        if not _cost_its_lease(pid, books):
            yield f"the worker with pid {pid} lost its lease, and nothing kept it from renewing it"


def _cost_its_lease(pid: int, books: Books) -> bool:
    """Whether it was frozen, or cut off from PostgreSQL from one renewal until its lease lapsed."""
    away = {Kind.POSTGRES_KILLED, Kind.POSTGRES_FULL}
    renewal = books.lease / 4
    return any(
        one.pid == pid
        if one.fault.kind is Kind.WORKER_FROZEN
        else one.fault.kind in away and one.ended - one.began + renewal >= books.lease
        for one in books.happened
    )


def _told(job: Job) -> str:
    return f"{job.reference} ({job.name} {job.id})"


CHECKS: Mapping[Invariant, Check] = {
    Invariant.ACKNOWLEDGED: _acknowledged,
    Invariant.NONE_LOST: _none_lost,
    Invariant.NONE_DOUBLED: _none_doubled,
    Invariant.FINISHED: _finished,
    Invariant.DONE: _done,
    Invariant.DONE_ONCE: _done_once,
    Invariant.NOT_REPEATED: _not_repeated,
    Invariant.LEDGER: _ledger,
    Invariant.REPORTED: _reported,
    Invariant.HISTORY: _history,
    Invariant.BUDGET: _budget,
    Invariant.NO_CRASH_LOOP: _no_crash_loop,
    Invariant.EXPLAINED: _explained,
    Invariant.PROCESSES: _processes,
    Invariant.NO_ERRORS: _no_errors,
}
