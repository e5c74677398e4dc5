"""Every endpoint there is. The router, the guard, the API's document and the tests all go by this table."""

from typing import Any

from typing_extensions import TypedDict

from hub.domain.access import Scope
from hub.registry import Registry
from hub.services.event_views import EventDetail, EventView, ReplayedEvent
from hub.services.finding import SearchedPage
from hub.services.fleet_views import QueueView
from hub.services.job_views import JobDetail, JobView
from hub.services.listings import Listing
from hub.web import health, inbound
from hub.web.api import (
    alerts,
    audit,
    edits,
    errors,
    events,
    examples,
    fleet,
    jobs,
    operators,
    plans,
    queues,
    search,
    statistics,
    stories,
    views,
)
from hub.web.api.submissions import submission_shape
from hub.web.endpoints import Endpoint, Outcome, Shape
from hub.web.problems import ProblemDocument
from hub.web.schemas import BatchSubmission, EventsQuery, JobsQuery, WaitQuery, Why, WhyRetry


class Received(TypedDict):
    """A webhook that was taken in."""

    event_id: str
    duplicate: bool


class Accepted(TypedDict):
    """A job of a batch that was accepted, or was before."""

    status: int
    job: JobView


class NotAccepted(TypedDict):
    """A job of a batch that was not accepted, and why."""

    status: int
    problem: ProblemDocument


class Results(TypedDict):
    """What became of each job of a batch, in order."""

    results: list[Accepted | NotAccepted]


class Liveness(TypedDict):
    """The process answers."""

    status: str


class Readiness(TypedDict):
    """Whether requests should be sent here."""

    status: str
    checks: dict[str, str]


_WHY = Shape(Why, {"reason": "the mailbox was full; it has room again"}, optional=True)
_WHY_RETRY = Shape(WhyRetry, {"reason": "the mailbox was full; it has room again"}, optional=True)
_IDEMPOTENCY = {
    "Idempotency-Key": "1 to 255 visible ASCII characters of your own. The same key with the same request is the same"
    " job, however often it is sent; with another request it is refused."
}
_REPLAYED = {"Idempotent-Replayed": "`true`: this job was made by an earlier request with the same key"}
_LOCATION = {"Location": "where to look the job up"}


def endpoints_of(registry: Registry) -> tuple[Endpoint, ...]:
    """The endpoints of a hub; the document of some depends on which jobs there are."""
    return (
        *_jobs(registry),
        *search.endpoints(),
        *views.endpoints(),
        *errors.endpoints(),
        *_events(),
        *_queues(),
        *fleet.endpoints(),
        *plans.endpoints(),
        *operators.endpoints(),
        *audit.endpoints(),
        *statistics.endpoints(),
        *alerts.endpoints(),
        *stories.endpoints(),
        *edits.endpoints(),
        _webhook(),
        *_health(),
    )


def _jobs(registry: Registry) -> tuple[Endpoint, ...]:
    submission = submission_shape(registry)
    refused = {"status": 422, "problem": examples.problem(422)}
    results = {"results": [{"status": 201, "job": examples.QUEUED}, refused]}
    return (
        Endpoint(
            "POST", "/v1/jobs", jobs.submit, Scope.JOBS_WRITE, "submitJob", "Jobs", "Submit a job",
            "When this answers 201 the job is committed and will be done. Send an `Idempotency-Key`, and a repeat is safe.",
            (
                Outcome(201, "The job, new", Shape(JobView, examples.QUEUED), _LOCATION),
                Outcome(200, "The job that the same request made before", Shape(JobView, examples.QUEUED), _REPLAYED),
            ),
            body=submission, refusals=(404, 409), headers=_IDEMPOTENCY, confirms=True,
        ),
        Endpoint(
            "POST", "/v1/jobs/batch", jobs.submit_many, Scope.JOBS_WRITE, "submitJobs", "Jobs", "Submit up to 1,000 jobs",
            "What fits is committed in one transaction; what does not is answered in its place. The body may also be the"
            " array alone.",
            (Outcome(200, "An answer for each, in order", Shape(Results, results)),),
            body=Shape(BatchSubmission, {"jobs": [submission.example]}),
        ),
        Endpoint(
            "GET", "/v1/jobs", jobs.list_jobs, Scope.JOBS_READ, "listJobs", "Jobs", "List jobs",
            "Newest first. An application sees its own; a key with `jobs:operate` sees all, those of webhooks too. A search that"
            " finds little stops before it takes long, and says how far back it came; go on with `next_cursor`.",
            (Outcome(200, "A part of the list", Shape(SearchedPage[JobView], examples.JOBS)),),
            query=JobsQuery,
        ),
        Endpoint(
            "GET", "/v1/jobs/{id}", jobs.read, Scope.JOBS_READ, "getJob", "Jobs", "Look a job up",
            "With attempts, steps, what comes next, and whether a retry is safe. `wait` holds the request until it settles,"
            " 30 seconds at most.",
            (Outcome(200, "The job", Shape(JobDetail, examples.RETRYING)),),
            query=WaitQuery, refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/jobs/{id}/retry", jobs.retry, Scope.JOBS_OPERATE, "retryJob", "Jobs", "Retry a job",
            "From `failed` and `cancelled` with a fresh budget, from `retrying` now, from `held` where its arguments or steps"
            " did not fit. Steps that were done are not done again."
            " Where an effect is uncertain (`retry.needs_decision`), look it up at the provider first, and give the `reason`;"
            " this takes the scope `jobs:decide`, too.",
            (Outcome(200, "The job", Shape(JobDetail, examples.REQUEUED)),),
            body=_WHY_RETRY, refusals=(404, 409),
        ),
        Endpoint(
            "POST", "/v1/jobs/{id}/cancel", jobs.cancel, Scope.JOBS_OPERATE, "cancelJob", "Jobs", "Cancel a job",
            "From any state in which no worker holds it and it is not settled, also half way through its steps, while it waits"
            " or is to be tried again; what it has recorded an undoing for is undone first. With a `reason` also a failed job whose effect is uncertain and that has something to undo; and one whose"
            " undoing has stopped (failed or held): the rest is taken care of, and it becomes what its `ending` says.",
            (Outcome(200, "The job", Shape(JobDetail, examples.CANCELLED)),),
            body=_WHY, refusals=(404, 409),
        ),
    )  # fmt: skip


def _events() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET", "/v1/events", events.list_events, Scope.EVENTS_LIST, "listEvents", "Events", "List received webhooks",
            "Newest first. A search that finds little stops before it takes long, as that of jobs.",
            (Outcome(200, "A part of the list", Shape(SearchedPage[EventView], examples.EVENTS)),),
            query=EventsQuery,
        ),
        Endpoint(
            "GET", "/v1/events/{id}", events.read, Scope.EVENTS_READ, "getEvent", "Events", "Look a webhook up",
            "With its body exactly as received.",
            (Outcome(200, "The event", Shape(EventDetail, examples.ONE_EVENT)),),
            refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/events/{id}/replay", events.replay, Scope.EVENTS_OPERATE, "replayEvent", "Events", "Replay a webhook",
            "Makes a new job for each job that subscribes to it now. What the old jobs did may be done once more."
            " Refused while one of them is not settled.",
            (Outcome(200, "The new jobs", Shape(ReplayedEvent, examples.REPLAYED)),),
            body=_WHY, refusals=(404, 409),
        ),
    )  # fmt: skip


def _queues() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET", "/v1/queues", queues.list_queues, Scope.JOBS_READ, "listQueues", "Queues and providers", "List queues",
            "How much waits, for how long, and how fast it goes.",
            (Outcome(200, "Every queue", Shape(Listing[QueueView], examples.QUEUES)),),
        ),
        Endpoint(
            "POST", "/v1/queues/{name}/pause", queues.pause, Scope.JOBS_OPERATE, "pauseQueue", "Queues and providers",
            "Pause a queue", "Nothing more is started from it; what runs is finished. Pausing twice changes nothing.",
            (Outcome(200, "The queue", Shape(QueueView, examples.PAUSED)),),
            body=_WHY, refusals=(404,),
        ),
        Endpoint(
            "POST", "/v1/queues/{name}/resume", queues.resume, Scope.JOBS_OPERATE, "resumeQueue", "Queues and providers",
            "Resume a queue", "What was held for the pause goes on. Resuming twice changes nothing.",
            (Outcome(200, "The queue", Shape(QueueView, examples.QUEUE)),),
            body=_WHY, refusals=(404,),
        ),
    )  # fmt: skip


def _webhook() -> Endpoint:
    received = {"event_id": str(examples.EVENT), "duplicate": False}
    return Endpoint(
        "POST", "/webhooks/{source}", inbound.receive, None, "receiveWebhook", "Webhooks", "Receive a webhook",
        "For providers. The signature over the raw body is checked as the source says; an event that was received before"
        " is answered and not stored again. Some sources answer in words of their own.",
        (
            Outcome(200, "It is stored, and its jobs with it", Shape(Received, received)),
            Outcome("2XX", "The same, in the source's own words"),
        ),
        body=Shape(Any, {"id": "evt_1Q", "type": "payment_intent.succeeded"}), refusals=(401, 404),
    )  # fmt: skip


def _health() -> tuple[Endpoint, ...]:
    checks = {"database": "ok", "schema": "ok", "redis": "ok"}
    ready = Shape(Readiness, {"status": "ok", "checks": checks})
    away = {"status": "unavailable", "checks": {**checks, "database": "away", "schema": "away"}}
    metrics = Shape(
        None, "# HELP hub_info What is running; always 1.\n", "text/plain; version=0.0.4; charset=utf-8"
    )
    return (
        Endpoint(
            "GET", "/livez", health.live, None, "isAlive", "Health", "Is the process alive?", "Asks no store.",
            (Outcome(200, "It answers", Shape(Liveness, {"status": "ok"})),),
        ),
        Endpoint(
            "GET", "/readyz", health.ready, None, "isReady", "Health", "Should requests be sent here?",
            "Without Redis it is `degraded` and ready: everything is accepted, and starts a moment later.",
            (Outcome(200, "Yes", ready), Outcome(503, "No", Shape(Readiness, away))),
        ),
        Endpoint(
            "GET", "/metrics", health.metrics, None, "getMetrics", "Health", "Metrics", "For Prometheus.",
            (Outcome(200, "What was counted", metrics),),
        ),
    )  # fmt: skip
