"""The life of a plan: doing one thing to thousands of jobs, a few first, then so many a second, and not blindly.

draft     what would be done was counted and written down; nothing is touched. Out: canary, running (start), aborted.
canary    the first few are released and watched. Out: running or awaiting (they did well), stopped (they did not),
          running (a person does not want to wait: go), paused, aborted.
awaiting  the first few did well, and a person wants to look before the rest. Out: running (go), aborted.
running   the rest is released at the set rate. Out: finished, stopped (too many failed), paused, aborted.
paused    by a person. Out: canary or running (resume), aborted.
stopped   by itself: too many failed again. Out: canary or running (resume), aborted.
finished  everything was released, and all that was has ended. Final.
aborted   by a person. Final: nothing more is released; what was runs on, and its outcomes are still noted.

`follow` says what a person may do; `hub.domain.plan_decisions.decide` says what happens by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class PlanState(StrEnum):
    """See the module's docstring: who moves a plan in, and who out."""

    DRAFT = "draft"
    CANARY = "canary"
    AWAITING = "awaiting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FINISHED = "finished"
    ABORTED = "aborted"


class Action(StrEnum):
    """What a plan does to each of its jobs."""

    RETRY = "retry"  # queue it again with a fresh budget, or run its planned retry now
    CANCEL = "cancel"  # end what is not settled; what it has recorded to undo is undone first
    DISCARD = "discard"  # close what has failed or is held for good, where nothing is to be undone
    REQUEUE = "requeue"  # run what is planned for later, or held, now


class ItemState(StrEnum):
    """Where one job of a plan is."""

    EXCLUDED = "excluded"  # matched, and not part of it: its verdict says why
    PENDING = "pending"  # to be released
    SKIPPED = "skipped"  # not released: it had changed since the dry run
    RELEASED = "released"  # queued or running, without an outcome yet
    WAITING = "waiting"  # released, and waits for a time or an event of its own
    RETRYING = "retrying"  # released, has failed, and tries again by itself: counts as failing
    SUCCEEDED = "succeeded"  # came to what the plan wanted
    FAILED = "failed"  # failed for good again
    CANCELLED = "cancelled"  # somebody cancelled it after it was released


OPEN_ITEMS = frozenset({ItemState.RELEASED, ItemState.WAITING, ItemState.RETRYING})
FAILING = frozenset({ItemState.RETRYING, ItemState.FAILED})


class Command(StrEnum):
    """What a person tells a plan."""

    START = "start"
    GO = "go"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


_ALLOWED: Mapping[Command, frozenset[PlanState]] = MappingProxyType(
    {
        Command.START: frozenset({PlanState.DRAFT}),
        Command.GO: frozenset({PlanState.CANARY, PlanState.AWAITING}),
        Command.PAUSE: frozenset({PlanState.CANARY, PlanState.RUNNING}),
        Command.RESUME: frozenset({PlanState.PAUSED, PlanState.STOPPED}),
        Command.ABORT: frozenset(PlanState) - {PlanState.FINISHED, PlanState.ABORTED},
    }
)
AT_WORK = frozenset({PlanState.CANARY, PlanState.RUNNING})
FINAL = frozenset({PlanState.FINISHED, PlanState.ABORTED})

MAX_ITEMS = 1_000_000
MAX_CANARY = 1_000
MAX_RATE = 1_000.0
MIN_RATE = 0.01
MAX_IN_FLIGHT = 10_000
# For how long a dry run is kept that nobody starts: by then its jobs are no more as they were seen.
DRAFT_KEPT = timedelta(days=7)


def follow(command: Command, state: PlanState, *, canary_open: bool) -> PlanState | None:
    """Where a person's command leads, None if it is not allowed there.

    Args:
        command: what the person says.
        state: where the plan is.
        canary_open: it has a canary that was not judged yet.
    """
    if state not in _ALLOWED[command]:
        return None
    match command:
        case Command.START | Command.RESUME:
            return PlanState.CANARY if canary_open else PlanState.RUNNING
        case Command.GO:
            return PlanState.RUNNING
        case Command.PAUSE:
            return PlanState.PAUSED
        case Command.ABORT:
            return PlanState.ABORTED


def commands_of(state: PlanState) -> tuple[Command, ...]:
    """What a person may tell a plan in this state."""
    return tuple(command for command in Command if state in _ALLOWED[command])


@dataclass(frozen=True, slots=True)
class Settings:
    """How carefully a plan goes.

    Attributes:
        canary: how many jobs are released and judged before the rest; 0 for none.
        rate: jobs released in a second, at most.
        stop_above: the share of failures, 0 to 1, above which it stops by itself; 1 for never.
        max_in_flight: released jobs without an outcome, at most.
        wait_for_go: a person says go after the canary.
    """

    canary: int = 10
    rate: float = 10.0
    stop_above: float = 0.2
    max_in_flight: int = 500
    wait_for_go: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of a plan's jobs are in each state. They add up to what matched."""

    excluded: int = 0
    pending: int = 0
    skipped: int = 0
    released: int = 0
    waiting: int = 0
    retrying: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def open(self) -> int:
        """Released, and not ended yet."""
        return self.released + self.waiting + self.retrying

    @property
    def given(self) -> int:
        """Released at all."""
        return self.open + self.succeeded + self.failed + self.cancelled

    @property
    def failing(self) -> int:
        """Failed again, whether it tries once more or not."""
        return self.retrying + self.failed

    @property
    def judged(self) -> int:
        """Released, and with something to be said about it."""
        return self.given - self.released - self.waiting

    @property
    def wanted(self) -> int:
        """What the plan is to be done to."""
        return self.pending + self.skipped + self.given

    @property
    def found(self) -> int:
        """All that matched: the last position of the list."""
        return self.wanted + self.excluded


def expected(jobs: int, rate: float) -> timedelta:
    """How long it takes to release so many jobs, if nothing gets in the way."""
    return timedelta(seconds=jobs / rate)
