"""One attempt of one job: which step comes next, what earlier attempts recorded, and what is still under way."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import structlog

from hub.domain.effects import Certainty, Effect, Step, StepKind
from hub.domain.encoding import without_nul
from hub.domain.errors import HubError, StepsChanged, UncertainEffect
from hub.domain.jobs import Failure
from hub.domain.providers import Call, Operation, Provider
from hub.domain.sources import Source
from hub.domain.specs import Log
from hub.infra.store.execution import Claimed
from hub.infra.store.settlements import Child
from hub.infra.store.steps import Progress, RecordedStep, StepRecord
from hub.infra.store.waits import Heard, Wait
from hub.services.ledger import Ledger, Superseded, Suspended

Send = Callable[[Operation[Any, Any], Any, Call], Awaitable[Any]]
CallOf = Callable[[Provider, str, str], Call]
FailureOf = Callable[[BaseException, str, str], Failure]

log = structlog.get_logger("hub.attempt")

# How often a job's progress is written; what it says in between is told by the next.
_SHOW_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Tools:
    """What every context of a worker works with.

    Attributes:
        ledger: where steps are written.
        send: the sender.
        call_of: provider, idempotency key, correlation id -> base URL and credentials for one call.
        failure_of: error, job, step -> what is kept of it.
        log_of: a logger that knows the job.
        heard: job, wait, until -> the event that ends it, if it came by then.
        operations: what undo steps may call, by the registry's names.
        sources: whose events may be waited for.
        new_id: makes UUIDv7s.
    """

    ledger: Ledger
    send: Send
    call_of: CallOf
    failure_of: FailureOf
    log_of: Callable[[Claimed], Log]
    heard: Callable[[UUID, Wait, datetime], Awaitable[Heard | None]]
    operations: Mapping[str, Operation[Any, Any]]
    sources: Mapping[str, Source]
    new_id: Callable[[], UUID]


@dataclass(frozen=True, slots=True)
class Pause:
    """What ends a pause: time, by the database's clock, or an event before that."""

    until: datetime
    wait: Wait | None = None


@dataclass(slots=True)
class Attempt:
    """What the steps of one attempt share.

    Attributes:
        step_name: the step that was asked for last.
        uncertain: an effect that may exist and that no repeat could settle.
        children: the jobs to be made if this one succeeds.
        pauses: what the job waits for.
        suspended: whether it was told to stop and wait.
        listening: held by a branch that looks for its event.
    """

    claimed: Claimed
    tools: Tools
    step_name: str = ""
    uncertain: UncertainEffect | None = None
    children: list[Child] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    listening: asyncio.Lock = field(default_factory=asyncio.Lock)
    suspended: bool = False
    _began: float = field(default_factory=time.monotonic)
    _position: int = 0
    _recorded: dict[int, RecordedStep] | None = None
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _under_way: set["asyncio.Future[None]"] = field(default_factory=set)
    _closed: bool = False
    _said: Progress | None = None
    _saying: "asyncio.Task[None] | None" = None

    def next(self, name: str) -> int:
        """The position of the step that is asked for. Taken before anything is awaited, so in the order of the code."""
        if self._closed:
            raise Superseded
        if self.suspended:
            # What a job does in `finally` while it is suspended would come before what it waits for.
            raise Suspended
        self._position += 1
        self.step_name = name
        return self._position

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Around whatever must end before the attempt does."""
        over = asyncio.get_running_loop().create_future()
        self._under_way.add(over)
        try:
            yield
        finally:
            self._under_way.discard(over)
            over.set_result(None)

    async def recorded(self) -> dict[int, RecordedStep]:
        """What earlier attempts wrote, and this one added for later."""
        async with self._loading:
            if self._recorded is None:
                self._recorded = await self.tools.ledger.load(self.claimed)
        return self._recorded

    async def find(self, position: int, kind: StepKind, name: str) -> RecordedStep | None:
        """The record of a step. Raises StepsChanged if it is another one's."""
        recorded = (await self.recorded()).get(position)
        if recorded and (recorded.step.name, recorded.step.kind) != (name, kind):
            raise StepsChanged(position, recorded.step.name, name)
        return recorded

    async def write(
        self,
        step: Step,
        *,
        answer: object = None,
        planned: object = None,
        provider: str | None = None,
        waiting: bool = False,
    ) -> None:
        """Record a step that nothing is sent for."""
        record = StepRecord(
            self.claimed.id,
            self.claimed.attempt,
            step,
            provider=provider,
            key=None,
            sending=waiting,
            answer=None if answer is None else as_json(answer),
            planned=None if planned is None else as_json(planned),
        )
        await self.tools.ledger.write(record)

    def step(self, position: int, kind: StepKind, name: str, certainty: Certainty) -> Step:
        """A step that changes nothing outside, as it is to be written."""
        return Step(position, name, Effect.READ, certainty, 0, self.claimed.generation, None, b"", kind)

    async def undoable(self) -> bool:
        """Whether there is something to undo if the job fails."""
        return any(one.step.kind is StepKind.UNDO for one in (await self.recorded()).values())

    async def check_all_asked(self) -> None:
        """Raise StepsChanged if something was done, by another release's code, that this one did not ask for."""
        for position, recorded in sorted((await self.recorded()).items()):
            if position > self._position and recorded.step.kind is StepKind.CALL and recorded.step.is_effect:
                raise StepsChanged(position, recorded.step.name, "nothing more")

    async def pause(self, until: datetime, wait: Wait | None = None) -> None:
        """Suspend the job, once nothing of it is under way: a branch beside must not be cut off in mid-air."""
        self.pauses.append(Pause(until, wait))
        while self._under_way:
            await asyncio.wait(self._under_way)
        self.suspended = True
        raise Suspended

    def delay(self) -> timedelta:
        """How long the job pauses at the most."""
        return min(pause.until for pause in self.pauses) - self.now()

    def say(self, done: int, total: int | None, note: str) -> None:
        """Keep how far the job is, soon."""
        value = as_json({"done": done, "total": total, "note": _storable(note)})
        self._said = Progress(self.claimed.id, self.claimed.attempt, value)
        if self._saying is None or self._saying.done():
            self._saying = asyncio.create_task(self._say())

    async def aclose(self) -> None:
        """End the attempt: what the job left running begins nothing more, and its answers are written first."""
        self._closed = True
        while self._under_way:
            await asyncio.wait(self._under_way)
        if self._saying is not None:
            self._saying.cancel()
            # The end of a job does not wait for what nobody depends on.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHOW_EVERY):
                    await self._say_now()

    def now(self) -> datetime:
        """The database's clock at the claim, carried on by a steady one: a wrong wall clock does no harm."""
        return self.claimed.now + timedelta(seconds=time.monotonic() - self._began)

    async def _say(self) -> None:
        while self._said is not None:
            await self._say_now()
            await asyncio.sleep(_SHOW_EVERY)

    async def _say_now(self) -> None:
        said, self._said = self._said, None
        if said is not None:
            try:
                await self.tools.ledger.show(said)
            except HubError:
                pass  # the next word tells as much
            except Exception:
                log.exception("progress not kept", job_id=str(said.job))


def as_json(value: object) -> str:
    """Compact JSON, without the NULs that PostgreSQL's text cannot hold."""
    text = orjson.dumps(value).decode()
    return orjson.dumps(without_nul(orjson.loads(text))).decode() if "\\u0000" in text else text


def _storable(note: str) -> str:
    return note[:200].encode("utf-8", "replace").decode()
