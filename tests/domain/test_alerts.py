"""What people are told, when, and in what words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.alerts import (
    GAP,
    GATHER,
    MOST_ITEMS,
    PASSING,
    AlertKind,
    Standing,
    Told,
    compose,
    is_growing,
    is_time,
)

NOW = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def told(title: str, kind: AlertKind = AlertKind.NEW_ERROR, standing: Standing = Standing.NEW) -> Told:
    return Told(kind, standing, title, "", "/console")


def test_one_thing_is_told_in_its_own_words() -> None:
    """The title of the message says it all."""
    message = compose([told("payments.charge fails: timeout")])
    assert (message.title, len(message.items), message.more) == ("payments.charge fails: timeout", 1, 0)


def test_many_of_a_kind_are_counted() -> None:
    """A release that breaks three hundred jobs is one message, which lists the first and counts the rest."""
    message = compose([told(f"job {number} fails") for number in range(300)])
    assert message.title == "300 new causes of failure"
    assert (len(message.items), message.more) == (MOST_ITEMS, 300 - MOST_ITEMS)


def test_what_is_new_comes_before_what_lasts_and_what_is_over() -> None:
    """And each is said to be what it is."""
    message = compose(
        [
            told("stripe is not called", AlertKind.BREAKER_OPEN, Standing.OVER),
            told("due work of email waits", AlertKind.WORK_WAITS, Standing.STILL),
            told("a fails"),
            told("money may have moved", AlertKind.UNCERTAIN_PAYMENT),
        ]
    )
    assert message.title == (
        "a fails, money may have moved; still: due work of email waits; over: stripe is not called"
    )
    assert [item.standing for item in message.items] == ["new", "new", "still", "over"]


@pytest.mark.parametrize("kind", sorted(PASSING))
def test_what_is_over_is_not_told_as_if_it_lasted(kind: AlertKind) -> None:
    """Its detail was true when it was raised, and is not any more."""
    raised = Told(kind, Standing.STILL, "stripe is not called", "its jobs wait", "/console")
    lasts, over = compose([raised, replace(raised, standing=Standing.OVER)]).items
    assert lasts.detail == "its jobs wait"
    assert over.detail not in {"", raised.detail}


def test_a_message_waits_for_what_comes_at_the_same_time() -> None:
    """A little after the first, and not too soon after the last message."""
    assert not is_time(NOW, None, None)
    assert not is_time(NOW, NOW - GATHER / 2, None)
    assert is_time(NOW, NOW - GATHER, None)
    assert not is_time(NOW, NOW - GATHER, NOW - GAP / 2)
    assert is_time(NOW, NOW - GATHER, NOW - GAP)


def test_a_queue_that_is_late_and_falls_further_behind_is_growing() -> None:
    """One that catches up is not, nor one that was not looked at before; and a limit of nought is none."""
    before = {"slow": 400.0, "catching_up": 900.0, "well": 10.0}
    now = {"slow": 430.0, "catching_up": 700.0, "well": 40.0, "unknown": 9000.0}
    assert is_growing(before, now, FIVE) == ["slow"]
    assert is_growing(before, now, timedelta(0)) == []
