"""Percentiles out of buckets: never outside the bucket they lie in, and honest about what is above the last bound."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.histograms import BOUNDS, SIZE, bucket_of, percentile, total


def counted(*seconds: float) -> list[int]:
    counts = [0] * SIZE
    for one in seconds:
        counts[bucket_of(one)] += 1
    return counts


def test_a_bound_belongs_to_the_bucket_above_it() -> None:
    """As PostgreSQL's width_bucket has it, so that both count alike."""
    assert [bucket_of(0), bucket_of(0.005), bucket_of(300), bucket_of(1e9)] == [0, 1, SIZE - 1, SIZE - 1]


def test_of_nothing_there_is_no_percentile() -> None:
    """None, not nought."""
    assert percentile([0] * SIZE, 0.5) is None


def test_within_a_bucket_they_lie_evenly() -> None:
    """Of four between 0.1 and 0.25 s half are taken to lie below the middle."""
    assert percentile(counted(0.11, 0.12, 0.13, 0.14), 0.5) == pytest.approx(0.175)


def test_above_the_last_bound_it_is_the_last_bound() -> None:
    """It took at least so long; how much longer nobody has kept."""
    assert percentile(counted(4000.0), 0.99) == BOUNDS[-1]


def test_histograms_add_up() -> None:
    """As if all had been counted in one."""
    assert total([counted(0.1, 7), counted(0.1)]) == counted(0.1, 0.1, 7)


@given(
    st.lists(st.floats(0, BOUNDS[-1], exclude_max=True), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_it_lies_in_the_bucket_of_the_true_one(seconds: list[float], part: float) -> None:
    """However the times are spread: the estimate is off by less than its bucket is wide."""
    seconds.sort()
    true = next(one for at, one in enumerate(seconds, 1) if at >= part * len(seconds))
    estimate = percentile(counted(*seconds), part)
    assert estimate is not None
    place = bucket_of(true)
    low, high = (0.0, *BOUNDS)[place], BOUNDS[place]
    assert low <= estimate <= high
    assert bisect_left(BOUNDS, estimate) in {place, place - 1}
