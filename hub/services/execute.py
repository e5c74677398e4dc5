"""Running a claimed job, as a pipeline of named steps: find, read its arguments, run, judge, decide, settle."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from hub.domain.errors import Invalid, Unavailable
from hub.domain.jobs import Failure, Interrupted, Outcome, Standing, Succeeded, Transition, decide
from hub.domain.judgement import judge
from hub.domain.specs import JobSpec
from hub.infra.batch import Batcher
from hub.infra.metrics import Metrics
from hub.infra.store.execution import Claimed, ExecutionStore, Settlement
from hub.registry import Registry
from hub.services.steps import Context, Superseded, Tools


@dataclass(frozen=True, slots=True)
class Finished:
    """What an attempt came to, before anything is decided about it."""

    outcome: Outcome
    result: str | None = None
    error: BaseException | None = None


_MAX_RESULT = 64 * 1024
# While the database is away, settlements wait; what cannot be settled before the lease lapses is done again, safely.
_SETTLE_PAUSE = 0.2
_SETTLE_PATIENCE = 60.0


class Execute:
    """Runs jobs for one worker.

    Args:
        store: the worker's statements.
        registry: the jobs this release knows.
        tools: what jobs work with.
        metrics: counted per attempt.
        clock: the time that delays are measured from (only differences reach the database).
        rng: jitter.
        report: told about errors that nobody foresaw.
    """

    def __init__(
        self,
        store: ExecutionStore,
        registry: Registry,
        tools: Tools,
        *,
        metrics: Metrics,
        clock: Callable[[], datetime],
        rng: Random,
        report: Callable[[BaseException, Claimed], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._tools = tools
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self._report = report
        self._known = sorted(registry.jobs)
        self._settlements: Batcher[Settlement, bool] = Batcher(
            self._flush, limit=500, pending=100_000, lanes=2
        )

    @property
    def unsettled(self) -> int:
        """How many ends of attempts wait to be written."""
        return len(self._settlements)

    async def claim(self, handed: Sequence[tuple[Any, int]]) -> list[Claimed]:
        """Claim what was taken from the ready buffer."""
        return await self._store.claim(handed, self._known)

    async def run(self, claimed: Claimed) -> None:
        """Run one attempt to its end and hand the end over to be written. Never raises for what a job does."""
        spec = self._registry.jobs[claimed.name]
        began = asyncio.get_running_loop().time()
        try:
            finished = await self._attempt(spec, claimed)
        except Superseded:
            return
        move = self._settle(spec, claimed, finished)
        self._metrics.attempt(claimed.name, move.outcome.value, asyncio.get_running_loop().time() - began)

    async def drain(self) -> None:
        """Wait until every end is written."""
        await self._settlements.drain()

    async def _attempt(self, spec: JobSpec, claimed: Claimed) -> Finished:
        context = Context(claimed, self._tools)
        try:
            args = read_args(spec, claimed)
            async with asyncio.timeout(spec.timeout.total_seconds()):
                value = await spec.function(context, args)
            return Finished(Succeeded(), result_of(value))
        except asyncio.CancelledError:
            failure = Failure(
                "interrupted", "the worker was stopped while the job ran", "Interrupted", "interrupted"
            )
            return Finished(Interrupted(failure, crashed=False))
        except Unavailable as error:
            # The hub's own store, not the job: it costs the job nothing.
            failure = self._tools.failure_of(error, claimed.name, context.step_name)
            return Finished(Interrupted(failure, crashed=False))
        except Exception as error:  # noqa: BLE001 - whatever a job raises is an outcome
            failure = self._tools.failure_of(error, claimed.name, context.step_name)
            outcome = judge(error, failure)
            return Finished(outcome, error=error)

    def _settle(self, spec: JobSpec, claimed: Claimed, finished: Finished) -> Transition:
        now = self._clock()
        move = decide(
            Standing(claimed.failures, claimed.crashes, spec.retry), finished.outcome, now, self._rng
        )
        if finished.error is not None:
            self._report(finished.error, claimed)
        delay = move.run_at - now if move.run_at else None
        future = self._settlements.submit(
            Settlement(claimed.id, claimed.attempt, move, delay, finished.result)
        )
        # Nobody waits for it: a settlement that is refused belongs to a job that somebody else holds by now.
        future.add_done_callback(_forget)
        return move

    async def _flush(self, settlements: list[Settlement]) -> list[bool]:
        settled = await self._write(settlements)
        return [settlement.job in settled for settlement in settlements]

    async def _write(self, settlements: list[Settlement]) -> set[Any]:
        patience = asyncio.get_running_loop().time() + _SETTLE_PATIENCE
        while True:
            try:
                return await self._store.settle(settlements)
            except Unavailable:
                if asyncio.get_running_loop().time() > patience:
                    raise
                await asyncio.sleep(_SETTLE_PAUSE)


def read_args(spec: JobSpec, claimed: Claimed) -> BaseModel:
    """A job's arguments, from what was submitted or from the event that started it.

    Raises:
        Invalid: they do not fit, which will not pass by itself.
    """
    try:
        if claimed.args is None:
            model: BaseModel = spec.args.model_validate_json(claimed.event_body or b"null")
        else:
            model = spec.args.model_validate(claimed.args)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        what = "event" if claimed.args is None else "arguments"
        raise Invalid(
            f"the {what} do not fit {spec.name}: {where}: {first['msg']}", code="invalid_args"
        ) from None
    return model


def result_of(value: object) -> str | None:
    """What a job returned, as JSON; too much or nothing that JSON knows is a programming error of the job."""
    if value is None:
        return None
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = orjson.dumps(plain).decode()
    if len(text) > _MAX_RESULT:
        raise Invalid(f"the job returned more than {_MAX_RESULT} bytes", code="result_too_large")
    return text


def lost_worker() -> Interrupted:
    """The outcome of an attempt whose worker's lease has lapsed."""
    return Interrupted(
        Failure("worker_lost", "the worker's lease lapsed while the job ran", "WorkerLost", "worker_lost"),
        crashed=True,
    )


def _forget(future: "asyncio.Future[bool]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        future.exception()
