"""What may be done about a step that was recorded before, and what is known after it was sent again."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.effects import (
    WINDOW_MARGIN,
    Certainty,
    Effect,
    Resume,
    Step,
    conclude,
    idempotency_key,
    is_covered,
    resume,
)
from hub.domain.errors import (
    BreakerOpen,
    CallError,
    Declined,
    NoAnswer,
    NotSent,
    ProviderFault,
    Rejected,
    Throttled,
    Unauthorized,
    UncertainEffect,
)

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
CHANGES = [Effect.WRITE, Effect.MONEY, Effect.MESSAGE]
# When it was first sent, and how long the provider remembers: the first two are covered, the others are not.
COVERED: list[tuple[datetime | None, timedelta | None]] = [
    (NOW, DAY),
    (NOW - DAY + WINDOW_MARGIN + timedelta(seconds=1), DAY),
]
BARE: list[tuple[datetime | None, timedelta | None]] = [
    (NOW, None),  # no idempotency at all
    (None, DAY),  # no time on record
    (NOW - DAY, DAY),  # the window is over
    (NOW - DAY + WINDOW_MARGIN, DAY),  # too near its end
    (NOW, WINDOW_MARGIN),  # shorter than what is never trusted
]


def step(
    certainty: Certainty,
    *,
    effect: Effect = Effect.MONEY,
    generation: int = 1,
    sent: datetime | None = NOW,
) -> Step:
    return Step(1, "stripe POST /v1/charges", effect, certainty, 0, generation, sent, b"digest")


def test_a_step_that_was_never_begun_is_sent() -> None:
    """No record: nothing is out there."""
    assert resume(None, generation=1, now=NOW, kept_for=None) is Resume.SEND


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("by_person", [False, True])
@pytest.mark.parametrize(("sent", "kept_for"), COVERED + BARE)
@pytest.mark.parametrize("certainty", Certainty)
def test_the_whole_truth_table(
    certainty: Certainty,
    sent: datetime | None,
    kept_for: timedelta | None,
    by_person: bool,  # noqa: FBT001 - a column of the table
    effect: Effect,
) -> None:
    """Every certainty, effect, window and generation, written out."""
    covered = (sent, kept_for) in COVERED
    expected = {
        Certainty.NOT_SENT: Resume.SEND,
        Certainty.CONFIRMED: Resume.REPLAY,
        Certainty.REJECTED: Resume.SEND_ANEW if by_person else Resume.REFUSE,
        Certainty.UNKNOWN: Resume.REPEAT if effect is Effect.READ or by_person or covered else Resume.ASK,
    }
    record = step(certainty, effect=effect, sent=sent)

    assert resume(record, generation=2 if by_person else 1, now=NOW, kept_for=kept_for) is expected[certainty]


@given(
    effect=st.sampled_from(CHANGES),
    kept_for=st.none() | st.timedeltas(timedelta(0), timedelta(days=90)),
    late=st.timedeltas(-WINDOW_MARGIN, timedelta(days=3650)),
    generation=st.integers(1, 9),
)
def test_nothing_unknown_is_repeated_past_its_window_without_a_person(
    effect: Effect, kept_for: timedelta | None, late: timedelta, generation: int
) -> None:
    """Whatever the window: once it is over, or too near its end, a person decides."""
    record = step(Certainty.UNKNOWN, effect=effect, generation=generation)
    now = NOW + (kept_for or timedelta(0)) + late

    assert resume(record, generation=generation, now=now, kept_for=kept_for) is Resume.ASK


@given(
    kept_for=st.timedeltas(timedelta(0), timedelta(days=90)),
    after=st.timedeltas(timedelta(0), timedelta(days=99)),
)
def test_coverage_ends_once_and_before_the_window(kept_for: timedelta, after: timedelta) -> None:
    """Never covered within five minutes of the end; covered at every moment before."""
    assert is_covered(NOW, now=NOW + after, kept_for=kept_for) == (after < kept_for - timedelta(minutes=5))


@pytest.mark.parametrize("seen", Certainty)
@pytest.mark.parametrize("before", [c for c in Certainty if c is not Certainty.UNKNOWN])
def test_where_nothing_was_unknown_the_answer_says_it_all(before: Certainty, seen: Certainty) -> None:
    """A first send, or one after a definite answer, is judged by its own answer."""
    assert conclude(None, seen, generation=1, now=NOW, kept_for=None) is seen
    assert conclude(step(before), seen, generation=1, now=NOW, kept_for=None) is seen


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize(("sent", "kept_for"), COVERED + BARE)
def test_a_repeat_that_never_arrived_says_nothing_of_the_first(
    sent: datetime | None, kept_for: timedelta | None, generation: int
) -> None:
    """Charged without an answer, then the breaker opened: still unknown, or the next send would charge twice."""
    before = step(Certainty.UNKNOWN, sent=sent)

    after = conclude(before, Certainty.NOT_SENT, generation=generation, now=NOW, kept_for=kept_for)

    assert after is Certainty.UNKNOWN


@pytest.mark.parametrize(
    ("certainty", "window", "generation", "known"),
    [
        *product([Certainty.REJECTED], COVERED, [1, 2], [Certainty.REJECTED]),
        *product([Certainty.REJECTED], BARE, [1], [Certainty.UNKNOWN]),
        *product([Certainty.REJECTED], BARE, [2], [Certainty.REJECTED]),
        *product([Certainty.CONFIRMED], COVERED + BARE, [1, 2], [Certainty.CONFIRMED]),
        *product([Certainty.UNKNOWN], COVERED + BARE, [1, 2], [Certainty.UNKNOWN]),
    ],
)
def test_a_refusal_settles_what_was_unknown_only_under_a_key_that_is_remembered(
    certainty: Certainty,
    window: tuple[datetime | None, timedelta | None],
    generation: int,
    known: Certainty,
) -> None:
    """A provider that forgot the key refuses a new request, not the old one; a person's word settles it too."""
    before = step(Certainty.UNKNOWN, sent=window[0])

    assert conclude(before, certainty, generation=generation, now=NOW, kept_for=window[1]) is known


errors: list[CallError] = [
    NotSent("x"),
    BreakerOpen("stripe", DAY),
    NoAnswer("x"),
    ProviderFault("x"),
    Throttled("x"),
    Rejected("x"),
    Declined("x"),
    Unauthorized("x"),
    CallError("x"),
]


@given(
    answers=st.lists(st.sampled_from(errors), max_size=6),
    gaps=st.lists(st.timedeltas(timedelta(0), DAY), min_size=7, max_size=7),
    kept_for=st.sampled_from([None, DAY]),
)
def test_no_series_of_errors_makes_an_unknown_effect_be_done_anew(
    answers: list[CallError], gaps: list[timedelta], kept_for: timedelta | None
) -> None:
    """Once sent without an answer, and with no person acting, it is never sent outside the provider's memory."""
    record, now = step(Certainty.UNKNOWN), NOW
    for error, gap in zip(answers, gaps, strict=False):
        now += gap
        move = resume(record, generation=1, now=now, kept_for=kept_for)
        if move in {Resume.ASK, Resume.REFUSE}:
            return
        assert move is Resume.REPEAT
        assert is_covered(NOW, now=now, kept_for=kept_for)
        record = step(conclude(record, error.certainty, generation=1, now=now, kept_for=kept_for))


def test_being_throttled_or_locked_out_does_not_close_a_step() -> None:
    """After a 429 or a 401 the step is sent again under its own key, with or without a person."""
    for error in (Throttled("x"), Unauthorized("x")):
        for generation in (1, 2):
            assert resume(step(error.certainty), generation=generation, now=NOW, kept_for=DAY) is Resume.SEND


@given(
    one=st.tuples(st.uuids(), st.integers(1, 99), st.integers(0, 99)),
    other=st.tuples(st.uuids(), st.integers(1, 99), st.integers(0, 99)),
)
def test_a_key_stands_for_one_step(one: tuple[UUID, int, int], other: tuple[UUID, int, int]) -> None:
    """Equal for every repeat of one step, different for any other, and printable."""
    assert (idempotency_key(*one) == idempotency_key(*other)) == (one == other)
    assert idempotency_key(*one).isascii()
    assert len(idempotency_key(*one)) <= 64


def test_an_uncertain_effect_names_its_time_in_utc() -> None:
    """Whatever zone the time came in, an operator reads UTC."""
    since = datetime.fromisoformat("2026-11-03T14:30:00+02:00")

    assert "2026-11-03 12:30:00Z" in str(UncertainEffect("step", since))
