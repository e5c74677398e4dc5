"""Looking back: the steps are round, cover what was asked for, and are never too many for a chart."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.spans import HOURS_KEPT, MINUTES_KEPT, Grain, Span, floor, parse_since

NOW = datetime(2027, 1, 31, 9, 42, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since"), [("90m", timedelta(minutes=90)), ("24h", timedelta(days=1)), ("90d", HOURS_KEPT)]
)
def test_a_length_is_read(text: str, since: timedelta) -> None:
    """Minutes, hours, days."""
    assert parse_since(text) == since


@pytest.mark.parametrize("text", ["", "24", "0h", "-1h", "1.5h", "91d", "24 h", "1w", "１h"])  # noqa: RUF001 - on purpose
def test_what_is_no_length_is_refused(text: str) -> None:
    """And so is what is longer than statistics are kept."""
    with pytest.raises(ValueError, match="must be"):
        parse_since(text)


def test_a_day_is_shown_by_the_hour() -> None:
    """Twenty-four of them, the last one still going on."""
    span = Span.back(timedelta(hours=24), NOW)
    assert (span.step, span.grain, len(span.moments)) == (timedelta(hours=1), Grain.HOUR, 24)
    assert span.moments[-1] == NOW.replace(minute=0, second=0)
    assert span.end == NOW.replace(hour=10, minute=0, second=0)


@given(st.integers(1, 90 * 24 * 60), st.integers(0, 2**32))
def test_every_look_back_is_covered_by_what_is_kept(minutes: int, at: int) -> None:
    """Now lies in the last step, the beginning in the first or before; between 1 and 100 points, of a grain that is kept."""
    since, now = timedelta(minutes=minutes), datetime.fromtimestamp(at, UTC)
    span = Span.back(since, now)
    assert span.moments[-1] <= now < span.end
    assert span.start - span.step <= now - since
    assert 1 <= len(span.moments) <= 100
    assert floor(span.start, span.step) == span.start
    assert since <= (MINUTES_KEPT if span.grain is Grain.MINUTE else HOURS_KEPT)
