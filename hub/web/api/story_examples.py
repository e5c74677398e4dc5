"""What the answers about one job look like."""

from datetime import timedelta

from hub.domain.jobs import JobState
from hub.domain.timeline import EntryKind
from hub.domain.why import WhyCode
from hub.services.timeline_views import TimelineEntry, TimelineJob, TimelineView
from hub.services.why import WhyView
from hub.web.api.examples import AT, JOB

_DUE = AT + timedelta(seconds=30)

WHY = WhyView(
    job_id=JOB,
    code=WhyCode.BREAKER_OPEN,
    text="stripe has been failing, so that its breaker is open and it is not called; it is tried again at 2027-01-31 09:00:30 UTC",
    until=_DUE,
    todo="see how stripe is; when it is well again, retry the job to run it now",
    besides=["the queue payments is paused"],
    ahead=None,
    ahead_bounded=False,
    as_of=AT,
)

TIMELINE = TimelineView(
    items=[
        TimelineEntry(
            at=AT,
            ended_at=None,
            kind=EntryKind.SUBMITTED,
            job_id=JOB,
            text="payments.charge was submitted by shop, with the idempotency key order-1042",
            detail={
                "job": "payments.charge",
                "queue": "payments",
                "application": "shop",
                "tags": ["order:1042"],
            },
        ),
        TimelineEntry(
            at=AT + timedelta(milliseconds=12),
            ended_at=AT + timedelta(seconds=2),
            kind=EntryKind.ATTEMPT,
            job_id=JOB,
            text="attempt 1 failed: stripe answered 503; again at 2027-01-31 09:00:30 UTC",
            detail={
                "number": 1,
                "outcome": "failed",
                "error": {"code": "status_503", "message": "stripe answered 503"},
                "again_at": _DUE,
                "release": "1.4.0",
            },
        ),
        TimelineEntry(
            at=_DUE, ended_at=None, kind=EntryKind.TO_COME, job_id=JOB, text="attempt 2 is due", detail={}
        ),
    ],
    next_cursor=None,
    jobs=[TimelineJob(JOB, "payments.charge", JobState.RETRYING, AT)],
    more_jobs=False,
)
