"""What a drill is, and what it tells."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from tests.drills.stage import Stage


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value and the bound that was promised for it.

    Attributes:
        bound: it must not be exceeded; None for a value that is only told.
        least: the bound is one from below.
    """

    what: str
    value: float
    unit: str = ""
    bound: float | None = None
    least: bool = False

    @property
    def held(self) -> bool:
        """Whether the promise was kept."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.least else self.value <= self.bound


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a drill is made.

    Attributes:
        seconds: for how long a store is away; None for the drill's own length.
        share: of the drill's own number of jobs or connections.
        settings: for the processes, over the drill's own.
    """

    seconds: float | None = None
    share: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def of(self, count: int) -> int:
        """That count at this scale."""
        return max(1, round(count * self.share))


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill.

    Attributes:
        does: what is broken, in a sentence.
        run: breaks it, on a stage of its own, and measures.
    """

    name: str
    does: str
    run: Callable[[Stage, Scale], Coroutine[None, None, list[Figure]]] = field(repr=False)
