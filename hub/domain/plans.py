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

`follow` says what a person may do; `decide` says what happens by itself. Both are pure: time is an argument.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
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
# How many outcomes the failure share is taken of once the canary is over, and how many it takes to say anything.
WINDOW = 200
LEAST = 20
# Nothing makes up for more than this: what was missed in a pause or an outage is not released in a burst.
CATCH_UP = timedelta(seconds=1)
TICK = timedelta(seconds=0.2)  # between two looks while something is released
WATCH = timedelta(seconds=1)  # while nothing can be released, or outcomes alone are awaited
TAIL = timedelta(seconds=5)  # while nothing but late outcomes is awaited


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


@dataclass(frozen=True, slots=True)
class Sample:
    """The latest outcomes.

    Attributes:
        judged: how many; WINDOW at most.
        failing: how many of them failed again, whether they try once more or not.
    """

    judged: int = 0
    failing: int = 0


@dataclass(frozen=True, slots=True)
class Unwell:
    """A provider whose breaker is not closed.

    Attributes:
        until: when it is asked again; None if now is the time to ask.
        held: a person holds its breaker open, and why; then nothing asks it before that ends.
    """

    provider: str
    until: datetime | None
    held: str | None = None

    @property
    def may_be_asked(self) -> bool:
        """Whether now is the time."""
        return self.until is None and self.held is None

    def __str__(self) -> str:
        until = f" until {self.until:%H:%M:%S} UTC" if self.until else ""
        if self.held:
            return f"{self.held}{until}"
        if self.until:
            return f"the breaker of {self.provider} is open{until}"
        return f"{self.provider} is being asked whether it is back"


@dataclass(frozen=True, slots=True)
class Barrier:
    """What breakers keep from being released.

    Attributes:
        providers: jobs that called one of these last are left for later.
        most: how many of the others may be released at once; None for no limit.
        text: why, in words.
    """

    providers: frozenset[str] = frozenset()
    most: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What `decide` must know of a plan.

    Attributes:
        recent: the latest outcomes since it was started or resumed.
        credit: the part of a job, or of the second that may be caught up, that was earned and not used yet.
        idle: time since it was looked at last, by the database's clock.
        before: of all its outcomes, those from before it was started or resumed; a canary is judged without them.
    """

    state: PlanState
    settings: Settings
    counts: Counts
    recent: Sample
    credit: float
    idle: timedelta
    before: Sample = field(default_factory=Sample)

    @property
    def tried(self) -> int:
        """How many jobs the canary has been given."""
        return self.counts.given - self.before.judged

    @property
    def failing(self) -> int:
        """How many jobs of the canary failed again."""
        return self.counts.failing - self.before.failing


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a plan now.

    Attributes:
        state: where it is from now on.
        release: how many jobs are released now.
        credit: what is left for the next time.
        judgement: what was found, in words, where something was.
        held_up: why nothing is released, where something could be.
        again: when to look again; None if there is nothing to look for.
    """

    state: PlanState
    release: int = 0
    credit: float = 0.0
    judgement: str | None = None
    held_up: str | None = None
    again: timedelta | None = None


def decide(plan: Standing) -> Decision:
    """Say what a plan does by itself now: release, go on, stop, finish. The only place where that is decided."""
    counts = plan.counts
    if plan.state not in AT_WORK:
        return Decision(plan.state, again=TAIL if counts.open else None)
    if stop := _why_stopped(plan):
        return Decision(PlanState.STOPPED, judgement=stop, again=WATCH)
    if not counts.pending and not counts.open:
        return Decision(PlanState.FINISHED, judgement=_summary(counts))
    if plan.state is PlanState.CANARY and _canary_is_over(plan):
        return _passed(plan)
    return _released(plan)


def allowance(credit: float, idle: timedelta, rate: float) -> float:
    """How many jobs may be released after this time: what the rate gives, and what may be caught up, at most.

    The fraction of a job that was earned already is kept, or slow rates would be slower still.
    """
    most = 1 + rate * CATCH_UP.total_seconds()
    return min(credit + rate * max(0.0, idle.total_seconds()), most)


def expected(jobs: int, rate: float) -> timedelta:
    """How long it takes to release so many jobs, if nothing gets in the way."""
    return timedelta(seconds=jobs / rate)


def barrier(unwell: Sequence[Unwell], in_flight: int) -> Barrier:
    """What breakers keep from being released.

    Somebody has to ask a provider whether it is back: if none of the plan's jobs is on its way, one is sent to do so.

    Args:
        unwell: those of the plan's providers whose breakers are not closed.
        in_flight: released jobs without an outcome.
    """
    asked = [one for one in unwell if one.may_be_asked and not in_flight]
    shut = [one for one in unwell if one not in asked]
    told = "; ".join(str(one) for one in (*shut, *asked))
    return Barrier(frozenset(one.provider for one in shut), 1 if asked else None, told)


def held_up_by(decision: Decision, barrier: Barrier) -> Decision:
    """The decision where nothing could be released because of breakers."""
    return replace(decision, held_up=barrier.text, again=WATCH)


def _released(plan: Standing) -> Decision:
    counts, settings = plan.counts, plan.settings
    credit = allowance(plan.credit, plan.idle, settings.rate)
    room = settings.max_in_flight - counts.released
    wanted = counts.pending
    if plan.state is PlanState.CANARY:
        wanted = min(wanted, settings.canary - plan.tried)
    held_up = _held_up(counts, room, wanted)
    release = max(0, min(int(credit), room, wanted))
    moving = release or (wanted > 0 and held_up is None)
    return Decision(
        plan.state, release, credit - release, held_up=held_up, again=TICK if moving else _patience(counts)
    )


def _patience(counts: Counts) -> timedelta:
    return WATCH if counts.pending or counts.released else TAIL


def _held_up(counts: Counts, room: int, wanted: int) -> str | None:
    if wanted > 0 >= room:
        return f"{counts.released} released jobs have no outcome yet, and no more may be in flight"
    return None


def _canary_is_over(plan: Standing) -> bool:
    counts = plan.counts
    out = plan.tried >= plan.settings.canary or not counts.pending
    return out and not counts.released and not counts.waiting


def _why_stopped(plan: Standing) -> str | None:
    settings = plan.settings
    if plan.state is PlanState.CANARY:
        # Of all of it, so that a bad start alone does not stop it; but not later than its end is certain.
        of = min(settings.canary, plan.tried + plan.counts.pending)
        failing, sample = plan.failing, f"the {'next' if plan.before.judged else 'first'} {of}"
    else:
        failing, of, sample = plan.recent.failing, plan.recent.judged, f"the latest {plan.recent.judged}"
        if of < LEAST:
            return None
    if not of or failing / of <= settings.stop_above:
        return None
    return (
        f"{failing} of {sample} jobs failed again ({failing / of:.0%}), more than the"
        f" {settings.stop_above:.0%} that are allowed"
    )


def _passed(plan: Standing) -> Decision:
    judged = plan.counts.judged - plan.before.judged
    text = f"the canary did well: {plan.failing} of {judged} failed again"
    waits = plan.settings.wait_for_go and plan.counts.pending
    state = PlanState.AWAITING if waits else PlanState.RUNNING
    return Decision(state, judgement=text, again=WATCH if waits else timedelta(0))


def _summary(counts: Counts) -> str:
    told = (
        f"{number} {word}"
        for number, word in (
            (counts.succeeded, "succeeded"),
            (counts.failed, "failed again"),
            (counts.cancelled, "cancelled by somebody else"),
            (counts.skipped, "skipped, as they had changed"),
        )
        if number
    )
    return ", ".join(told) or "nothing was left to do"
