"""One attempt of a job: read its arguments, run its function, judge what came of it."""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hub.domain.causes import Cause
from hub.domain.errors import ArgsUnknown, Invalid, Unavailable, UncertainEffect
from hub.domain.jobs import Failed, Failure, Outcome, Snoozed, Succeeded, Uncertain, Waits
from hub.domain.judgement import UNEXPECTED, foremost, judge
from hub.domain.specs import JobSpec
from hub.infra.store.execution import Claimed
from hub.infra.store.settlements import Child
from hub.infra.store.waits import Wait
from hub.services import undo
from hub.services.attempt import Attempt, Tools, as_json
from hub.services.interruptions import stopped
from hub.services.ledger import Superseded, Suspended
from hub.services.misfit import first_misfit
from hub.services.steps import Context

_MAX_RESULT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """What an attempt came to, before anything is decided about it.

    Attributes:
        undoable: whether there is something to undo, should the job have failed.
    """

    outcome: Outcome
    result: str | None = None
    error: BaseException | None = None
    undoable: bool = False
    children: tuple[Child, ...] = ()
    waits: tuple[Wait, ...] = ()


async def run(spec: JobSpec, claimed: Claimed, tools: Tools) -> Finished:
    """Run one attempt to its end. Never raises for what a job does.

    Raises:
        Superseded: the job is somebody else's by now.
    """
    attempt = Attempt(claimed, tools)
    try:
        return await _succeeded(spec, attempt)
    except Suspended:
        return _suspended(attempt)
    except asyncio.CancelledError as error:
        # A job's own task that was cancelled raises the same; only the worker's wish is an interruption.
        if _is_stopping():
            return Finished(_doubted(stopped(attempt.claimed.name), attempt))
        return await _judged(error, attempt)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a job raises is an outcome
        return await _judged(error, attempt)
    except BaseExceptionGroup as group:
        return await _of_several(group, attempt)


async def _of_several(group: BaseExceptionGroup, attempt: Attempt) -> Finished:
    """A task group raises what its branches raised wrapped: their errors weigh more than that one of them waits."""
    errors = group.split(Suspended)[1]
    if errors is None:
        return _suspended(attempt)
    if not isinstance(errors, ExceptionGroup):
        raise Superseded from group
    return await _judged(errors, attempt)


async def _judged(raised: BaseException, attempt: Attempt) -> Finished:
    error = foremost(raised)
    try:
        failure = attempt.tools.failure_of(error, attempt.claimed.name, attempt.step_name)
    except Exception:  # noqa: BLE001 - an error that cannot even be printed
        kind = type(error).__name__
        failure = Failure.of(Cause.of(attempt.claimed.name, kind, UNEXPECTED, kind), kind)
    outcome = _doubted(judge(error, failure), attempt)
    try:
        return Finished(outcome, error=error, undoable=await attempt.undoable())
    except Unavailable as away:
        # Whether there is something to undo cannot be read now, so nothing may be decided yet.
        return Finished(Snoozed(away.retry_after, failure), error=error)


async def _succeeded(spec: JobSpec, attempt: Attempt) -> Finished:
    """What the job's function came to, or that its effects are undone; whatever it had under way is over."""
    async with aclosing(attempt):
        if attempt.claimed.ending is not None:
            await _within(spec, undo.run(attempt))
            return Finished(Succeeded())
        args = read_args(spec, attempt.claimed)
        result = result_of(await _within(spec, spec.function(Context(attempt), args)))
        if attempt.suspended:
            # It caught its own pause, and went on as if the time had come.
            raise Suspended
        await attempt.check_all_asked()
    return Finished(Succeeded(), result, children=tuple(attempt.children))


async def _within(spec: JobSpec, work: Awaitable[Any]) -> object:
    """The same, within the time that an attempt of the job may take."""
    limit = spec.timeout.total_seconds()
    timeout = asyncio.timeout(limit)
    try:
        async with timeout:
            value: object = await work
    except TimeoutError as error:
        if timeout.expired():
            raise TimeoutError(f"{spec.name} took longer than {limit:g} s") from error
        raise
    return value


def _suspended(attempt: Attempt) -> Finished:
    outcome = _doubted(Waits(attempt.delay()), attempt)
    if not isinstance(outcome, Waits):
        return Finished(outcome)
    return Finished(outcome, waits=tuple(pause.wait for pause in attempt.pauses if pause.wait is not None))


def _is_stopping() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _doubted(outcome: Outcome, attempt: Attempt) -> Outcome:
    """The same, unless the attempt left an effect that may exist: then that is what matters, and a person decides."""
    if attempt.uncertain is None or isinstance(outcome, Uncertain):
        return outcome
    message = str(attempt.uncertain)
    failure = outcome.failure if isinstance(outcome, Failed) else None
    # A provider's own code says more than that nobody knows; that an error had none says less.
    code = failure.code if failure and failure.code != UNEXPECTED else UncertainEffect.code
    # A cause of its own, apart from that of the same error where a repeat was covered: only a person may retry this one.
    cause = Cause.of(attempt.claimed.name, UncertainEffect.__name__, code, message, attempt.uncertain.place)
    return Uncertain(Failure.of(cause, message))


def read_args(spec: JobSpec, claimed: Claimed) -> BaseModel:
    """A job's arguments, from what was submitted or from the event that started it.

    Raises:
        ArgsUnknown: what was submitted does not fit. It did when it was accepted, so another release knows it.
        Invalid: the event does not fit, which will not pass by itself.
    """
    try:
        if claimed.args is None:
            model: BaseModel = spec.args.model_validate_json(claimed.event_body or b"null")
        else:
            model = spec.args.model_validate(claimed.args)
    except ValidationError as error:
        why = f"{spec.name}: {first_misfit(error)}"
        if claimed.args is None:
            raise Invalid(f"the event does not fit {why}", code="invalid_args") from None
        raise ArgsUnknown(f"the arguments do not fit this release's {why}") from None
    return model


def result_of(value: object) -> str | None:
    """What a job returned, as JSON; too much or nothing that JSON knows is a programming error of the job."""
    if value is None:
        return None
    try:
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        text = as_json(plain)
    except (TypeError, ValueError) as error:
        raise Invalid(f"the job returned what is not JSON: {error}", code="result_not_json") from error
    if len(text) > _MAX_RESULT:
        raise Invalid(f"the job returned more than {_MAX_RESULT} bytes", code="result_too_large")
    return text
