"""How an attempt ends that did not end itself."""

from hub.domain.jobs import Failure, Interrupted


def stopped() -> Interrupted:
    """Its worker was asked to stop, and could not wait longer."""
    message = "the worker was stopped while the job ran"
    return Interrupted(Failure("interrupted", message, "Interrupted", "interrupted"), crashed=False)


def lost_worker() -> Interrupted:
    """Its worker's lease has lapsed."""
    message = "the worker's lease lapsed while the job ran"
    return Interrupted(Failure("worker_lost", message, "WorkerLost", "worker_lost"), crashed=True)


def lost_claim(crashed: bool) -> Interrupted:  # noqa: FBT001 - it is all there is to say
    """Its own worker does not know of it."""
    message = "the worker lost sight of the attempt"
    return Interrupted(Failure("attempt_lost", message, "AttemptLost", "attempt_lost"), crashed=crashed)


def died(how: str) -> Interrupted:
    """It was alone in a process, and that came to its end."""
    message = f"the process that the job had for itself {how}"
    return Interrupted(
        Failure("process_died", message, "ProcessDied", "process_died"), crashed=True, alone=True
    )


def not_begun(why: str) -> Interrupted:
    """It should have had a process for itself, and there was none."""
    message = f"no process could be started for the job alone: {why}"
    return Interrupted(Failure("not_begun", message, "NotBegun", "not_begun"), crashed=False)
