"""What will happen in a run, drawn from a seed: the inputs, the faults, whose clock is wrong. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random


class Kind(StrEnum):
    """Kinds of faults."""

    WORKER_KILLED = "worker killed"
    WORKER_FROZEN = "worker frozen past its lease"
    WEB_KILLED = "web process killed"
    ROLLING_RESTART = "rolling restart"
    REDIS_FLUSHED = "Redis flushed"
    REDIS_KILLED = "Redis killed"
    POSTGRES_KILLED = "PostgreSQL killed"
    POSTGRES_FULL = "PostgreSQL out of connections"
    PROVIDER_STALLS = "provider stalls"
    PROVIDER_503 = "provider answers 503"
    PROVIDER_429 = "provider answers 429"
    RESET_BEFORE = "connection reset before the effect"
    RESET_AFTER = "connection reset after the effect"


class Input(StrEnum):
    """Kinds of inputs, by what they start."""

    CHARGE = "charge"  # a submission of the hub's own payments.charge
    EVENT = "event"  # a signed webhook that starts a charge
    LETTER = "letter"  # a submission whose effect goes to the provider without idempotency keys
    CHARGE_AND_LETTER = "charge and letter"  # one after the other
    APPROVED = "charge, approval and letter"  # in between it waits for a webhook, without holding a worker


class Habit(StrEnum):
    """What a client does besides sending until it has a 2xx."""

    PATIENT = "patient"
    CUT = "cut"  # hangs up before the answer to its first try
    NERVOUS = "nervous"  # sends once more what was acknowledged


SOURCES = ("stripe", "github", "standard")


@dataclass(frozen=True, slots=True)
class Planned:
    """One input.

    Attributes:
        at: seconds from the start of the load.
        source: of a webhook, else empty.
        hangs_up: seconds after which a client that cuts hangs up.
        approves: seconds from the acknowledgement to the webhook that the job waits for; it may come before the wait.
    """

    number: int
    kind: Input
    at: float
    source: str
    habit: Habit
    hangs_up: float
    approves: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        at: seconds from the start of the load; it begins then, or as soon as what it needs is free.
        target: which process or provider, by number; of a server, which way it is killed.
        lasts: seconds, where the fault has a length.
        times: how many requests, where it is a provider's.
    """

    kind: Kind
    at: float
    target: int = 0
    lasts: float = 0.0
    times: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run, before it has begun.

    Attributes:
        length: of the load, in seconds.
        clocks: by how many seconds each worker's clock is off; also says how many workers there are.
        lease: of a worker, in seconds.
    """

    seed: int
    length: float
    inputs: tuple[Planned, ...]
    faults: tuple[Fault, ...]
    clocks: tuple[float, ...]
    webs: int
    lease: float


INPUTS = 10_000
RATE = 45.0  # inputs a second
SHORTEST = 25.0  # seconds of load
COUNTS: Mapping[Kind, int] = {
    Kind.WORKER_KILLED: 20,
    Kind.WORKER_FROZEN: 3,
    Kind.WEB_KILLED: 5,
    Kind.ROLLING_RESTART: 2,
    Kind.REDIS_FLUSHED: 5,
    Kind.REDIS_KILLED: 3,
    Kind.POSTGRES_KILLED: 3,
    Kind.POSTGRES_FULL: 2,
    Kind.PROVIDER_STALLS: 3,
    Kind.PROVIDER_503: 3,
    Kind.PROVIDER_429: 4,
    Kind.RESET_BEFORE: 4,
    Kind.RESET_AFTER: 4,
}
MIX: Mapping[Input, float] = {
    Input.CHARGE: 0.35,
    Input.EVENT: 0.3,
    Input.LETTER: 0.15,
    Input.CHARGE_AND_LETTER: 0.1,
    Input.APPROVED: 0.1,
}
HABITS: Mapping[Habit, float] = {Habit.PATIENT: 0.94, Habit.CUT: 0.03, Habit.NERVOUS: 0.03}
CLOCKS = (300.0, -300.0, 0.0)  # seconds
WEBS = 2
PROVIDERS = 2
WAYS = 2  # to kill PostgreSQL: SIGKILL, and what it calls an immediate shutdown
LEASE = 8.0  # seconds, the hub's default
# Seconds, for faults that have a length: down or held for so long. A frozen worker sleeps so much longer than its lease.
LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.WORKER_KILLED: (0.0, 0.5),
    Kind.WORKER_FROZEN: (1.5, 3.0),
    Kind.WEB_KILLED: (0.0, 1.0),
    Kind.REDIS_KILLED: (0.2, 2.0),
    Kind.POSTGRES_KILLED: (0.2, 2.0),
    Kind.POSTGRES_FULL: (1.0, 3.0),
    Kind.PROVIDER_STALLS: (2.0, 4.0),
}
# Requests, for faults of providers. Five failures in a row open the hub's breaker for fifteen seconds.
TIMES: Mapping[Kind, tuple[int, int]] = {
    Kind.PROVIDER_STALLS: (2, 8),
    Kind.PROVIDER_503: (3, 10),
    Kind.PROVIDER_429: (5, 20),
    Kind.RESET_BEFORE: (2, 4),
    Kind.RESET_AFTER: (2, 4),
}


def draw(seed: int, scale: float = 1.0) -> Schedule:
    """The run that a seed stands for.

    Args:
        seed: the same one gives the same schedule.
        scale: 1 for a full run; a short one has fewer inputs and faults, and at least one fault of each kind.
    """
    counts = {kind: max(1, math.ceil(count * scale)) for kind, count in COUNTS.items()}
    return drawn(seed, inputs=max(1, round(INPUTS * scale)), counts=counts)


def drawn(
    seed: int,
    *,
    inputs: int,
    counts: Mapping[Kind, int],
    mix: Mapping[Input, float] = MIX,
    habits: Mapping[Habit, float] = HABITS,
    shortest: float = SHORTEST,
    lease: float = LEASE,
) -> Schedule:
    """A schedule with so many of each; where, when and what exactly comes from the seed."""
    rng = Random(seed)
    length = max(shortest, inputs / RATE)
    clocks = list(CLOCKS)
    rng.shuffle(clocks)
    faults = [
        _fault(rng, kind, (place + 0.05 + 0.9 * rng.random()) / count * length, lease)
        for kind, count in counts.items()
        for place in range(count)
    ]
    return Schedule(
        seed,
        length,
        tuple(_planned(rng, number, number * length / inputs, mix, habits) for number in range(inputs)),
        tuple(sorted(faults, key=lambda fault: fault.at)),
        tuple(clocks),
        WEBS,
        lease,
    )


def _planned(
    rng: Random, number: int, at: float, mix: Mapping[Input, float], habits: Mapping[Habit, float]
) -> Planned:
    [kind] = rng.choices(list(mix), list(mix.values()))
    [habit] = rng.choices(list(habits), list(habits.values()))
    source = rng.choice(SOURCES) if kind is Input.EVENT else ""
    return Planned(number, kind, at, source, habit, rng.uniform(0.001, 0.02), rng.uniform(0.0, 0.4))


def _fault(rng: Random, kind: Kind, at: float, lease: float) -> Fault:
    shortest, longest = LASTS.get(kind, (0.0, 0.0))
    lasts = rng.uniform(shortest, longest) + (lease if kind is Kind.WORKER_FROZEN else 0.0)
    fewest, most = TIMES.get(kind, (0, 0))
    return Fault(kind, at, rng.randrange(_targets(kind)), lasts, rng.randint(fewest, most))


def _targets(kind: Kind) -> int:
    if kind in TIMES:
        return PROVIDERS
    return {
        Kind.WEB_KILLED: WEBS,
        Kind.POSTGRES_KILLED: WAYS,
        Kind.WORKER_KILLED: len(CLOCKS),
        Kind.WORKER_FROZEN: len(CLOCKS),
    }.get(kind, 1)
