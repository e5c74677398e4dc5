"""How long things took, through each kind of fault: pure arithmetic over the books."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.certify.books import Attempt, Books, Client, Job
from tests.certify.faults import Happened
from tests.certify.schedule import TIMES, Kind

QUIET = "nothing at that moment"
_REDIS = {Kind.REDIS_FLUSHED, Kind.REDIS_KILLED}
_AFTERMATH = 1.0  # seconds after a provider's fault was ordered in which its requests arrive


@dataclass(frozen=True, slots=True)
class Spread:
    """Of some durations, in seconds."""

    count: int
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Timing:
    """What a kind of fault did to the speed of things.

    Attributes:
        faults: how many there were.
        intake: from the fault until a request that began after it was acknowledged (by that process, if it was one's).
        work: from the fault until the last job that it held up was running again (for providers' faults: had ended).
        acknowledged: from the first try to the 2xx, of the inputs that were on their way between fault and recovery.
        settled: from the 2xx to the end of the job, of the same.
    """

    kind: str
    faults: int
    intake: Spread | None
    work: Spread | None
    acknowledged: Spread | None
    settled: Spread | None


def spread(durations: Iterable[float]) -> Spread | None:
    """None if there are no durations."""
    ordered = sorted(durations)
    if not ordered:
        return None
    return Spread(len(ordered), _part(ordered, 0.5), _part(ordered, 0.99), ordered[-1])


def _part(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def timings(books: Books) -> list[Timing]:
    """One for each kind of fault that happened, and one for the inputs that met none."""
    jobs = {reference: jobs[0] for reference, jobs in books.jobs_by_reference().items()}
    windows = [(one, _window(one, books)) for one in books.happened]
    kinds = sorted({one.fault.kind for one in books.happened})
    made = [
        _timing(
            kind.value,
            [one for one in books.happened if one.fault.kind is kind],
            books,
            [
                client
                for client in books.clients
                if _meets(client, jobs, [window for one, window in windows if one.fault.kind is kind])
            ],
            jobs,
        )
        for kind in kinds
    ]
    quiet = [
        client for client in books.clients if not _meets(client, jobs, [window for _, window in windows])
    ]
    return [*made, _timing(QUIET, [], books, quiet, jobs)]


def _timing(
    kind: str, happened: Sequence[Happened], books: Books, clients: Sequence[Client], jobs: Mapping[str, Job]
) -> Timing:
    settled = [
        job.settled - client.acknowledged
        for client in clients
        if client.acknowledged and (job := jobs.get(client.reference)) and job.settled
    ]
    return Timing(
        kind,
        len(happened),
        spread(seconds for one in happened if (seconds := intake_again(one, books)) is not None),
        spread(seconds for one in happened if (seconds := work_again(one, books)) is not None),
        spread(client.acknowledged - client.first_sent for client in clients if client.acknowledged),
        # The database may say that a job has ended before its client has read the answer.
        spread(max(0.0, seconds) for seconds in settled),
    )


def _window(one: Happened, books: Books) -> tuple[float, float]:
    return one.began, max(one.ended, one.began + (work_again(one, books) or 0.0))


def _meets(client: Client, jobs: Mapping[str, Job], windows: Iterable[tuple[float, float]]) -> bool:
    """Whether an input was on its way, from its first try to the end of its job, between a fault and its recovery."""
    job = jobs.get(client.reference)
    end = (job.settled if job else None) or client.acknowledged or math.inf
    return any(client.first_sent <= ended and began <= end for began, ended in windows)


def intake_again(one: Happened, books: Books) -> float | None:
    """Seconds until a request that began after the fault was acknowledged; None if none was."""
    acknowledged = [
        ended
        for client in books.clients
        for web, began, ended, good in client.tries
        if good and began >= one.began and one.web in {None, web}
    ]
    return min(acknowledged) - one.began if acknowledged else None


def work_again(one: Happened, books: Books) -> float | None:
    """Seconds until the last of the jobs that the fault held up went on; None if it held up none."""
    went_on = _ended_after if one.fault.kind in TIMES else _went_on_after
    moments = [moment for job in books.jobs if (moment := went_on(one, job)) is not None]
    return max(moments) - one.began if moments else None


def _went_on_after(one: Happened, job: Job) -> float | None:
    """When a job that was due, or lost its worker, was started (again); None if the fault did not touch it."""
    if job.created > one.began or (job.settled is not None and job.settled <= one.began):
        return None
    current = _at(job.attempts, one.began)
    if current and (current.outcome != "interrupted" or one.fault.kind in _REDIS):
        return None  # what runs needs no Redis: if it was interrupted, then by another fault
    past = [attempt for attempt in job.attempts if attempt.finished <= one.began]
    if current is None and past and past[-1].outcome in {"failed", "snoozed"}:
        return None  # it waited for its time, not for us
    return next((attempt.started for attempt in job.attempts if attempt.started > one.began), None)


def _ended_after(one: Happened, job: Job) -> float | None:
    """When a job ended whose attempt failed by the provider's fault."""
    until = one.ended + _AFTERMATH
    hit = any(
        attempt.outcome in {"failed", "snoozed", "uncertain"} and one.began <= attempt.finished <= until
        for attempt in job.attempts
    )
    return job.settled if hit else None


def _at(attempts: Iterable[Attempt], moment: float) -> Attempt | None:
    return next((attempt for attempt in attempts if attempt.started <= moment < attempt.finished), None)
