"""Why isn't this job running? One answer for any job, from what is known of it and of what it needs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.jobs import JobState, Reason
from hub.domain.situation import HeldOpen, Paused, Situation


class WhyCode(StrEnum):
    """What keeps a job from running, for machines."""

    SETTLED = "settled"  # it is not waiting for anything
    RUNNING = "running"
    LEASE_LAPSED = "lease_lapsed"  # its worker is gone; it is taken from it in a moment
    QUEUE_PAUSED = "queue_paused"
    UNKNOWN_JOB = "unknown_job"
    ARGS_UNKNOWN = "args_unknown"
    STEPS_CHANGED = "steps_changed"
    HELD = "held"  # for another reason
    BREAKER_OPEN = "breaker_open"
    RATE_LIMITED = "rate_limited"
    NOT_DUE = "not_due"
    WAITS_FOR_EVENT = "waits_for_event"
    WAITS_FOR_TIME = "waits_for_time"
    NO_WORKER = "no_worker"  # none that is alive serves its queue
    BUFFER_FULL = "buffer_full"
    BEHIND_OTHERS = "behind_others"
    NEXT = "next"  # nothing is in its way


@dataclass(frozen=True, slots=True)
class Why:
    """The answer.

    Attributes:
        text: what keeps it, one sentence.
        until: when that ends by itself at the latest, where a time is known.
        todo: what a person can do about it; empty if nothing has to be done.
        besides: what will keep it after that, as things are now.
    """

    code: WhyCode
    text: str
    until: datetime | None = None
    todo: str = ""
    besides: tuple[str, ...] = ()


def why(known: Situation) -> Why:
    """Say why a job is not running. The first thing that keeps it decides."""
    match known.state:
        case JobState.RUNNING:
            return _running(known)
        case JobState.HELD:
            return _held(known)
        case JobState.WAITING if known.run_at > known.now:
            return _with_besides(_waiting(known), known)
        case JobState.SCHEDULED | JobState.RETRYING if known.run_at > known.now:
            return _with_besides(_not_due(known), known)
        case JobState.SUCCEEDED | JobState.FAILED | JobState.CANCELLED:
            return _settled(known)
        case _:
            return _queued(known)


def _settled(known: Situation) -> Why:
    text = (
        f"it is not waiting: it has {'been ' if known.state is JobState.CANCELLED else ''}{known.state.value}"
    )
    todo = "see whether a retry is safe" if known.state is not JobState.SUCCEEDED else ""
    return Why(WhyCode.SETTLED, text, todo=todo)


def _running(known: Situation) -> Why:
    since = f" since {_moment(known.started_at)}" if known.started_at else ""
    holder, work = known.holder, "undoing what it did" if known.undoing else f"attempt {known.attempt}"
    if holder is None or holder.lease_until is None:
        text = f"{work} was begun{since} by a worker that is not known any more"
        return Why(WhyCode.LEASE_LAPSED, f"{text}; it is taken from it in a moment", todo=_start_one(known))
    if holder.lease_until <= known.now:
        text = (
            f"{work} was begun{since}, but {holder} has not been heard of since {_moment(holder.lease_until)}"
        )
        return Why(WhyCode.LEASE_LAPSED, f"{text}; another takes the job over", todo=_start_one(known))
    text = f"it is running: {holder} is at {work}{since}, with a lease until {_moment(holder.lease_until)}"
    return Why(WhyCode.RUNNING, text, holder.lease_until)


def _start_one(known: Situation) -> str:
    return "" if known.workers else f"start a worker for the queue {known.queue}"


def _held(known: Situation) -> Why:
    match known.reason:
        case Reason.QUEUE_PAUSED if known.paused is not None:
            return _paused(known.queue, known.paused)
        case Reason.QUEUE_PAUSED:
            return Why(
                WhyCode.HELD, f"the queue {known.queue} was paused and is resumed: it is queued in a moment"
            )
        case Reason.UNKNOWN_JOB:
            text = f"no worker that has seen it knows the job {known.job}: it is held for a release that does"
            todo = f"deploy a release with {known.job}, or cancel it"
            return _with_besides(Why(WhyCode.UNKNOWN_JOB, text, todo=todo), known)
        case Reason.ARGS_UNKNOWN:
            text = "its arguments do not fit the release that took it: it is held for one that they fit"
            todo = "deploy the release that they fit, or edit them and retry; each worker tries it once"
            return _with_besides(Why(WhyCode.ARGS_UNKNOWN, text, todo=todo), known)
        case Reason.STEPS_CHANGED:
            text = "its recorded steps are not those that this release's code asks for: it is held, not guessed at"
            todo = "deploy a release that they fit, or cancel it; each worker tries it once"
            return _with_besides(Why(WhyCode.STEPS_CHANGED, text, todo=todo), known)
        case _:
            return Why(WhyCode.HELD, f"it is held: {known.reason}")


def _paused(queue: str, paused: Paused) -> Why:
    by, reason = f" by {paused.by}" if paused.by else "", f" ({paused.reason})" if paused.reason else ""
    text = f"the queue {queue} is paused since {_moment(paused.since)}{by}{reason}"
    return Why(WhyCode.QUEUE_PAUSED, text, todo=f"resume the queue {queue}")


def _waiting(known: Situation) -> Why:
    if not known.awaited:
        return Why(
            WhyCode.WAITS_FOR_TIME, f"it sleeps until {_moment(known.run_at)}, as its code says", known.run_at
        )
    events = "; ".join(
        f"{one.source}:{'|'.join(one.types)} about {one.about} since {_moment(one.since)}"
        for one in known.awaited
    )
    text = f"it waits for {events}; until {_moment(known.run_at)} at the latest"
    todo = f"see whether {known.awaited[0].source} has sent it, and have it sent again if it was lost"
    return Why(WhyCode.WAITS_FOR_EVENT, text, known.run_at, todo)


def _not_due(known: Situation) -> Why:
    due = f"it is tried again at {_moment(known.run_at)}"
    if known.met_a_breaker:
        if known.held_open is not None:
            return _held_open(known, known.held_open)
        who, until = known.provider or "the provider", known.breaker_until
        probe = f"; a call is let through at {_moment(until)} to see" if until else ""
        text = f"{who} has been failing, so that its breaker is open and it is not called{probe}; {due}"
        if not known.breaker_known:
            text = (
                f"{who} had been failing, so that its breaker was open and it was not called; whether it still is could"
                f" not be looked at, as Redis does not answer; {due}"
            )
        todo = f"see how {who} is; when it is well again, retry the job to run it now"
        return Why(WhyCode.BREAKER_OPEN, text, known.run_at, todo)
    if known.state is JobState.RETRYING and known.error_code in _LIMITED:
        who = known.provider or "the provider"
        said = (
            "asked to be left alone for a while"
            if known.error_code == "throttled"
            else "is at its limit of calls"
        )
        return Why(WhyCode.RATE_LIMITED, f"{who} {said}; {due}", known.run_at)
    if known.state is JobState.RETRYING:
        text = f"attempt {known.attempt} failed ({known.error_code}); {due}" if known.error_code else due
        return Why(WhyCode.NOT_DUE, text, known.run_at, "retry it to run it now, without waiting")
    return Why(
        WhyCode.NOT_DUE, f"it is not due before {_moment(known.run_at)}, as it was asked for", known.run_at
    )


def _held_open(known: Situation, held: HeldOpen) -> Why:
    until = f"until {_moment(held.until)}" if held.until else "until it is given back to itself"
    text = (
        f"the breaker of {known.provider} is held open by {held.by} {until} ({held.reason}): it is not called"
    )
    todo = f"when {known.provider} may be called again, give its breaker back to itself"
    return Why(WhyCode.BREAKER_OPEN, text, held.until, todo)


_LIMITED = frozenset({"throttled", "rate_limited", "too_many_at_once"})


def _queued(known: Situation) -> Why:  # noqa: PLR0911 - one for each thing that may be in its way
    if known.paused is not None:
        return _paused(known.queue, known.paused)
    if not known.workers:
        return _no_worker(known)
    if known.state is not JobState.QUEUED:
        return Why(WhyCode.NEXT, f"it is due since {_moment(known.run_at)} and is queued in a moment")
    if known.position is not None:
        return _in_buffer(known, known.position)
    if known.buffered is not None and 0 < known.bound <= known.buffered:
        text = (
            f"the ready buffer of the queue {known.queue} is full ({known.buffered}): {_ahead(known)} ahead of it, by"
            " priority and due time"
        )
        return Why(WhyCode.BUFFER_FULL, text, todo=_more_workers(known))
    if known.ahead:
        text = f"{_ahead(known)} of the queue {known.queue} ahead of it, by priority and due time{_unseen(known)}"
        return Why(WhyCode.BEHIND_OTHERS, text, todo=_more_workers(known))
    if known.buffered is None:
        return Why(WhyCode.NEXT, f"nothing that the database knows of is in its way{_unseen(known)}")
    return Why(WhyCode.NEXT, "nothing is in its way: a worker takes it in a moment")


def _unseen(known: Situation) -> str:
    if known.buffered is not None:
        return ""
    return "; the ready buffer could not be looked at, as Redis does not answer"


def _in_buffer(known: Situation, position: int) -> Why:
    if not position:
        return Why(
            WhyCode.NEXT,
            f"it is the first in the ready buffer of {known.queue}: the next free worker takes it",
        )
    text = f"it is in the ready buffer of the queue {known.queue}, with {_jobs(position)} ahead of it"
    return Why(WhyCode.BEHIND_OTHERS, text, todo=_more_workers(known))


def _no_worker(known: Situation) -> Why:
    text = f"no worker that is alive serves the queue {known.queue}"
    return Why(WhyCode.NO_WORKER, text, todo=f"start a worker for the queue {known.queue}: hub worker")


def _more_workers(known: Situation) -> str:
    return f"wait, or start more workers for the queue {known.queue} ({known.workers} alive)"


def _ahead(known: Situation) -> str:
    more = "more than " if known.ahead_bounded else ""
    return f"{more}{_jobs(known.ahead)} {'is' if known.ahead == 1 else 'are'}"


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"


def _with_besides(answer: Why, known: Situation) -> Why:
    """What would keep it next: told beforehand, so that nobody waits for a time at which nothing happens."""
    besides = []
    if known.paused is not None:
        besides.append(f"the queue {known.queue} is paused")
    if not known.workers:
        besides.append(f"no worker that is alive serves the queue {known.queue}")
    return Why(answer.code, answer.text, answer.until, answer.todo, tuple(besides))


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"
