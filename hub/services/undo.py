"""Compensation: how to undo what was done is recorded beside it, and done in reverse when the job fails for good."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from hub.domain.effects import Certainty, Step, StepKind
from hub.domain.errors import ArgsUnknown, Invalid, StepsChanged, UncertainEffect
from hub.domain.providers import A, Operation
from hub.infra.store.steps import RecordedStep
from hub.services.attempt import Attempt
from hub.services.calls import arguments_of, call, digest_of


async def record(attempt: Attempt, operation: Operation[A, Any], arguments: A, position: int) -> None:
    """Write down a call that undoes what was done, with its arguments as they are: so none may be a secret."""
    if _holds_secret(arguments):
        message = f"{operation.name} takes a secret, which is not stored, so it cannot be recorded to undo something"
        raise Invalid(message, code="secret_in_undo")
    digest = digest_of(arguments)
    recorded = await attempt.find(position, StepKind.UNDO, operation.name)
    if recorded is not None:
        if recorded.step.digest != digest:
            raise StepsChanged(position, f"{operation.name} with other arguments", operation.name)
        return
    step = Step(
        position,
        operation.name,
        operation.effect,
        Certainty.NOT_SENT,
        0,
        attempt.claimed.generation,
        None,
        digest,
        StepKind.UNDO,
    )
    planned = {"operation": _key(attempt, operation), "args": arguments.model_dump(mode="json")}
    # Known before it is written: whoever is cut off while it is must not forget what may be on record by then.
    (await attempt.recorded())[position] = RecordedStep(step, None, planned=planned)
    await attempt.write(step, planned=planned, provider=operation.provider.name)


async def run(attempt: Attempt) -> None:
    """Make the recorded calls that were not made yet, the last one first; the first that fails ends it.

    Raises:
        UncertainEffect: they are made, and another effect may exist that nobody had the time to record an undoing of.
    """
    recorded = await attempt.recorded()
    for position in sorted(recorded, reverse=True):
        line = recorded[position]
        if line.step.kind is StepKind.UNDO and line.step.certainty is not Certainty.CONFIRMED:
            attempt.step_name = line.step.name
            operation, arguments = _planned(attempt, line.planned, position)
            with attempt.working():
                await call(attempt, operation, arguments, position, StepKind.UNDO)
    for position in sorted(recorded):
        if (step := recorded[position].step).kind is StepKind.CALL and _is_in_doubt(step, attempt):
            raise UncertainEffect(step.name, step.first_sent_at or attempt.now())


def _is_in_doubt(step: Step, attempt: Attempt) -> bool:
    """Whether it may exist, and no person has retried the job since that was said."""
    unanswered = step.is_effect and step.certainty is Certainty.UNKNOWN
    return unanswered and step.generation >= attempt.claimed.generation


def _holds_secret(value: object) -> bool:
    match value:
        case Secret() | SecretStr() | SecretBytes():
            return True
        case BaseModel():
            return any(_holds_secret(inner) for _, inner in value)
        case Mapping():
            return any(_holds_secret(inner) for inner in value.values())
        case list() | tuple() | set() | frozenset():
            return any(_holds_secret(inner) for inner in value)
        case _:
            return False


def _key(attempt: Attempt, operation: Operation[Any, Any]) -> str:
    for key, known in attempt.tools.operations.items():
        if known is operation:
            return key
    message = f"{operation.name} must be defined in a module of integrations to undo something"
    raise Invalid(message, code="unknown_operation")


def _planned(attempt: Attempt, planned: Mapping[str, Any], position: int) -> tuple[Operation[Any, Any], Any]:
    operation = attempt.tools.operations.get(planned["operation"])
    if operation is None:
        raise StepsChanged(position, planned["operation"], "nothing of that name")
    try:
        return operation, arguments_of(operation, planned["args"])
    except Invalid as error:
        # They did fit when they were recorded, so another release knows them.
        raise ArgsUnknown(str(error)) from None
