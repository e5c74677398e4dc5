"""The durable steps of one attempt: written down before they are sent, and replayed when the job runs again."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, assert_never, cast

import orjson
from pydantic import BaseModel, ValidationError

from hub.domain.effects import Certainty, Effect, Resume, Step, conclude, idempotency_key, is_covered, resume
from hub.domain.encoding import without_nul
from hub.domain.errors import (
    CallError,
    Declined,
    Invalid,
    Rejected,
    StepsChanged,
    UncertainEffect,
)
from hub.domain.jobs import Failure
from hub.domain.providers import A, Call, Operation, Provider, R
from hub.domain.specs import Log
from hub.infra.store.execution import Claimed, RecordedStep, StepRecord
from hub.services.ledger import Ledger, Superseded

T = TypeVar("T")

Send = Callable[[Operation[Any, Any], Any, Call], Awaitable[Any]]
CallOf = Callable[[Provider, str, str], Call]
FailureOf = Callable[[BaseException, str, str], Failure]


@dataclass(frozen=True, slots=True)
class Tools:
    """What every context of a worker works with.

    Attributes:
        ledger: where steps are written.
        send: the sender.
        call_of: provider, idempotency key, correlation id -> base URL and credentials for one call.
        failure_of: error, job, step -> what is kept of it.
        log_of: a logger that knows the job.
    """

    ledger: Ledger
    send: Send
    call_of: CallOf
    failure_of: FailureOf
    log_of: Callable[[Claimed], Log]


@dataclass(slots=True)
class Context:
    """What one attempt of one job may do. Implements `hub.domain.specs.JobContext`."""

    claimed: Claimed
    tools: Tools
    _began: float = field(default_factory=time.monotonic)
    _position: int = 0
    _recorded: dict[int, RecordedStep] | None = None
    _under_way: set["asyncio.Future[None]"] = field(default_factory=set)
    _closed: bool = False
    step_name: str = ""
    uncertain: UncertainEffect | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return str(self.claimed.id)

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self.claimed.attempt

    @property
    def correlation_id(self) -> str:
        """What ties this job to where it came from."""
        return self.claimed.correlation_id

    @property
    def log(self) -> Log:
        """A logger that knows the job."""
        return self.tools.log_of(self.claimed)

    async def call(self, operation: Operation[A, R], /, **args: Any) -> R:
        """Call a provider as a durable step; see `JobContext.call`."""
        arguments = _arguments(operation, args)
        # None of this is awaited before the position is taken: concurrent calls keep the order of the code.
        position = self._next(operation.name)
        over = asyncio.get_running_loop().create_future()
        self._under_way.add(over)
        try:
            return await self._call(operation, arguments, position)
        finally:
            self._under_way.discard(over)
            over.set_result(None)

    async def aclose(self) -> None:
        """End the attempt: what the job left running begins nothing more, and its answers are written first."""
        self._closed = True
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _call(self, operation: Operation[A, R], arguments: A, position: int) -> R:
        digest = _digest(arguments.model_dump(mode="json"))
        provider = operation.provider
        kept_for = provider.idempotency.kept_for if provider.idempotency else None
        begun = await self._begin(position, operation.name, operation.effect, digest, kept_for)
        if isinstance(begun, RecordedStep):
            return _replayed(operation, begun)
        key = idempotency_key(self.claimed.id, position, begun.serial)
        record = partial(StepRecord, self.claimed.id, self.claimed.attempt, provider=provider.name, key=key)
        if operation.effect is not Effect.READ:
            await self.tools.ledger.write(record(begun, sending=True))
        call = self.tools.call_of(provider, key, self.claimed.correlation_id)
        try:
            result: R = await self.tools.send(operation, arguments, call)
        except CallError as error:
            await self._note_failure(record, begun, error, kept_for)
            raise
        except BaseException:
            # Cancelled in the middle: the ledger says already that nobody knows.
            self._doubt(begun, kept_for)
            raise
        confirmed = _with(begun, Certainty.CONFIRMED)
        await self.tools.ledger.write(
            record(confirmed, sending=False, answer=_json(result.model_dump(mode="json")))
        )
        return result

    async def step(self, name: str, work: Callable[[], Awaitable[T]], /) -> T:
        """Do any other piece of work once; see `JobContext.step`."""
        position = self._next(name)
        begun = await self._begin(position, name, Effect.READ, b"", None)
        if isinstance(begun, RecordedStep):
            answer: T = begun.answer
            return answer
        result = await work()
        done = _with(begun, Certainty.CONFIRMED)
        await self.tools.ledger.write(
            StepRecord(
                self.claimed.id,
                self.claimed.attempt,
                done,
                provider=None,
                key=None,
                sending=False,
                answer=_json(without_nul(result)),
            )
        )
        return result

    def _next(self, name: str) -> int:
        if self._closed:
            raise Superseded
        self._position += 1
        self.step_name = name
        return self._position

    async def _begin(
        self, position: int, name: str, effect: Effect, digest: bytes, kept_for: timedelta | None
    ) -> Step | RecordedStep:
        recorded = await self._find(position, name)
        if recorded is None:
            return Step(position, name, effect, Certainty.UNKNOWN, 0, self.claimed.generation, None, digest)
        past = recorded.step
        if past.digest != digest and effect is Effect.READ:
            # Another question: its answer is not on record, and asking is harmless.
            return Step(
                position, name, effect, Certainty.UNKNOWN, past.serial, self.claimed.generation, None, digest
            )
        since = past.first_sent_at
        match resume(past, generation=self.claimed.generation, now=self._now(), kept_for=kept_for):
            case Resume.SEND:
                serial, since = past.serial, None
            case Resume.SEND_ANEW:
                serial, since = past.serial + 1, None
            case _ if past.digest != digest:
                # What was done (or may be, or was refused) was something else: its answer is not this one's, and its
                # key with other arguments would be neither a repeat nor safe.
                raise StepsChanged(position, f"{name} with other arguments", name)
            case Resume.REPLAY:
                return recorded
            case Resume.REFUSE:
                raise _refused(recorded)
            case Resume.ASK:
                raise UncertainEffect(name, past.first_sent_at or self._now())
            case Resume.REPEAT:
                serial = past.serial
            case unreachable:
                assert_never(unreachable)
        return Step(
            position,
            name,
            effect,
            Certainty.UNKNOWN,
            serial,
            self.claimed.generation,
            since,
            digest,
        )

    async def _find(self, position: int, name: str) -> RecordedStep | None:
        if self._recorded is None:
            self._recorded = await self.tools.ledger.load(self.claimed)
        recorded = self._recorded.get(position)
        if recorded and recorded.step.name != name:
            raise StepsChanged(position, recorded.step.name, name)
        return recorded

    async def _note_failure(
        self, record: "partial[StepRecord]", begun: Step, error: CallError, kept_for: timedelta | None
    ) -> None:
        """Write down how certain the effect is; an uncertain one that no repeat could settle goes to a person."""
        failure = self.tools.failure_of(error, self.claimed.name, begun.name)
        recorded = (self._recorded or {}).get(begun.position)
        certainty = conclude(
            recorded.step if recorded else None,
            error.certainty,
            generation=self.claimed.generation,
            now=self._now(),
            kept_for=kept_for,
        )
        await self.tools.ledger.write(record(_with(begun, certainty), sending=False, failure=failure))
        if certainty is Certainty.UNKNOWN and (doubt := self._doubt(begun, kept_for)):
            raise doubt from error

    def _doubt(self, begun: Step, kept_for: timedelta | None) -> UncertainEffect | None:
        """Remember, of a step that was sent and not answered, that no repeat could settle it."""
        since = begun.first_sent_at or self._now()
        if begun.effect is Effect.READ or is_covered(since, now=self._now(), kept_for=kept_for):
            return None
        self.uncertain = UncertainEffect(begun.name, since)
        return self.uncertain

    def _now(self) -> datetime:
        # The database's clock at the claim, carried on by this process's steady one: a wrong wall clock does no harm.
        return self.claimed.now + timedelta(seconds=time.monotonic() - self._began)


def _with(step: Step, certainty: Certainty) -> Step:
    return Step(
        step.position,
        step.name,
        step.effect,
        certainty,
        step.serial,
        step.generation,
        step.first_sent_at,
        step.digest,
    )


def _arguments(operation: Operation[A, Any], args: Mapping[str, Any]) -> A:
    try:
        return operation.args(**args)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise Invalid(
            f"the arguments do not fit {operation.name}: {where}: {first['msg']}", code="invalid_args"
        ) from None


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


def _digest(arguments: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).digest()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
