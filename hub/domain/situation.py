"""What is known of a job and of what it needs: what the answer to why it is not running is made of."""

from dataclasses import dataclass
from datetime import datetime

from hub.domain.jobs import JobState


@dataclass(frozen=True, slots=True)
class Awaited:
    """An event that would wake the job."""

    source: str
    types: tuple[str, ...]
    about: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """The worker that runs the job.

    Attributes:
        host: where; None for an application, which is told of its job and not of the fleet.
        pid: its process there.
        lease_until: when the job is taken from it unless it says before that it lives; None if it is not known any more.
    """

    host: str | None
    pid: int | None
    release: str
    lease_until: datetime | None

    def __str__(self) -> str:
        if self.host is None:
            return f"a worker, release {self.release},"
        return f"the worker on {self.host}, process {self.pid}, release {self.release}"


@dataclass(frozen=True, slots=True)
class HeldOpen:
    """A person's order that a provider is not called.

    Attributes:
        until: when it ends by itself; None: when a person gives the breaker back.
    """

    by: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Paused:
    """A person's order that nothing is started from a queue.

    Attributes:
        since: from when on.
        by: who gave it; None if that is not on record.
        reason: why, if they said so.
    """

    since: datetime
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job stands in the ready buffer of its queue; None for what is not known.

    Attributes:
        position: how many come before it; None if it is not there.
        depth: how many there are.
    """

    position: int | None = None
    depth: int | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a job and of what it needs.

    Attributes:
        now: the database's clock.
        paused: who has paused its queue, and when.
        error_code: of its latest error.
        provider: whom its latest step concerns.
        breaker_until: when that provider is asked again; None if its breaker is not open.
        breaker_known: whether that could be looked at.
        held_open: who holds that breaker open.
        awaited: the events that would wake it.
        workers: how many that are alive serve its queue.
        holder: who runs it.
        ahead: how many jobs of its queue come before it, those in the ready buffer included.
        ahead_bounded: whether counting stopped, so that there may be more.
        position: its place in the ready buffer, 0 for the first; None if it is not in it, or nobody here can look.
        buffered: how many jobs stand in the ready buffer; None if nobody here can look.
        bound: how many it may hold.
        undoing: it is to undo what it did.
    """

    state: JobState
    reason: str | None
    job: str
    queue: str
    run_at: datetime
    now: datetime
    attempt: int = 0
    started_at: datetime | None = None
    paused: Paused | None = None
    error_code: str | None = None
    provider: str | None = None
    breaker_until: datetime | None = None
    breaker_known: bool = True
    held_open: HeldOpen | None = None
    awaited: tuple[Awaited, ...] = ()
    workers: int = 1
    holder: Holder | None = None
    ahead: int = 0
    ahead_bounded: bool = False
    position: int | None = None
    buffered: int | None = None
    bound: int = 0
    undoing: bool = False

    @property
    def met_a_breaker(self) -> bool:
        """Whether it waits because a provider was not called."""
        return self.state is JobState.RETRYING and self.error_code == "breaker_open"
