"""What a job is given: its context, each of whose methods is a durable step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from hub.domain.effects import Certainty, StepKind
from hub.domain.encoding import without_nul
from hub.domain.errors import Invalid
from hub.domain.jobs import clamped
from hub.domain.providers import A, Operation, R
from hub.domain.specs import E, JobSpec, Log
from hub.domain.tags import tags_of
from hub.infra.store.settlements import Child
from hub.services import calls, pauses, undo
from hub.services.attempt import Attempt, as_json
from hub.services.misfit import first_misfit

T = TypeVar("T")

_NOW = timedelta(0)


@dataclass(frozen=True, slots=True)
class Context:
    """What one attempt of one job may do. Implements `hub.domain.specs.JobContext`."""

    _attempt: Attempt

    @property
    def job_id(self) -> str:
        """The job's id."""
        return str(self._attempt.claimed.id)

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self._attempt.claimed.attempt

    @property
    def correlation_id(self) -> str:
        """What ties this job to where it came from."""
        return self._attempt.claimed.correlation_id

    @property
    def log(self) -> Log:
        """A logger that knows the job."""
        return self._attempt.tools.log_of(self._attempt.claimed)

    # In each of these nothing is awaited before the position is taken: concurrent steps keep the order of the code.

    async def call(self, operation: Operation[A, R], /, **args: Any) -> R:
        """Call a provider as a durable step; see `JobContext.call`."""
        arguments = calls.arguments_of(operation, args)
        position = self._attempt.next(operation.name)
        with self._attempt.working():
            return await calls.call(self._attempt, operation, arguments, position)

    async def step(self, name: str, work: Callable[[], Awaitable[T]], /) -> T:
        """Do any other piece of work once; see `JobContext.step`."""
        position = self._attempt.next(name)
        recorded = await self._attempt.find(position, StepKind.WORK, name)
        if recorded is not None:
            answer: T = recorded.answer
            return answer
        # As it will be read from the record: the rest of the job must not tell the two apart.
        result: T = without_nul(await work())
        done = self._attempt.step(position, StepKind.WORK, name, Certainty.CONFIRMED)
        await self._attempt.write(done, answer=result)
        return result

    async def sleep(self, delay: timedelta, /) -> None:
        """Go on after this time; see `JobContext.sleep`."""
        await pauses.sleep(self._attempt, delay, self._attempt.next("sleep"))

    async def wait_for(
        self,
        event: str | tuple[str, ...],
        model: type[E],
        /,
        *,
        about: str,
        timeout: timedelta,  # noqa: ASYNC109 - it outlives the process
        since: datetime | None = None,
    ) -> E:
        """Go on when an event arrives; see `JobContext.wait_for`."""
        what = pauses.awaited(self._attempt.tools.sources, event, about, timeout, since)
        return await pauses.wait_for(self._attempt, what, model, self._attempt.next(what.name))

    async def enqueue(self, spec: JobSpec, /, *, delay: timedelta = _NOW, **args: Any) -> str:
        """Have another job made when this one succeeds; see `JobContext.enqueue`."""
        text, tags = _child(spec, args)
        name = f"enqueue {spec.name}"
        position = self._attempt.next(name)
        with self._attempt.working():
            recorded = await self._attempt.find(position, StepKind.ENQUEUE, name)
            child = UUID(recorded.answer["job"]) if recorded else self._attempt.tools.new_id()
            if recorded is None:
                step = self._attempt.step(position, StepKind.ENQUEUE, name, Certainty.CONFIRMED)
                await self._attempt.write(step, answer={"job": child})
        self._attempt.children.append(
            Child(child, spec.name, text, spec.queue, spec.priority, clamped(delay), tags)
        )
        return str(child)

    async def compensate(self, operation: Operation[A, R], /, **args: Any) -> None:
        """Record how to undo what was done; see `JobContext.compensate`."""
        arguments = calls.arguments_of(operation, args)
        position = self._attempt.next(operation.name)
        with self._attempt.working():
            await undo.record(self._attempt, operation, arguments, position)

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the job is; see `JobContext.progress`."""
        self._attempt.say(done, total, note)


def _child(spec: JobSpec, args: dict[str, Any]) -> tuple[str, str]:
    try:
        model: BaseModel = spec.args.model_validate(args)
    except ValidationError as error:
        message = f"the arguments do not fit {spec.name}: {first_misfit(error)}"
        raise Invalid(message, code="invalid_args") from None
    text = as_json(model.model_dump(mode="json", by_alias=True, exclude_unset=True))
    return text, as_json(tags_of(spec.tags, model))
