"""The rules of a plan: who may move it where, how much is released when, and when it stops by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.plan_decisions import (
    CATCH_UP,
    LEAST,
    Decision,
    Passed,
    Sample,
    Standing,
    Unwell,
    allowance,
    barrier,
    decide,
)
from hub.domain.plans import (
    AT_WORK,
    FINAL,
    Command,
    Counts,
    PlanState,
    Settings,
    commands_of,
    expected,
    follow,
)
from hub.domain.wording import counted

rates = st.floats(0.01, 1000)
gaps = st.timedeltas(timedelta(0), timedelta(minutes=10)) | st.timedeltas(
    timedelta(0), timedelta(seconds=0.5)
)
settings = st.builds(
    Settings,
    canary=st.integers(0, 50),
    rate=rates,
    stop_above=st.floats(0, 1),
    max_in_flight=st.integers(1, 1000),
    wait_for_go=st.booleans(),
)
few = st.integers(0, 200)
counts = st.builds(
    Counts, excluded=few, pending=few, skipped=few, released=few, waiting=few, retrying=few, succeeded=few, failed=few, cancelled=few
)  # fmt: skip


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    judged = draw(st.integers(0, 200))
    return Sample(judged, draw(st.integers(0, judged)))


standings = st.builds(
    Standing, st.sampled_from(PlanState), settings, counts, samples(), st.floats(0, 1000), gaps
)


@given(st.lists(st.tuples(gaps, st.booleans()), max_size=60), rates)
def test_whatever_the_ticks_are_no_more_is_released_than_the_rate_gives(
    ticks: list[tuple[timedelta, bool]], rate: float
) -> None:
    """Over any part of any history, with pauses and outages in it: the rate times the time, and a second's catching up."""
    plan = Standing(
        PlanState.RUNNING, Settings(canary=0, rate=rate), Counts(pending=10**6), Sample(), 0, timedelta(0)
    )
    plan = replace(plan, settings=replace(plan.settings, max_in_flight=10**6))
    at, history = timedelta(0), list[tuple[timedelta, int]]()
    for gap, looked in ticks:
        at += gap
        plan = replace(plan, idle=plan.idle + gap)
        if looked:
            decision = decide(plan)
            plan = replace(plan, credit=decision.credit, idle=timedelta(0))
            history.append((at, decision.release))
    burst = 1 + rate * CATCH_UP.total_seconds()
    for begin in range(len(history)):
        released = 0
        for end in range(begin, len(history)):
            released += history[end][1]
            lasted = (history[end][0] - history[begin][0]).total_seconds()
            assert released <= rate * lasted + burst + 1e-6
    if history:
        assert sum(number for _, number in history) <= rate * at.total_seconds() + 1e-6


@given(rates, st.integers(1, 500))
def test_steady_ticks_keep_the_rate(rate: float, ticks: int) -> None:
    """Fractions of a job are kept, so nothing is lost either: within one job of what the rate gives."""
    credit, released = 0.0, 0
    for _ in range(ticks):
        credit = allowance(credit, timedelta(seconds=0.2), rate)
        released += int(credit)
        credit -= int(credit)
    assert rate * 0.2 * ticks - 1 - 1e-6 <= released <= rate * 0.2 * ticks + 1e-6


@given(standings)
def test_a_decision_keeps_every_bound(plan: Standing) -> None:
    """No more than is pending, than may be in flight, than the canary has; nothing at all unless it is at work."""
    decision = decide(plan)
    counts = plan.counts
    assert 0 <= decision.release <= counts.pending
    assert decision.release == 0 or decision.release + counts.released <= plan.settings.max_in_flight
    if plan.state is PlanState.CANARY:
        assert decision.release == 0 or decision.release + counts.given <= plan.settings.canary
    if decision.state is not plan.state or plan.state not in AT_WORK:
        assert decision.release == 0
    if plan.state not in AT_WORK:
        assert decision.state is plan.state


@given(standings)
def test_whatever_is_not_over_is_looked_at_again(plan: Standing) -> None:
    """A plan at work is never left alone, and one with open jobs has their outcomes noted."""
    decision = decide(plan)
    if decision.state in AT_WORK or plan.counts.open:
        assert decision.again is not None
    if decision.state is PlanState.FINISHED and plan.state is not PlanState.FINISHED:
        assert not plan.counts.pending
        assert not plan.counts.open


@given(standings)
def test_it_stops_only_above_the_share_and_never_without_a_sample(plan: Standing) -> None:
    """With the reason in words."""
    decision = decide(plan)
    if decision.state is PlanState.STOPPED and plan.state in AT_WORK:
        assert decision.judgement
        assert "failed again" in decision.judgement
        if plan.state is PlanState.RUNNING:
            assert plan.recent.judged >= LEAST
            assert plan.recent.failing / plan.recent.judged > plan.settings.stop_above
    if plan.settings.stop_above == 1:
        assert decision.state is not PlanState.STOPPED or plan.state is PlanState.STOPPED


def standing(state: PlanState, counts: Counts, **more: object) -> Standing:
    plan = Standing(
        state, Settings(canary=10, rate=10, stop_above=0.2), counts, Sample(), 0, timedelta(seconds=1)
    )
    return replace(plan, **more)  # type: ignore[arg-type]  # as they are named


def test_the_canary_is_judged_when_all_have_ended_or_failed_once() -> None:
    """Not while one runs or waits; and at once when its end is certain."""
    out = Counts(pending=90, released=1, succeeded=9)
    assert decide(standing(PlanState.CANARY, out)).state is PlanState.CANARY
    assert decide(standing(PlanState.CANARY, replace(out, released=0, waiting=1))).state is PlanState.CANARY
    good = decide(standing(PlanState.CANARY, replace(out, released=0, retrying=1)))
    assert (good.state, good.judgement) == (PlanState.RUNNING, "the canary did well: 1 of 10 failed again")
    assert (
        decide(standing(PlanState.CANARY, Counts(pending=90, released=8, failed=2))).state is PlanState.CANARY
    )
    bad = decide(standing(PlanState.CANARY, Counts(pending=90, released=7, failed=2, retrying=1)))
    assert (bad.state, bad.judgement) == (
        PlanState.STOPPED,
        "3 of the first 10 jobs failed again (30%), more than the 20% that are allowed",
    )


def test_one_job_is_told_of_as_one() -> None:
    """Where it is all the canary, and where it is all that may be in flight."""
    one = standing(PlanState.CANARY, Counts(pending=9, failed=1), settings=Settings(canary=1, stop_above=0.2))
    assert decide(one).judgement == "the first job failed again (100%), more than the 20% that are allowed"
    full = standing(PlanState.RUNNING, Counts(pending=5, released=1), settings=Settings(max_in_flight=1))
    assert decide(full).held_up == "1 released job has no outcome yet, and no more may be in flight"
    told = [counted(0, "job"), counted(1, "job"), counted(2000, "job"), counted(1, "job", more=True)]
    assert told == ["0 jobs", "1 job", "2,000 jobs", "1+ jobs"]


def test_a_canary_that_is_resumed_is_judged_by_what_came_after() -> None:
    """As many again are tried; those whose outcome was not known are among them."""
    resumed = standing(
        PlanState.CANARY, Counts(pending=90, released=6, failed=4), before=Sample(4, 4), idle=timedelta(9)
    )
    assert decide(resumed).release == 4
    good = replace(resumed, counts=Counts(pending=86, succeeded=10, failed=4))
    assert decide(good).judgement == "the canary did well: 0 of 10 failed again"
    bad = decide(replace(resumed, counts=Counts(pending=86, succeeded=7, failed=7)))
    assert (bad.state, bad.judgement) == (
        PlanState.STOPPED,
        "3 of the next 10 jobs failed again (30%), more than the 20% that are allowed",
    )


def test_a_canary_of_more_than_there_is_is_all_there_is() -> None:
    """Skipped ones are made up for while there are others."""
    assert decide(standing(PlanState.CANARY, Counts(pending=3, skipped=2, released=1))).release == 3
    done = Counts(skipped=2, succeeded=3)
    assert decide(standing(PlanState.CANARY, done)).state is PlanState.FINISHED


def test_a_person_may_want_to_say_go() -> None:
    """Where there is something left to say it for."""
    waits = replace(standing(PlanState.CANARY, Counts()).settings, wait_for_go=True)
    done = standing(PlanState.CANARY, Counts(pending=5, succeeded=10), settings=waits)
    assert decide(done).state is PlanState.AWAITING
    assert decide(replace(done, counts=Counts(waiting=0, retrying=1, succeeded=9))).state is PlanState.RUNNING


def test_what_waits_or_tries_again_does_not_hold_the_others_up() -> None:
    """In flight is what a worker has or will have, and what no outcome is known of."""
    full = standing(PlanState.RUNNING, Counts(pending=5, released=500))
    assert decide(full).release == 0
    assert "500 released jobs" in (decide(full).held_up or "")
    assert decide(replace(full, counts=Counts(pending=5, waiting=500, retrying=500))).release == 5


def test_breakers_keep_their_providers_jobs_back_and_one_asks() -> None:
    """Open: none. Due to be asked: one asks. Held by a person: none, whatever the time."""
    until = datetime(2026, 11, 3, 12, 30, 5, tzinfo=UTC)
    shut = barrier([Unwell("stripe", until)])
    assert (shut.providers, shut.ask) == (frozenset({"stripe"}), frozenset())
    assert shut.text == "the breaker of stripe is open until 12:30:05 UTC"
    asked = barrier([Unwell("slack", None), Unwell("stripe", until)])
    assert (asked.providers, asked.ask) == (frozenset({"stripe", "slack"}), frozenset({"slack"}))
    assert asked.text == f"{shut.text}; slack is being asked whether it is back"
    assert barrier([]).text == ""
    held = barrier([Unwell("stripe", None, "stripe is not called: ada holds its breaker open (audit)")])
    assert (held.providers, held.ask) == (frozenset({"stripe"}), frozenset())
    assert held.text == "stripe is not called: ada holds its breaker open (audit)"


@given(st.data())
def test_whatever_breakers_open_and_close_nothing_is_passed_over_for_good(data: st.DataObject) -> None:
    """A list is gone through a part at a time; below where the next look begins, all that is pending is blocked.

    When as many as were wanted were not found, and no more is to be gone through, none of the others is pending anywhere.
    """
    pending = data.draw(st.lists(st.sampled_from("abc"), max_size=30))
    at, passed = dict(enumerate(pending, 1)), Passed()
    for blocked in data.draw(st.lists(st.sets(st.sampled_from("abc")), max_size=30)):
        start = passed.without(blocked)
        assert {provider for position, provider in at.items() if position <= start} <= blocked
        free = [place for place in range(start + 1, start + 6) if place in at and at[place] not in blocked]
        limit = data.draw(st.integers(1, 6))
        chosen = free[:limit]
        for place in chosen:
            del at[place]
        passed, more = passed.after(chosen, blocked, limit=limit, ahead=5, places=len(pending))
        assert not more or passed.without(blocked) > start
        if len(chosen) < limit and not more:
            assert {*at.values()} <= blocked


@pytest.mark.parametrize("state", PlanState)
def test_every_command_is_allowed_or_refused_everywhere(state: PlanState) -> None:
    """What is final stays so; whatever can be done can be told."""
    for command in Command:
        led = follow(command, state, canary_open=False)
        assert (led is not None) == (command in commands_of(state))
        if state in FINAL:
            assert led is None
        elif command is Command.ABORT:
            assert led is PlanState.ABORTED


def test_a_plan_begins_and_goes_on_with_its_canary_until_that_is_judged() -> None:
    """Then never again."""
    assert follow(Command.START, PlanState.DRAFT, canary_open=True) is PlanState.CANARY
    assert follow(Command.RESUME, PlanState.PAUSED, canary_open=True) is PlanState.CANARY
    assert follow(Command.RESUME, PlanState.STOPPED, canary_open=False) is PlanState.RUNNING
    assert follow(Command.GO, PlanState.CANARY, canary_open=True) is PlanState.RUNNING


def test_the_time_it_takes_is_told_beforehand() -> None:
    """By the rate alone."""
    assert expected(9000, 50) == timedelta(minutes=3)
    assert Decision(PlanState.RUNNING).release == 0
