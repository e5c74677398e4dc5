"""How an attempt ends that did not end itself."""

from hub.domain.causes import Cause
from hub.domain.jobs import Failure, Interrupted


def stopped(job: str) -> Interrupted:
    """Its worker was asked to stop, and could not wait longer."""
    return Interrupted(
        _failure(job, "Interrupted", "interrupted", "the worker was stopped while the job ran"), crashed=False
    )


def lost_worker(job: str) -> Interrupted:
    """Its worker's lease has lapsed."""
    message = "the worker's lease lapsed while the job ran"
    return Interrupted(_failure(job, "WorkerLost", "worker_lost", message), crashed=True)


def lost_claim(job: str, *, crashed: bool) -> Interrupted:
    """Its own worker does not know of it."""
    message = "the worker lost sight of the attempt"
    return Interrupted(_failure(job, "AttemptLost", "attempt_lost", message), crashed=crashed)


def died(job: str, how: str) -> Interrupted:
    """It was alone in a process, and that came to its end."""
    message = f"the process that the job had for itself {how}"
    return Interrupted(_failure(job, "ProcessDied", "process_died", message), crashed=True, alone=True)


def not_begun(job: str, why: str) -> Interrupted:
    """It should have had a process for itself, and there was none."""
    message = f"no process could be started for the job alone: {why}"
    return Interrupted(_failure(job, "NotBegun", "not_begun", message), crashed=False)


def _failure(job: str, kind: str, code: str, message: str) -> Failure:
    return Failure.of(Cause.of(job, kind, code, message), message)
