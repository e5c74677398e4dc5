"""The drills themselves, small enough for every run of the tests, and what their figures mean."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.drills import plan_paced, worker_killed
from tests.drills.drill import Drill, Figure, Scale
from tests.drills.redis_flushed import back_after, longest_gap
from tests.drills.stage import staged

Rehearse = Callable[[Drill, Scale], list[Figure]]


@pytest.fixture
def rehearse(var_dir: Path) -> Iterator[Rehearse]:
    """Run a drill on servers of its own."""
    with staged(var_dir, {"fsync": "off"}) as stage:
        yield lambda drill, scale: asyncio.run(drill.run(stage, scale))


def test_a_killed_worker_is_missed_for_no_longer_than_its_lease(rehearse: Rehearse) -> None:
    """Fifty jobs and a lease of two seconds; the promise of ten seconds stands."""
    pace = {"HUB_WORKER_LEASE": "2", "HUB_WORKER_HEARTBEAT": "0.5"}
    figures = rehearse(worker_killed.DRILL, Scale(share=0.1, settings=pace))
    assert [figure for figure in figures if not figure.held] == []


def test_a_plan_forgets_nothing_when_a_worker_is_killed_under_it(rehearse: Rehearse) -> None:
    """Four seconds of it; how near to its rate it is can only be told on a quiet machine."""
    figures = rehearse(plan_paced.DRILL, Scale(seconds=4))
    assert [figure for figure in figures if not figure.held and figure.unit == "jobs"] == []


def test_the_flow_is_back_when_a_window_is_full_again() -> None:
    """A hundred a second, a second of nothing, a hundred a second: back a window after it began again."""
    steady = [number / 100 for number in range(700)]
    assert back_after(steady, 100) == 0
    halted = [end for end in steady if not 0.5 <= end < 1.5]
    assert back_after(halted, 100) == pytest.approx(1.63, abs=0.05)
    assert longest_gap(halted) == pytest.approx(1.01)
    stopped = [end for end in steady if end < 0.5]
    assert back_after([*stopped, 6.0], 100) == 5


@pytest.mark.parametrize(
    ("figure", "held"),
    [
        (Figure("at most", 2, bound=2), True),
        (Figure("at most", 2.1, bound=2), False),
        (Figure("at least", 2, bound=2, least=True), True),
        (Figure("at least", 1.9, bound=2, least=True), False),
        (Figure("told", 1e9), True),
    ],
)
def test_a_figure_is_held_to_its_bound(figure: Figure, held: bool) -> None:  # noqa: FBT001
    """From above or from below; without one it is only told."""
    assert figure.held is held
