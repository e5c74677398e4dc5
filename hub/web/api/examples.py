"""The examples of the API's document. They are made of the classes that real answers are made of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hub.domain.effects import Certainty, Effect, StepKind
from hub.domain.jobs import JobState, OutcomeKind
from hub.domain.safety import Verdict
from hub.services.event_views import EventDetail, EventView, ReplayedEvent
from hub.services.finding import SearchedPage
from hub.services.fleet_views import QueueView
from hub.services.job_views import AttemptView, ErrorView, JobDetail, JobView, Next, NextAction, StepView
from hub.services.listings import Listing
from hub.services.outlook import WAITS_FOR_WORKER, due
from hub.services.verdicts import RetryAdvice
from hub.web.problems import Explained

AT = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)
JOB = UUID("01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10")
EVENT = UUID("01980a3c-7c02-7b11-8e65-0d3a91f4c2b7")
WORKER = UUID("01980a3b-0000-7000-8000-00000000002a")
CORRELATION = "order-1042"

_TIMEOUT = ErrorView("timeout", "no answer within 20 s", "NoAnswer", "9f2b6c1d04e7a853")
_BASE: dict[str, Any] = {
    "id": JOB,
    "job": "payments.send_receipt",
    "queue": "payments",
    "priority": 5,
    "application": "shop",
    "correlation_id": CORRELATION,
    "idempotency_key": "receipt-1042",
    "tags": ["order:1042"],
    "event_id": None,
    "parent_id": None,
    "generation": 1,
    "progress": None,
    "created_at": AT,
}

QUEUED = JobView(
    **_BASE,
    state=JobState.QUEUED,
    reason=None,
    run_at=AT,
    attempt=0,
    failures=0,
    error=None,
    started_at=None,
    settled_at=None,
    ending=None,
    undone_at=None,
    next=WAITS_FOR_WORKER,
)

RETRYING = JobDetail(
    **_BASE,
    state=JobState.RETRYING,
    reason=None,
    run_at=AT + timedelta(seconds=24),
    attempt=2,
    failures=2,
    error=_TIMEOUT,
    started_at=AT + timedelta(seconds=3),
    settled_at=None,
    ending=None,
    undone_at=None,
    next=due(3, AT + timedelta(seconds=24)),
    args={"payment_intent": "pi_3Q", "to": "ada@example.com"},
    result=None,
    attempts=[
        AttemptView(1, 1, OutcomeKind.FAILED, _TIMEOUT, WORKER, AT, AT + timedelta(seconds=2)),
        AttemptView(
            2, 1, OutcomeKind.FAILED, _TIMEOUT, WORKER, AT + timedelta(seconds=3), AT + timedelta(seconds=5)
        ),
    ],
    steps=[
        StepView(
            position=1,
            name="stripe GET /v1/payment_intents/{id}",
            provider="stripe",
            effect=Effect.READ,
            certainty=Certainty.UNKNOWN,
            sends=2,
            serial=0,
            attempt=2,
            idempotency_key=f"hub-{JOB}-1-0",
            digest="5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592",
            answer=None,
            error=_TIMEOUT,
            first_sent_at=AT,
            last_sent_at=AT + timedelta(seconds=3),
            answered_at=AT + timedelta(seconds=5),
            kind=StepKind.CALL,
            planned=None,
        )
    ],
    waits=[],
    retry=RetryAdvice(
        allowed=True,
        safe=True,
        text="nothing was done yet that could be done twice",
        verdict=Verdict.NOTHING_SENT,
        needs_decision=False,
        covered_until=None,
        doubts=[],
    ),
)

REQUEUED = JobDetail(
    **{
        **{name: getattr(RETRYING, name) for name in (*JobView.__slots__, *JobDetail.__slots__)},
        "state": JobState.QUEUED,
        "next": WAITS_FOR_WORKER,
        "retry": replace(
            RETRYING.retry,
            allowed=False,
            safe=False,
            verdict=Verdict.INELIGIBLE,
            text="a job that is queued cannot be retried",
        ),
    }
)

CANCELLED = JobDetail(
    **{
        **{name: getattr(RETRYING, name) for name in (*JobView.__slots__, *JobDetail.__slots__)},
        "state": JobState.CANCELLED,
        "reason": "by_operator",
        "settled_at": AT + timedelta(seconds=9),
        "next": Next(NextAction.NONE, None, "nothing: it was cancelled; a person may retry it"),
    }
)

JOBS = SearchedPage([QUEUED], "AZgKPH0efMOaQV8MK36NEKl7Pq2V4A")

_EVENT: dict[str, Any] = {
    "id": EVENT,
    "source": "stripe",
    "external_id": "evt_1Q",
    "type": "payment_intent.succeeded",
    "correlation_id": CORRELATION,
    "occurred_at": AT - timedelta(seconds=1),
    "received_at": AT,
    "size": 17,
    "jobs": [JOB],
}
EVENTS = SearchedPage([EventView(**_EVENT)], None)
ONE_EVENT = EventDetail(
    **_EVENT,
    headers={"content-type": "application/json"},
    body_base64="eyJpZCI6ImV2dF8xUSJ9",
    body_text='{"id":"evt_1Q"}',
)
REPLAYED = ReplayedEvent(EVENT, [JOB])

_DEPTH = {"scheduled": 2, "queued": 40, "running": 8, "retrying": 1, "waiting": 0, "held": 0, "failed": 3}
QUEUE = QueueView("payments", False, None, _DEPTH, False, [], 0.8, 1180, 1202)
PAUSED = QueueView("payments", True, AT, _DEPTH, False, [], 12.5, 0, 0)
QUEUES = Listing([QUEUE])


def problem(status: int) -> dict[str, Any]:
    """A problem document as this status comes with."""
    code, detail = _PROBLEMS[status]
    errors = [{"pointer": "/args/to", "message": "Field required"}] if status == 422 else []
    return {**Explained(status, code, detail).document(CORRELATION), "errors": errors}


_PROBLEMS = {
    400: ("unreadable_body", "the body is not JSON: unexpected end of data at line 1, column 9"),
    401: ("key_refused", "the API key is wrong or was revoked"),
    403: ("scope_missing", "this takes the scope jobs:write, which the key does not have"),
    404: ("not_found", "there is nothing at this address"),
    408: ("body_timeout", "the body did not arrive within 20 seconds"),
    409: ("job_running", "a job that is running cannot be cancelled: a worker is at it, and what it has sent cannot be called back"),
    413: ("too_large", "the body is larger than 1048576 bytes"),
    422: ("invalid_args", "the arguments do not fit payments.send_receipt"),
    429: ("rate_limited", "the rate limit of this key is used up; come back in 1 s"),
    500: ("internal", "it was logged under the correlation id"),
    503: ("unavailable", "the database is not available (OperationalError)"),
}  # fmt: skip

PROBLEM_STATUSES = frozenset(_PROBLEMS)
