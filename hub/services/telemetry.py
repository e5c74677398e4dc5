"""What is told of the work: counted, logged under the job's ids, and reported where nobody foresaw it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import structlog

from hub.domain.errors import CallError, HubError
from hub.domain.jobs import JobState, OutcomeKind, Reason, Transition
from hub.domain.providers import Call, Operation
from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers, Circuit
from hub.infra.metrics import Metrics
from hub.infra.store.execution import Abandoned, Claimed
from hub.services.attempt import Send

log = structlog.get_logger("hub.job")

# Where these end a job, the hub or a provider is unwell; the other reasons are the business's own.
_ALARMING = frozenset({Reason.EXHAUSTED, Reason.UNCERTAIN, Reason.CRASH_LOOP, Reason.COMPENSATION_FAILED})
# Why a job fails for good, and what the relay does.
_FINAL = (*_ALARMING, Reason.DECLINED, Reason.REJECTED, Reason.INVALID, Reason.STOPPED)
_MOVES = ("promoted", "handed_over", "rehanded", "rescued", "released", "held", "woken")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What one worker tells of its attempts.

    Attributes:
        report: told about errors that nobody foresaw, once for each attempt.
        verbose: whether attempts that went well are logged; they are too many to ask the logger each time.
        running: how many jobs run now, by queue.
    """

    metrics: Metrics
    report: Callable[[BaseException, Claimed], None]
    verbose: bool = False
    running: Counter[str] = field(default_factory=Counter)

    def expect(self, jobs: Iterable[str]) -> None:
        """Make known what may go wrong with these jobs before it does, so that the first time is seen too."""
        self.metrics.expect(jobs, _FINAL, _MOVES)

    def ended(self, job: Claimed, move: Transition, error: BaseException | None, seconds: float) -> None:
        """An attempt came to its end."""
        self.metrics.attempt(job.name, move.outcome.value, seconds)
        unforeseen = error is not None and not isinstance(error, HubError)
        if move.failure is not None or self.verbose:
            level, event = _said(move, unforeseen=unforeseen)
            log.log(
                level,
                event,
                seconds=round(seconds, 3),
                # What was foreseen is told by its code; of the rest, only where it happened helps.
                exc_info=error if unforeseen else None,
                **_described(job, move),
            )
        if move.state is JobState.FAILED:
            self.metrics.failed(job.name, str(move.reason))
        if error is not None and unforeseen:
            self.report(error, job)

    def lost(self, job: Abandoned, move: Transition) -> None:
        """An attempt ended with its worker, or out of its sight."""
        self.metrics.attempt(job.name, move.outcome.value, None)
        level, event = _said(move, unforeseen=False)
        log.log(max(level, _WARNING), event, worker=job.worker, **_described(job, move))
        if move.state is JobState.FAILED:
            self.metrics.failed(job.name, str(move.reason))

    def settled(self, asked: int, written: int) -> None:
        """Ends of attempts were written; those that were not belong to jobs that others hold by now."""
        self.metrics.fenced("settlement", asked - written)

    def show_running(self) -> None:
        """Set the gauges of what runs."""
        for queue, count in self.running.items():
            self.metrics.running_is(queue, count)


_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40


def _said(move: Transition, *, unforeseen: bool) -> tuple[int, str]:
    match move.state:
        case JobState.FAILED:
            return (_ERROR if unforeseen or move.reason in _ALARMING else _WARNING), "job failed"
        case JobState.HELD:
            return _WARNING, "job held"
        case _ if unforeseen:
            return _WARNING, "attempt failed"
        case _ if move.outcome is OutcomeKind.FAILED:
            return _INFO, "attempt failed"
        case _:
            return _DEBUG, "attempt ended"


def _described(job: Claimed | Abandoned, move: Transition) -> dict[str, Any]:
    described: dict[str, Any] = {
        "job": job.name,
        "job_id": job.id,
        "attempt": job.attempt,
        "correlation_id": job.correlation_id,
        "outcome": move.outcome.value,
        "state": move.state.value,
    }
    if move.reason is not None:
        described["reason"] = move.reason.value
    if move.run_at is not None:
        described["run_at"] = move.run_at
    if (failure := move.failure) is not None:
        described |= {"code": failure.code, "error": failure.message, "cause": failure.signature}
    return described


# A code may be the provider's own word: only so many of them become series of their own.
_MOST_CODES = 50
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


Note = Callable[[str, CallError | None, float], None]


def counted(send: Send, metrics: Metrics, note: Note = lambda _provider, _error, _seconds: None) -> Send:
    """The same sender, counting and timing every call by what came of it; `note` is told of each that was not broken off."""
    codes: dict[str, set[str]] = {}

    def known(provider: str, code: str) -> str:
        seen = codes.setdefault(provider, set())
        if code not in seen:
            if len(seen) >= _MOST_CODES or not _CODE.fullmatch(code):
                return "other"
            seen.add(code)
        return code

    async def sending(operation: Operation[Any, Any], args: Any, call: Call) -> Any:
        provider, began, outcome = operation.provider.name, perf_counter(), "broken_off"
        try:
            result = await send(operation, args, call)
            outcome = "confirmed"
            note(provider, None, perf_counter() - began)
        except CallError as error:
            outcome = known(provider, error.code)
            note(provider, error, perf_counter() - began)
            raise
        finally:
            label = f"{operation.method} {operation.path}"
            metrics.call(provider, label, outcome, perf_counter() - began)
        return result

    return sending


def tell_changes(breakers: Breakers, metrics: Metrics) -> None:
    """Count and log whenever a call made here opens or closes a breaker."""

    def changed(circuit: Circuit) -> None:
        state = circuit.state
        metrics.breaker_changed(circuit.provider, state.value)
        level = _INFO if state is State.CLOSED else _WARNING
        log.log(level, "breaker", state=state.value, provider=circuit.provider, target=circuit.target or None)

    breakers.listen(changed)
