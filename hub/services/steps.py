"""The durable steps of one attempt: written down before they are sent, and replayed when the job runs again."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar, assert_never

import orjson

from hub.domain.effects import Certainty, Effect, Resume, Step, conclude, idempotency_key, is_covered, resume
from hub.domain.errors import CallError, Rejected, StepsChanged, Throttled, UncertainEffect
from hub.domain.jobs import Failure
from hub.domain.providers import A, Call, Operation, Provider, R
from hub.domain.specs import Log
from hub.infra.batch import Batcher
from hub.infra.store.execution import Claimed, ExecutionStore, RecordedStep, StepRecord

T = TypeVar("T")

Send = Callable[[Operation[Any, Any], Any, Call], Awaitable[Any]]
CallOf = Callable[[Provider, str, str], Call]
FailureOf = Callable[[BaseException, str, str], Failure]


class Superseded(BaseException):
    """This worker does not hold the job any more: stop, and write nothing.

    Not an Exception, so that a job that catches its own errors cannot go on by mistake.
    """


class Ledger:
    """Writes steps for all jobs of a worker, in batches."""

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._batch: Batcher[StepRecord, bool] = Batcher(self._flush, limit=200, lanes=2)

    async def write(self, record: StepRecord) -> None:
        """Make a line durable.

        Raises:
            Superseded: the job belongs to somebody else by now.
            Unavailable: it cannot be written now.
        """
        if not await self._batch.submit(record):
            raise Superseded

    async def load(self, claimed: Claimed) -> dict[int, RecordedStep]:
        """What earlier attempts wrote. A first attempt has nothing to load."""
        return await self._store.load_steps(claimed.id) if claimed.attempt > 1 else {}

    async def _flush(self, records: list[StepRecord]) -> list[bool]:
        written = await self._store.record_steps(records)
        return [(record.job, record.step.position) in written for record in records]


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
    step_name: str = ""

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
        arguments = operation.args(**args)
        # None of this is awaited before the position is taken: concurrent calls keep the order of the code.
        position = self._next(operation.name)
        digest = _digest(arguments.model_dump(mode="json"))
        provider = operation.provider
        kept_for = provider.idempotency.kept_for if provider.idempotency else None
        begun = await self._begin(position, operation.name, operation.effect, digest, kept_for)
        if isinstance(begun, RecordedStep):
            replayed: R = operation.result.model_validate(begun.answer)  # type: ignore[attr-defined]  # a pydantic model
            return replayed
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
                answer=_json(result),
            )
        )
        return result

    def _next(self, name: str) -> int:
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
        match resume(past, generation=self.claimed.generation, now=self._now(), kept_for=kept_for):
            case Resume.REPLAY:
                return recorded
            case Resume.REFUSE:
                raise Rejected(
                    recorded.error_message or "was refused before", code=recorded.error_code or "rejected"
                )
            case Resume.ASK:
                raise UncertainEffect(name, past.first_sent_at or self._now())
            case Resume.REPEAT if past.digest != digest and effect is not Effect.READ:
                # The same key with other arguments is another request: neither a repeat nor safe.
                raise StepsChanged(position, f"{name} with other arguments", name)
            case Resume.SEND | Resume.REPEAT:
                serial = past.serial
            case Resume.SEND_ANEW:
                serial = past.serial + 1
            case unreachable:
                assert_never(unreachable)
        return Step(
            position,
            name,
            effect,
            Certainty.UNKNOWN,
            serial,
            self.claimed.generation,
            past.first_sent_at,
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
        # Throttled is a definite no for this request, but not for the step: it is sent again as if it never was.
        seen = Certainty.NOT_SENT if isinstance(error, Throttled) else error.certainty
        recorded = (self._recorded or {}).get(begun.position)
        certainty = conclude(
            recorded.step if recorded else None,
            seen,
            generation=self.claimed.generation,
            now=self._now(),
            kept_for=kept_for,
        )
        await self.tools.ledger.write(record(_with(begun, certainty), sending=False, failure=failure))
        if certainty is not Certainty.UNKNOWN or begun.effect is Effect.READ:
            return
        since = begun.first_sent_at or self._now()
        if not is_covered(since, now=self._now(), kept_for=kept_for):
            raise UncertainEffect(begun.name, since) from error

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


def _digest(arguments: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)).digest()


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
