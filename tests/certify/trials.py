"""What each sabotage must be found out by: a short run in which that safeguard is needed, and the invariant it breaks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.certify.invariants import Invariant
from tests.certify.sabotage import Sabotage
from tests.certify.schedule import HABITS, MIX, Habit, Input, Kind, Schedule, drawn

INPUTS = 400
LENGTH = 12.0  # seconds of load
LEASE = 4.0  # seconds
PATIENCE = 20.0  # seconds for the jobs to end, of which some never will


@dataclass(frozen=True, slots=True)
class Trial:
    """A run without one safeguard.

    Attributes:
        breaks: the invariant that must be found broken.
        shows: what an offence against it must say: what the lack of that safeguard does.
        faults: in which the safeguard is needed; providers' faults befall the one with idempotency keys.
    """

    breaks: Invariant
    shows: str
    faults: Mapping[Kind, int]
    mix: Mapping[Input, float]
    habits: Mapping[Habit, float]

    def schedule(self, seed: int) -> Schedule:
        """The run that a seed stands for."""
        made = drawn(
            seed,
            inputs=INPUTS,
            counts=self.faults,
            mix=self.mix,
            habits=self.habits,
            shortest=LENGTH,
            lease=LEASE,
        )
        at_bank = (
            replace(fault, target=0) if fault.kind is Kind.RESET_AFTER else fault for fault in made.faults
        )
        return replace(made, faults=tuple(at_bank))


TRIALS: Mapping[Sabotage, Trial] = {
    # Frozen in the first of two steps, it does the second when it wakes; another worker has done so long before.
    Sabotage.FENCE: Trial(
        Invariant.NOT_REPEATED,
        "sent 2 times",
        {Kind.WORKER_FROZEN: 3},
        {Input.CHARGE_AND_LETTER: 1.0},
        HABITS,
    ),
    Sabotage.RESCUE: Trial(Invariant.FINISHED, "still running", {Kind.WORKER_KILLED: 4}, MIX, HABITS),
    Sabotage.REHAND: Trial(Invariant.FINISHED, "still queued", {Kind.REDIS_FLUSHED: 2}, MIX, HABITS),
    Sabotage.DEDUPE: Trial(
        Invariant.NONE_DOUBLED, "has 2 jobs", {Kind.WEB_KILLED: 1}, MIX, {Habit.NERVOUS: 0.5, Habit.CUT: 0.5}
    ),
    Sabotage.WAKE: Trial(
        Invariant.FINISHED, "still waiting", {Kind.WEB_KILLED: 1}, {Input.APPROVED: 1.0}, HABITS
    ),
    Sabotage.KEY: Trial(Invariant.DONE_ONCE, "paid 2 times", {Kind.RESET_AFTER: 3}, MIX, HABITS),
}
