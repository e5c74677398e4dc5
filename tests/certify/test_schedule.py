"""The seed is the whole of the choice."""

from collections import Counter

import pytest

from tests.certify.schedule import CLOCKS, COUNTS, LEASE, Input, Kind, draw

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_gives_the_same_schedule(seed: int) -> None:
    """So that whoever reads of a failure can see it happen."""
    assert draw(seed) == draw(seed)
    assert draw(seed, 0.08) == draw(seed, 0.08)


def test_another_seed_gives_other_faults() -> None:
    """Nothing of the faults is fixed but their number."""
    assert len({draw(seed).faults for seed in SEEDS}) == len(SEEDS)
    assert len({draw(seed).clocks for seed in SEEDS}) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_run_has_ten_thousand_inputs_and_every_fault_as_often_as_promised(seed: int) -> None:
    """The numbers that the documentation gives."""
    schedule = draw(seed)
    assert len(schedule.inputs) == 10_000
    assert Counter(fault.kind for fault in schedule.faults) == COUNTS
    assert COUNTS[Kind.WORKER_KILLED] == 20
    assert COUNTS[Kind.WEB_KILLED] == COUNTS[Kind.REDIS_FLUSHED] == 5
    assert COUNTS[Kind.REDIS_KILLED] == COUNTS[Kind.POSTGRES_KILLED] == 3
    assert sorted(schedule.clocks) == sorted(CLOCKS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_short_run_has_every_kind_of_fault_and_of_input(seed: int) -> None:
    """The tests run no less of the code than a full run."""
    schedule = draw(seed, 0.08)
    assert {fault.kind for fault in schedule.faults} == set(Kind)
    assert {planned.kind for planned in schedule.inputs} == set(Input)
    assert {planned.source for planned in schedule.inputs} == {"", "stripe", "github", "standard"}


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fault_falls_into_the_load(seed: int) -> None:
    """And a frozen worker sleeps for longer than its lease."""
    for schedule in (draw(seed), draw(seed, 0.08)):
        assert all(0 <= fault.at <= schedule.length for fault in schedule.faults)
        frozen = [fault for fault in schedule.faults if fault.kind is Kind.WORKER_FROZEN]
        assert frozen
        assert all(fault.lasts > schedule.lease for fault in frozen)
    assert draw(seed).lease == LEASE
