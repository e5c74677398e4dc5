"""What a plan does by itself: how much is released when, what keeps it from that, and when it stops.

`decide` says it; `hub.domain.plans.follow` says what a person may do. Both are pure: time is an argument.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub.domain.plans import AT_WORK, Counts, PlanState, Settings
from hub.domain.wording import counted

# How many outcomes the failure share is taken of once the canary is over, and how many it takes to say anything.
WINDOW = 200
LEAST = 20
# Nothing makes up for more than this: what was missed in a pause or an outage is not released in a burst.
CATCH_UP = timedelta(seconds=1)
TICK = timedelta(seconds=0.2)  # between two looks while something is released
WATCH = timedelta(seconds=1)  # while nothing can be released, or outcomes alone are awaited
TAIL = timedelta(seconds=5)  # while nothing but late outcomes is awaited


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
        ask: those of them that may be asked whether they are back, by one job each.
        text: why, in words.
    """

    providers: frozenset[str] = frozenset()
    ask: frozenset[str] = frozenset()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Passed:
    """How far a plan's list was gone through. Nothing becomes pending again, so what was once true of a part stays so.

    Attributes:
        released_to: up to this position none is pending.
        over: providers that were passed over, as their breakers were open.
        to: up to this position none is pending but theirs.
    """

    released_to: int = 0
    over: frozenset[str] = frozenset()
    to: int = 0

    def without(self, blocked: Collection[str]) -> int:
        """Up to this position nobody but these is pending."""
        return max(self.released_to, self.to if self.over <= {*blocked} else 0)

    def after(
        self, chosen: Sequence[int], blocked: Collection[str], *, limit: int, ahead: int, places: int
    ) -> tuple["Passed", bool]:
        """When the next that are none of these had their turn.

        Args:
            chosen: their positions.
            blocked: the providers that were passed over.
            limit: how many were to be chosen.
            ahead: among how many places.
            places: how many the list has.

        Returns:
            How far it was gone through, and whether more is to be gone through for as many as were wanted.
        """
        full = len(chosen) == limit
        reached = chosen[-1] if full else min(self.without(blocked) + ahead, places)
        return self._on_to(reached, blocked), not full and reached < places

    def _on_to(self, position: int, blocked: Collection[str]) -> "Passed":
        if not blocked:
            return replace(self, released_to=position)
        return replace(self, over=frozenset(blocked), to=position)


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


def barrier(unwell: Sequence[Unwell]) -> Barrier:
    """What breakers keep from being released.

    Somebody has to ask a provider whether it is back: a job of its own, as no other does. The others go on meanwhile.

    Args:
        unwell: those of the plan's providers whose breakers are not closed.
    """
    told = "; ".join(str(one) for one in sorted(unwell, key=lambda one: one.may_be_asked))
    providers = frozenset(one.provider for one in unwell)
    return Barrier(providers, frozenset(one.provider for one in unwell if one.may_be_asked), told)


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
        have = "has" if counts.released == 1 else "have"
        return (
            f"{counted(counts.released, 'released job')} {have} no outcome yet, and no more may be in flight"
        )
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
        failing, sample = plan.failing, "next" if plan.before.judged else "first"
    else:
        failing, of, sample = plan.recent.failing, plan.recent.judged, "latest"
        if of < LEAST:
            return None
    if not of or failing / of <= settings.stop_above:
        return None
    told = f"the {sample} job" if of == 1 else f"{failing} of the {sample} {of} jobs"
    return (
        f"{told} failed again ({failing / of:.0%}), more than the {settings.stop_above:.0%} that are allowed"
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
