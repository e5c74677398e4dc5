"""A trouble that repeats itself is told when it begins, now and then, and when it is over; never at every turn."""

from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from hub.infra.recurring import Recurring
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


@pytest.fixture
def away(clock: Clock, lines: list[EventDict]) -> Recurring:
    return Recurring(structlog.get_logger(), "away", ended="back", again=60, gap=5, clock=clock)


def test_ten_minutes_twice_a_second_are_a_dozen_lines(
    away: Recurring, clock: Clock, lines: list[EventDict]
) -> None:
    """The first at once, then one a minute with how often, then the end."""
    for _ in range(1_200):
        away.note("no answer")
        clock.now += 0.5
    away.over()
    away.over()
    told = [line["event"] for line in lines]
    assert told == ["away"] * 10 + ["back"]
    assert [line.get("times") for line in lines[:3]] == [None, 120, 120]
    assert lines[-1]["after_seconds"] == 600


def test_another_trouble_is_told_soon(away: Recurring, clock: Clock, lines: list[EventDict]) -> None:
    """A change is news, though not at every turn."""
    for turn in range(40):
        away.note(("one", "other")[turn % 2])
        clock.now += 0.5
    assert [line["error"] for line in lines] == ["one", "other", "one", "other"]


def test_what_comes_and_goes_is_not_told_each_time(
    away: Recurring, clock: Clock, lines: list[EventDict]
) -> None:
    """Flapping twice a second for a minute."""
    for _ in range(120):
        away.note("no answer")
        away.over()
        clock.now += 0.5
    assert len(lines) <= 2 * 12
    assert lines[0]["event"] == "away"


def test_the_next_time_is_told_again(away: Recurring, clock: Clock, lines: list[EventDict]) -> None:
    """Once it was over for a while, it is news."""
    for _ in range(2):
        away.note("no answer")
        away.over()
        clock.now += 6
    assert [line["event"] for line in lines] == ["away", "back"] * 2
