"""When a failed attempt is tried again."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.retry import Backoff

SECOND = timedelta(seconds=1)
spans = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=30))


@st.composite
def backoffs(draw: st.DrawFn) -> Backoff:
    base, cap = sorted([draw(spans), draw(spans)])
    return Backoff(attempts=draw(st.integers(1, 100)), base=base, factor=draw(st.floats(1, 1e300)), cap=cap)


class Always(Random):
    """A die that always falls on one number."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def random(self) -> float:
        return self.number


@given(backoff=backoffs(), failures=st.integers(1, 10_000))
def test_the_ceiling_never_leaves_base_and_cap(backoff: Backoff, failures: int) -> None:
    """However often a job failed, and however steep the policy, the ceiling stays between base and cap."""
    assert backoff.base <= backoff.ceiling(failures) <= backoff.cap


@given(backoff=backoffs(), failures=st.integers(1, 1000))
def test_the_ceiling_never_shrinks(backoff: Backoff, failures: int) -> None:
    """A job that failed once more does not come back sooner by policy."""
    assert backoff.ceiling(failures) <= backoff.ceiling(failures + 1)


@given(backoff=backoffs(), failures=st.integers(1, 1000), seed=st.integers())
def test_jitter_stays_between_nothing_and_the_ceiling(backoff: Backoff, failures: int, seed: int) -> None:
    """Full jitter: never below zero, never above the ceiling."""
    assert timedelta(0) <= backoff.delay(failures, Random(seed)) <= backoff.ceiling(failures)


def test_jitter_is_full() -> None:
    """The whole range is used: half a roll is half the ceiling, no roll is no delay."""
    backoff = Backoff(base=10 * SECOND, factor=2, cap=60 * SECOND)

    assert backoff.delay(1, Always(0.0)) == timedelta(0)
    assert backoff.delay(1, Always(0.5)) == 5 * SECOND
    assert backoff.delay(3, Always(0.5)) == 20 * SECOND
    assert backoff.delay(9, Always(0.5)) == 30 * SECOND


@given(backoff=backoffs(), failures=st.integers(1, 1000), seed=st.integers(), wish=spans)
def test_the_providers_wish_is_honoured(backoff: Backoff, failures: int, seed: int, wish: timedelta) -> None:
    """A Retry-After is never undercut, not even above the cap, and adds nothing where jitter is longer anyway."""
    delay = backoff.delay(failures, Random(seed), retry_after=wish)

    assert delay == max(wish, backoff.delay(failures, Random(seed)))


@given(backoff=backoffs())
def test_the_budget_allows_exactly_its_attempts(backoff: Backoff) -> None:
    """One failure fewer than the budget leaves an attempt; the budget's last failure leaves none."""
    assert not backoff.is_spent(backoff.attempts - 1)
    assert backoff.is_spent(backoff.attempts)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"base": timedelta(0)},
        {"base": -SECOND},
        {"factor": 0.99},
        {"factor": float("nan")},
        {"base": 2 * SECOND, "cap": SECOND},
    ],
)
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    """A policy without attempts, delays or growth does not come to life."""
    with pytest.raises(ValueError, match="a Backoff needs"):
        Backoff(**wrong)  # type: ignore[arg-type]
