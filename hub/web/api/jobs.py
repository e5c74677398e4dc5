"""Jobs: submit, look, wait, retry, cancel."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import ValidationError

from hub.domain.errors import Conflict, HubError, Invalid, Problem, Unavailable
from hub.domain.idempotency import MAX_KEY_LENGTH, is_valid_key
from hub.domain.jobs import SETTLED, JobState
from hub.domain.search import parse
from hub.services.filters import JobFilter
from hub.services.job_views import JobView
from hub.services.outlook import WAITS_FOR_WORKER, due
from hub.services.submit import JobRequest, Submitted
from hub.web.answers import JSON_HEADERS, dumps, json_answer
from hub.web.endpoints import Context
from hub.web.problems import INTERNAL, explain
from hub.web.reading import id_in, json_of, optional_body, query_of, validated
from hub.web.schemas import (
    MAX_ARGS,
    BatchItem,
    BatchSubmission,
    JobsQuery,
    JobSubmission,
    WaitQuery,
    Why,
    WhyRetry,
    refused,
)

FARTHEST = timedelta(days=366)
_REPLAYED = "Idempotent-Replayed"


async def submit(request: web.Request, context: Context) -> web.StreamResponse:
    """Submit one job."""
    hub, key = context.hub, _key_of(request)
    hub.submit.admit(request.content_length or 0)
    value, size = await json_of(request, context, hub.config.web.max_body)
    wanted = validated(JobSubmission, value)
    submitted = await hub.submit.submit(context.principal, _request(context, wanted, key, size))
    if submitted.replayed:
        known = await hub.inspect.find_jobs(context.principal, [submitted.id])
        response = json_answer(_repeated(known, submitted))
        response.headers[_REPLAYED] = "true"
        return response
    hub.metrics.submit(wanted.job)
    body = dumps(_fresh(context, submitted, key))
    response = web.Response(body=body, status=201, headers=JSON_HEADERS)
    response.headers["Location"] = f"/v1/jobs/{submitted.id}"
    return response


async def submit_many(request: web.Request, context: Context) -> web.StreamResponse:
    """Submit up to a thousand jobs; an answer for each, in order."""
    if "Idempotency-Key" in request.headers:
        problem = Problem("/headers/Idempotency-Key", "give each job its own idempotency_key instead")
        raise Invalid("one key cannot stand for many jobs", problems=(problem,))
    context.hub.submit.admit(request.content_length or 0, many=True)
    judged = await _judged_all(request, context)
    good = [item for item in judged if isinstance(item, JobRequest)]
    submitted = await context.hub.submit.submit_many(context.principal, good)
    known = await _repeats(context, submitted)
    answers = iter(submitted)
    results = [
        _refusal(context, item)
        if isinstance(item, HubError)
        else _result(context, item, next(answers), known)
        for item in judged
    ]
    return json_answer({"results": results})


async def _judged_all(request: web.Request, context: Context) -> list[JobRequest | HubError]:
    # Apart, so that what was parsed is gone while the batch waits to be stored.
    value, size = await json_of(request, context, context.hub.config.web.max_batch_body)
    items = validated(BatchSubmission, {"jobs": value} if isinstance(value, list) else value).jobs
    return [_judged(context, item, size) for item in items]


async def read(request: web.Request, context: Context) -> web.StreamResponse:
    """One job, at once or when it has settled."""
    job, wait = id_in(request, "job"), query_of(request, WaitQuery).wait
    found = await context.hub.inspect.get_job(context.principal, job)
    if wait and found.state not in SETTLED:
        context.call.waits = True
        await context.hub.inspect.wait_settled([job], wait)
        found = await context.hub.inspect.get_job(context.principal, job)
    return json_answer(found)


async def list_jobs(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of the jobs."""
    query = query_of(request, JobsQuery)
    wanted = JobFilter(
        states=tuple(dict.fromkeys(query.state)),
        job=query.job,
        queue=query.queue,
        application=query.application,
        signature=query.error_signature,
        tag=query.tag,
        correlation_id=query.correlation_id,
        event_id=query.event_id,
        created_after=query.created_after,
        created_before=query.created_before,
        text=query.text,
        search=parse(query.q, context.hub.clock()),
    )
    page = await context.hub.inspect.list_jobs(
        context.principal, wanted, limit=query.limit, cursor=query.cursor
    )
    return json_answer(page)


async def retry(request: web.Request, context: Context) -> web.StreamResponse:
    """Retry a job."""
    job, why = id_in(request, "job"), await optional_body(request, context, WhyRetry)
    return json_answer(
        await context.hub.operate.retry(context.principal, job, reason=why.reason, decided=why.decided)
    )


async def cancel(request: web.Request, context: Context) -> web.StreamResponse:
    """Cancel a job."""
    job, why = id_in(request, "job"), await optional_body(request, context, Why)
    return json_answer(await context.hub.operate.cancel(context.principal, job, reason=why.reason))


def _key_of(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not is_valid_key(key):
        message = f"must be 1 to {MAX_KEY_LENGTH} visible ASCII characters"
        problem = Problem("/headers/Idempotency-Key", message)
        raise Invalid("the idempotency key is not one", code="invalid_idempotency_key", problems=(problem,))
    return key


def _request(context: Context, wanted: JobSubmission, key: str | None, size: int) -> JobRequest:
    # What is smaller as a whole cannot hold larger arguments.
    if size > MAX_ARGS and len(orjson.dumps(wanted.args)) > MAX_ARGS:
        problem = Problem("/args", f"must be at most {MAX_ARGS} bytes of JSON")
        raise Invalid("the arguments are too large", code="args_too_large", problems=(problem,))
    if wanted.run_at is not None and wanted.run_at > context.hub.clock() + FARTHEST:
        problem = Problem("/run_at", "must not be more than a year ahead")
        raise Invalid("the job is due too far ahead", code="too_far_ahead", problems=(problem,))
    return JobRequest(
        job=wanted.job,
        args=wanted.args,
        correlation_id=wanted.correlation_id or context.call.correlation_id,
        queue=wanted.queue,
        priority=wanted.priority,
        run_at=wanted.run_at,
        tags=tuple(wanted.tags),
        idempotency_key=key,
    )


def _judged(context: Context, item: Any, size: int) -> JobRequest | HubError:
    try:
        wanted = BatchItem.model_validate(item)
        return _request(context, wanted, wanted.idempotency_key, size)
    except ValidationError as error:
        return refused(error)
    except Invalid as error:
        return error


async def _repeats(
    context: Context, results: Sequence[Submitted | HubError]
) -> Mapping[UUID, JobView] | Unavailable:
    """The jobs that a batch has made before. Never raises: what is new in it is committed, and has to be told."""
    jobs = [result.id for result in results if isinstance(result, Submitted) and result.replayed]
    try:
        return await context.hub.inspect.find_jobs(context.principal, jobs) if jobs else {}
    except Unavailable as error:
        return error


def _result(
    context: Context,
    request: JobRequest,
    result: Submitted | HubError,
    known: Mapping[UUID, JobView] | Unavailable,
) -> dict[str, Any]:
    if isinstance(result, HubError):
        return _refusal(context, result)
    if result.replayed:
        if isinstance(known, Unavailable):
            return _refusal(context, known)
        try:
            return {"status": 200, "job": _repeated(known, result)}
        except HubError as error:
            return _refusal(context, error)
    context.hub.metrics.submit(request.job)
    return {"status": 201, "job": _fresh(context, result, request.idempotency_key)}


def _refusal(context: Context, error: HubError) -> dict[str, Any]:
    explained = explain(error) or INTERNAL
    return {"status": explained.status, "problem": explained.document(context.call.correlation_id)}


def _repeated(known: Mapping[UUID, JobView], submitted: Submitted) -> JobView:
    """The job that the same request made before, as it is now."""
    job = known.get(submitted.id)
    if job is None:
        message = "this request was accepted before; its job has settled and was pruned since"
        raise Conflict(message, code="job_pruned")
    return job


def _fresh(context: Context, submitted: Submitted, key: str | None) -> dict[str, Any]:
    """A job as `JobView` shows it, from what was submitted: the database is not asked again."""
    job, created_at = submitted.job, submitted.created_at
    assert job is not None
    assert created_at is not None
    ahead = job.run_at is not None and job.run_at > created_at
    run_at = job.run_at if ahead else created_at
    return {
        "id": submitted.id,
        "job": job.name,
        "state": JobState.SCHEDULED if ahead else JobState.QUEUED,
        "reason": None,
        "queue": job.queue,
        "priority": job.priority,
        "run_at": run_at,
        "application": context.principal.application_name,
        "correlation_id": job.correlation_id,
        "idempotency_key": key,
        "tags": orjson.Fragment(job.tags),
        "event_id": None,
        "parent_id": None,
        "attempt": 0,
        "failures": 0,
        "generation": 1,
        "error": None,
        "progress": None,
        "created_at": created_at,
        "started_at": None,
        "settled_at": None,
        "ending": None,
        "undone_at": None,
        "next": due(1, run_at) if run_at is not None and ahead else WAITS_FOR_WORKER,
    }
