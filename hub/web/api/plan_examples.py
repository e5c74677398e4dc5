"""The examples of plans in the API's document."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hub.domain.plan_rulings import Class
from hub.domain.plans import Action, ItemState, PlanState, commands_of
from hub.services.plan_views import PlanCounts, PlanItemView, PlanSettingsView, PlanVerdict, PlanView

_AT = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
_ID = UUID("01980a3c-9b52-7c10-b0d4-2f6c1e8a7b35")
JOB = UUID("01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10")
_VERDICTS = [
    PlanVerdict(
        Class.SAFE,
        "rejected",
        "the provider refused it, so nothing exists of that; a retry asks again, under a new key",
        included=True,
        jobs=9_871,
        samples=[JOB],
    ),
    PlanVerdict(
        Class.UNCERTAIN,
        "uncertain",
        "an effect may exist already: look it up at the provider before you retry",
        included=False,
        jobs=12,
        samples=[JOB],
    ),
]
_BASE: dict[str, Any] = {
    "id": _ID,
    "action": Action.RETRY,
    "filter": "state:failed provider:stripe",
    "settings": PlanSettingsView(10, 50.0, 0.2, 500, wait_for_go=False),
    "include_uncertain": False,
    "reason": "Stripe is back",
    "created_by": "ada@example.com",
    "approved_by": None,
    "found": 9_883,
    "safe": 9_871,
    "uncertain": 12,
    "ineligible": 0,
    "verdicts": _VERDICTS,
    "created_at": _AT,
}
DRAFT = PlanView(
    **_BASE,
    state=PlanState.DRAFT,
    text="a dry run: nothing was touched; it would retry 9,871 jobs",
    started_by=None,
    counts=PlanCounts(12, 9_871, 0, 0, 0, 0, 0, 0, 0),
    expected_seconds=197.42,
    failure_share=None,
    judgement=None,
    held_up=None,
    held_up_since=None,
    halted_by=None,
    halt_reason=None,
    commands=list(commands_of(PlanState.DRAFT)),
    started_at=None,
    ended_at=None,
)
RUNNING = PlanView(
    **_BASE,
    state=PlanState.RUNNING,
    text="4400 released, 5471 to go",
    started_by="ada@example.com",
    counts=PlanCounts(12, 5_471, 0, 96, 0, 3, 4_290, 11, 0),
    expected_seconds=109.42,
    failure_share=14 / 4_304,
    judgement="the canary did well: 0 of 10 failed again",
    held_up=None,
    held_up_since=None,
    halted_by=None,
    halt_reason=None,
    commands=list(commands_of(PlanState.RUNNING)),
    started_at=_AT + timedelta(minutes=1),
    ended_at=None,
)
ITEM = PlanItemView(
    17,
    JOB,
    ItemState.FAILED,
    "rejected",
    "failed",
    2,
    "stripe",
    "card_declined",
    _AT + timedelta(minutes=1),
    _AT + timedelta(minutes=1, seconds=1),
    _AT + timedelta(minutes=1, seconds=1),
)
