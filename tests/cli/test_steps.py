"""A job's steps and its undoing, in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.cli.steps import step_row, step_state, undoing, undone
from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState
from hub.services.job_views import EndingView, JobDetail, StepView
from hub.web.api.examples import AT, CANCELLED, RETRYING

ENDING = EndingView(JobState.CANCELLED, "by_operator")
SUCCEEDED = replace(RETRYING, state=JobState.SUCCEEDED, settled_at=AT + timedelta(hours=1))
WAITING = replace(RETRYING, state=JobState.WAITING)
BEING_UNDONE = replace(RETRYING, state=JobState.QUEUED, ending=ENDING)
CLOSED = replace(CANCELLED, ending=ENDING, undone_at=AT)


def step(
    kind: StepKind,
    certainty: Certainty,
    answer: Any = None,
    *,
    effect: Effect = Effect.READ,
    name: str = "it",
) -> StepView:
    return replace(
        RETRYING.steps[0], kind=kind, certainty=certainty, answer=answer, effect=effect, name=name,
        idempotency_key=None, error=None,
    )  # fmt: skip


PLANNED = step(StepKind.UNDO, Certainty.NOT_SENT, effect=Effect.MONEY)
WAIT = step(StepKind.WAIT, Certainty.UNKNOWN, {"about": "pi_1", "until": "2027-01-31T09:30:00Z"})
CAME = step(StepKind.WAIT, Certainty.CONFIRMED, {"about": "pi_1", "event": "e-1", "value": {"paid": True}})
LATE = step(StepKind.WAIT, Certainty.CONFIRMED, {"about": "pi_1", "timed_out": True})
SLEEP = step(StepKind.SLEEP, Certainty.CONFIRMED, {"until": "2027-01-31T09:30:00+00:00"})
LONG_SLEEP = step(
    StepKind.SLEEP, Certainty.CONFIRMED, {"until": datetime(9999, 1, 1, tzinfo=UTC).isoformat()}
)
CHILD = step(StepKind.ENQUEUE, Certainty.CONFIRMED, {"job": "j-1"})


@pytest.mark.parametrize(
    ("one", "job", "state"),
    [
        (PLANNED, RETRYING, "planned"),
        (PLANNED, SUCCEEDED, "not needed"),
        (PLANNED, BEING_UNDONE, "planned"),
        (PLANNED, CLOSED, "not made"),
        (replace(PLANNED, certainty=Certainty.CONFIRMED), CLOSED, "undone"),
        (replace(PLANNED, certainty=Certainty.UNKNOWN), BEING_UNDONE, "unknown"),
        (WAIT, WAITING, "still waiting"),
        (WAIT, CANCELLED, "given up"),
        (WAIT, BEING_UNDONE, "given up"),
        (CAME, WAITING, "came"),
        (LATE, CANCELLED, "timed out"),
        (SLEEP, SUCCEEDED, "over"),
        (LONG_SLEEP, WAITING, "still sleeping"),
        (LONG_SLEEP, CANCELLED, "given up"),
        (CHILD, RETRYING, "planned"),
        (CHILD, SUCCEEDED, "made"),
        (CHILD, CANCELLED, "not made"),
        (step(StepKind.WORK, Certainty.CONFIRMED, 7), RETRYING, "done"),
        (step(StepKind.CALL, Certainty.UNKNOWN), RETRYING, "unknown"),
    ],
)
def test_a_step_is_told_in_the_words_of_its_kind(one: StepView, job: JobDetail, state: str) -> None:
    """Only what is sent to somebody can be unknown."""
    assert step_state(one, job) == state


def test_a_row_has_what_is_long_in_its_last_cell() -> None:
    """So that the others fit a terminal: the call, its key, and what came of it, each on a line."""
    key = f"key {RETRYING.steps[0].idempotency_key}"
    assert step_row(RETRYING.steps[0], RETRYING) == (
        1, "call", "unknown", 2,
        f"stripe GET /v1/payment_intents/{{id}}\n{key}\ntimeout: no answer within 20 s",
    )  # fmt: skip
    planned = replace(PLANNED, planned={"operation": "stripe.void", "args": {"id": "pi_1"}}, sends=0)
    assert step_row(planned, SUCCEEDED) == (1, "undo, money", "not needed", 0, 'it\n{"id":"pi_1"}')
    assert step_row(CAME, WAITING)[3:] == (None, 'it\nabout pi_1, event e-1, value {"paid":true}')
    assert step_row(SLEEP, WAITING)[3:] == (None, "it\nuntil 2027-01-31 09:30:00Z")
    assert step_row(CHILD, WAITING)[3:] == (None, "it\njob j-1")


def test_an_undoing_is_told_while_it_lasts_and_when_it_is_over() -> None:
    """And where it has stopped, and where a person has taken care of the rest."""
    assert (undoing(RETRYING), undone(RETRYING)) == (None, None)
    assert undoing(BEING_UNDONE) == "then cancelled (by_operator)"
    stopped = replace(BEING_UNDONE, state=JobState.FAILED)
    assert undoing(stopped) == "stopped; when it is finished, then cancelled (by_operator)"
    assert (undoing(CLOSED), undone(CLOSED)) == (None, "at 2027-01-31 09:00:00Z")
    left = replace(CLOSED, steps=[replace(PLANNED, position=2)])
    assert undone(left) == (
        "at 2027-01-31 09:00:00Z, but for step 2: a person has said that it is taken care of"
    )
