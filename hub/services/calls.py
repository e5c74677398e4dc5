"""Calls as durable steps: written down before they are sent, and replayed when the job runs again."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, assert_never, cast

import orjson
from pydantic import BaseModel, ValidationError

from hub.domain.causes import Place
from hub.domain.effects import (
    Certainty,
    Effect,
    Resume,
    Step,
    StepKind,
    conclude,
    idempotency_key,
    is_covered,
    resume,
)
from hub.domain.errors import CallError, Declined, Invalid, NotSent, Rejected, StepsChanged, UncertainEffect
from hub.domain.providers import A, Operation, R
from hub.infra.store.steps import RecordedStep, StepRecord
from hub.services.attempt import Attempt, as_json
from hub.services.misfit import first_misfit


async def call(
    attempt: Attempt, operation: Operation[A, R], arguments: A, position: int, kind: StepKind = StepKind.CALL
) -> R:
    """Call a provider under the step at `position`: send it, repeat it, or hand back what is on record."""
    step = _Call(attempt, operation, position, kind)
    try:
        begun = await step.begin(digest_of(arguments))
        if isinstance(begun, RecordedStep):
            return _replayed(operation, begun)
        result: R = await step.send(begun, arguments)
    except (CallError, UncertainEffect) as error:
        # By the time that it ends the attempt, other steps may have been asked for.
        error.place = step.place()
        raise
    return result


class _Call:
    """One call of one attempt."""

    def __init__(
        self, attempt: Attempt, operation: Operation[Any, Any], position: int, kind: StepKind
    ) -> None:
        self._attempt = attempt
        self._operation = operation
        self._position = position
        self._kind = kind
        idempotency = operation.provider.idempotency
        self._kept_for: timedelta | None = idempotency.kept_for if idempotency else None
        self._before: Step | None = None

    def place(self) -> Place:
        """Which call it is."""
        operation = self._operation
        known = self._attempt.tools.operations.items()
        key = next((key for key, one in known if one is operation), f"{operation.method} {operation.path}")
        return Place(operation.name, operation.provider.name, key)

    async def begin(self, digest: bytes) -> Step | RecordedStep:
        """The step as it is to be sent, or the record that stands for its answer."""
        name = self._operation.name
        recorded = await self._attempt.find(self._position, self._kind, name)
        if recorded is None:
            return self._step(digest, serial=0)
        self._before = past = recorded.step
        if past.digest != digest and self._operation.effect is Effect.READ:
            # Another question: its answer is not on record, and asking is harmless.
            return self._step(digest, serial=past.serial)
        generation = self._attempt.claimed.generation
        match resume(past, generation=generation, now=self._attempt.now(), kept_for=self._kept_for):
            case Resume.SEND:
                return self._step(digest, serial=past.serial)
            case Resume.SEND_ANEW:
                return self._step(digest, serial=past.serial + 1)
            case _ if past.digest != digest:
                # What was done (or may be, or was refused) was something else: its answer is not this one's, and its
                # key with other arguments would be neither a repeat nor safe.
                raise StepsChanged(self._position, f"{name} with other arguments", name)
            case Resume.REPLAY:
                return recorded
            case Resume.REFUSE:
                raise _refused(recorded)
            case Resume.ASK:
                raise UncertainEffect(name, past.first_sent_at or self._attempt.now())
            case Resume.REPEAT:
                return self._step(digest, serial=past.serial, since=past.first_sent_at)
            case unreachable:
                assert_never(unreachable)

    async def send(self, begun: Step, arguments: Any) -> Any:
        """Send it, between two lines of the ledger."""
        attempt, operation = self._attempt, self._operation
        claimed, provider = attempt.claimed, operation.provider
        key = idempotency_key(claimed.id, self._position, begun.serial)
        record = partial(StepRecord, claimed.id, claimed.attempt, provider=provider.name, key=key)
        if operation.effect is not Effect.READ:
            await attempt.tools.ledger.write(record(begun, sending=True))
        details = attempt.tools.call_of(provider, key, claimed.correlation_id)
        try:
            result = await attempt.tools.send(operation, arguments, details)
        except CallError as error:
            await self._note_failure(record, begun, error)
            raise
        except BaseException:
            # Cancelled in the middle: the ledger says already that nobody knows.
            self._doubt(begun)
            raise
        answer = as_json(result.model_dump(mode="json"))
        if "\ufffd" in answer:
            # As it will be read from the record: the rest of the job must not tell the two apart.
            result = operation.result.model_validate_json(answer)
        await attempt.tools.ledger.write(
            record(begun.becoming(Certainty.CONFIRMED), sending=False, answer=answer)
        )
        return result

    def _step(self, digest: bytes, *, serial: int, since: datetime | None = None) -> Step:
        return Step(
            self._position,
            self._operation.name,
            self._operation.effect,
            Certainty.UNKNOWN,
            serial,
            self._attempt.claimed.generation,
            since,
            digest,
            self._kind,
        )

    async def _note_failure(self, record: "partial[StepRecord]", begun: Step, error: CallError) -> None:
        """Write down how certain the effect is; an uncertain one that no repeat could settle goes to a person."""
        attempt = self._attempt
        failure = attempt.tools.failure_of(error, attempt.claimed.name, begun.name)
        certainty = conclude(
            self._before,
            error.certainty,
            generation=attempt.claimed.generation,
            now=attempt.now(),
            kept_for=self._kept_for,
        )
        unsent = isinstance(error, NotSent)
        line = record(begun.becoming(certainty), sending=False, failure=failure, unsent=unsent)
        await attempt.tools.ledger.write(line)
        if certainty is Certainty.UNKNOWN and (doubt := self._doubt(begun)):
            raise doubt from error

    def _doubt(self, begun: Step) -> UncertainEffect | None:
        """Remember, of a step that was sent and not answered, that no repeat could settle it."""
        now = self._attempt.now()
        since = begun.first_sent_at or now
        if begun.effect is Effect.READ or is_covered(since, now=now, kept_for=self._kept_for):
            return None
        self._attempt.uncertain = doubt = UncertainEffect(begun.name, since)
        doubt.place = self.place()
        return doubt


def arguments_of(operation: Operation[A, Any], args: Mapping[str, Any]) -> A:
    """An operation's arguments. Raises Invalid."""
    try:
        return operation.args(**args)
    except ValidationError as error:
        raise Invalid(
            f"the arguments do not fit {operation.name}: {first_misfit(error)}", code="invalid_args"
        ) from None


def digest_of(arguments: Any) -> bytes:
    """What tells whether two calls say the same."""
    plain = arguments.model_dump(mode="json")
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest()


def _replayed(operation: Operation[Any, R], recorded: RecordedStep) -> R:
    kind = cast("type[BaseModel]", operation.result)
    try:
        return cast("R", kind.model_validate(recorded.answer))
    except ValidationError:
        step = recorded.step
        raise StepsChanged(step.position, f"{step.name} with another answer", operation.name) from None


def _refused(recorded: RecordedStep) -> Rejected:
    """The refusal again, as its own kind: a job may tell a declined card from a bad request."""
    kind = Declined if recorded.error_kind == Declined.__name__ else Rejected
    return kind(recorded.error_message or "was refused before", code=recorded.error_code or "rejected")
