"""A token bucket lets through what it promises, and no more."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.domain.ratelimit import TokenBucket

rates = st.floats(0.01, 1000)
bursts = st.integers(1, 100)
starts = st.floats(0, 1e6)
steps = st.lists(st.floats(0, 10) | st.just(0.0), min_size=1, max_size=60)


@given(rate=rates, burst=bursts, start=starts, gaps=steps)
def test_no_window_lets_more_through_than_burst_and_rate(
    rate: float, burst: int, start: float, gaps: list[float]
) -> None:
    """In any window of any length t, at most burst + rate * t requests pass."""
    bucket, now = TokenBucket.full(rate, burst, start), start
    passed = []
    for gap in gaps:
        now += gap
        if bucket.take(now).allowed:
            passed.append(now)

    for first, since in enumerate(passed):
        for last, until in enumerate(passed[first:], first):
            assert last - first + 1 <= burst + rate * (until - since) + 1e-3


@given(rate=rates, burst=bursts, start=starts)
def test_a_full_bucket_allows_its_burst_at_once_and_then_no_more(
    rate: float, burst: int, start: float
) -> None:
    """And says what is left each time."""
    bucket = TokenBucket.full(rate, burst, start)

    assert [bucket.take(start).remaining for _ in range(burst)] == list(reversed(range(burst)))
    assert not bucket.take(start).allowed


@example(rate=3.0, burst=1, start=123456.7, gaps=[0.0, 0.0])  # a float that falls short by its last bit
@given(rate=rates, burst=bursts, start=starts, gaps=steps)
def test_whoever_waits_as_told_passes(rate: float, burst: int, start: float, gaps: list[float]) -> None:
    """`reset` is enough, in floats too: nobody is sent round in circles."""
    bucket, now = TokenBucket.full(rate, burst, start), start
    for gap in gaps:
        now += gap
        answer = bucket.take(now)
        if not answer.allowed:
            now += answer.reset
            assert bucket.take(now).allowed


@given(rate=rates, burst=bursts, start=starts, cost=st.integers(1, 200))
def test_a_refusal_takes_nothing(rate: float, burst: int, start: float, cost: int) -> None:
    """What costs more than the bucket holds is refused, and what fits still passes."""
    bucket = TokenBucket.full(rate, burst, start)

    assert bucket.take(start, cost).allowed == (cost <= burst)
    assert bucket.take(start, max(0, burst - cost) if cost <= burst else burst).allowed


@given(rate=rates, burst=bursts, start=starts, back=st.floats(0, 1e6))
def test_a_clock_that_goes_back_gives_nothing(rate: float, burst: int, start: float, back: float) -> None:
    """Neither at once nor when it has caught up."""
    bucket = TokenBucket.full(rate, burst, start)
    bucket.take(start, burst)

    assert not bucket.take(start - back).allowed
    assert not bucket.take(start).allowed


@given(rate=rates, burst=bursts, start=starts, idle=st.floats(0, 1e9))
def test_idleness_is_not_saved_up(rate: float, burst: int, start: float, idle: float) -> None:
    """However long nobody came, the burst is the most."""
    bucket = TokenBucket.full(rate, burst, start)
    now = start + idle

    assert sum(bucket.take(now).allowed for _ in range(burst + 5)) == burst


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_bucket_that_never_fills_is_refused(rate: float, burst: int) -> None:
    """Rather than dividing by it later."""
    with pytest.raises(ValueError, match="a TokenBucket needs"):
        TokenBucket.full(rate, burst, 0.0)
