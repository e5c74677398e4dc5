"""Submitting jobs: check against what the job takes, store once per idempotency key, hand over."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from hub.domain.access import Principal
from hub.domain.errors import HubError, Invalid, KeyReused, NotFound, Problem
from hub.domain.idempotency import Match, compare, fingerprint
from hub.domain.specs import JobSpec
from hub.domain.tags import tags_of
from hub.infra.batch import Batcher, Bounds, Weighing
from hub.infra.queue import Ready
from hub.infra.store.database import is_data_error, is_unstorable
from hub.infra.store.intake import IntakeStore, NewJob, NewSubmission, Stored
from hub.registry import Registry
from hub.services.handover import Handover
from hub.services.intake import OVERHEAD


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job as an application asks for it. None means: as the job itself says."""

    job: str
    args: dict[str, Any] = field(repr=False)
    correlation_id: str
    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    tags: tuple[str, ...] = ()
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job that a request stands for: made now, or made before by the same request (`replayed`).

    `created_at` and `job` are None for a replay: read the job to show it.
    """

    id: UUID
    replayed: bool
    created_at: datetime | None
    job: NewJob | None


class Submit:
    """Accepts jobs. One per web process.

    Args:
        store: where jobs go.
        registry: the jobs there are, and the queues.
        handover: where the jobs go after the commit.
        clock: tells what is due already.
        new_id: makes UUIDv7s.
        bounds: how much may wait to be stored, of single jobs and of batches, each.
    """

    def __init__(
        self,
        store: IntakeStore,
        registry: Registry,
        handover: Handover,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._registry = registry
        self._handover = handover
        self._clock = clock
        self._new_id = new_id
        self._store = store
        self._queues = registry.queues
        self._batch: Batcher[NewSubmission, Stored] = Batcher(
            self._flush, limit=200, bounds=bounds, weighing=Weighing(_weight), observe=observe
        )
        # One request a transaction, as that is promised; two of them at a time.
        self._batches: Batcher[list[NewSubmission], Sequence[Stored | Exception]] = Batcher(
            self._flush_requests, limit=1, lanes=2, bounds=bounds, weighing=Weighing(_weight_together)
        )

    def admit(self, size: int, *, many: bool = False) -> None:
        """Raise Unavailable if a request of so many bytes would be refused now: before they are read."""
        (self._batches if many else self._batch).check(size)

    async def submit(self, principal: Principal, request: JobRequest) -> Submitted:
        """Accept one job; when this returns it is durable.

        Raises:
            NotFound: there is no such job.
            Invalid: the arguments do not fit, one problem each with its pointer.
            KeyReused: the idempotency key stands for another request.
            Unavailable: it cannot be stored now; sending the same request again is safe if it carries a key.
        """
        item = self._check(principal, request)
        return self._judge(item, await self._batch.submit(item))

    async def submit_many(
        self, principal: Principal, requests: Sequence[JobRequest]
    ) -> list[Submitted | HubError]:
        """Accept what is right of many in one transaction; each gets its own answer, in order.

        Raises:
            Unavailable: they cannot be stored now, none of them.
        """
        checked = [self._checked(principal, request) for request in requests]
        good = [item for item in checked if isinstance(item, NewSubmission)]
        stored = iter(await self._batches.submit(good) if good else ())
        return [item if isinstance(item, HubError) else self._judged(item, next(stored)) for item in checked]

    async def drain(self) -> None:
        """Wait until everything submitted is stored and handed over."""
        await self._batch.drain()
        await self._batches.drain()
        await self._handover.drain()

    def _checked(self, principal: Principal, request: JobRequest) -> NewSubmission | HubError:
        try:
            return self._check(principal, request)
        except HubError as error:
            return error

    def _judged(self, item: NewSubmission, stored: Stored | Exception) -> Submitted | HubError:
        if isinstance(stored, HubError):
            return stored
        if isinstance(stored, Exception):
            return Invalid("the job cannot be stored as it stands", code="unstorable")
        try:
            return self._judge(item, stored)
        except HubError as error:
            return error

    def _check(self, principal: Principal, request: JobRequest) -> NewSubmission:
        spec = self._registry.jobs.get(request.job)
        if spec is None:
            raise NotFound(f"there is no job {request.job!r}", code="unknown_job")
        if request.queue is not None and request.queue not in self._queues:
            known = ", ".join(self._queues)
            problem = Problem("/queue", f"there is no queue {request.queue!r}; there are {known}")
            raise Invalid("the request does not fit", problems=(problem,))
        args = check_args(spec, request.args)
        return NewSubmission(
            self._job(spec, request, tags_of(spec.tags, args, request.tags)),
            principal.application,
            request.idempotency_key,
            _fingerprint(request) if request.idempotency_key else b"",
            confirm=None if principal.confirmed else principal.key,
        )

    def _job(self, spec: JobSpec, request: JobRequest, tags: tuple[str, ...]) -> NewJob:
        queue = request.queue or spec.queue
        due_now = request.run_at is None or request.run_at <= self._clock()
        return NewJob(
            self._new_id(),
            spec.name,
            orjson.dumps(request.args).decode(),
            queue,
            spec.priority if request.priority is None else request.priority,
            request.correlation_id,
            orjson.dumps(tags).decode() if tags else "[]",
            # What is due is due now, by the database's clock.
            None if due_now else request.run_at,
            direct=due_now and self._handover.fits(queue),
        )

    @staticmethod
    def _judge(item: NewSubmission, stored: Stored) -> Submitted:
        if not stored.duplicate:
            return Submitted(stored.id, False, stored.created_at, item.job)
        if compare(stored.fingerprint or b"", item.fingerprint) is Match.OTHER:
            raise KeyReused(
                "this idempotency key was used for another request; use a new key for a new request"
            )
        return Submitted(stored.id, True, None, None)

    async def _flush(self, items: list[NewSubmission]) -> Sequence[Stored | Exception]:
        try:
            stored = await self._store.store_submissions(items)
        except Exception as error:
            if len(items) > 1 and is_data_error(error):
                return [await self._flush_alone(item) for item in items]
            if is_unstorable(error):
                raise Invalid("the job cannot be stored as it stands", code="unstorable") from error
            raise
        self._hand_over(items, stored)
        return stored

    async def _flush_requests(
        self, requests: list[list[NewSubmission]]
    ) -> Sequence[Sequence[Stored | Exception]]:
        return [await self._flush_together(items) for items in requests]

    async def _flush_together(self, items: list[NewSubmission]) -> Sequence[Stored | Exception]:
        try:
            return await self._flush(items)
        except Invalid as error:
            # Of a lone item: one of many is tried by itself, and answered by itself.
            return [error]

    async def _flush_alone(self, item: NewSubmission) -> Stored | Exception:
        try:
            [stored] = await self._flush([item])
        except Exception as error:  # noqa: BLE001 - it belongs to this item alone
            return error
        return stored

    def _hand_over(self, items: Sequence[NewSubmission], stored: Sequence[Stored | Exception]) -> None:
        now = self._clock()
        self._handover.hand_over(
            [
                Ready(item.job.id, 1, item.job.queue, item.job.priority, now)
                for item, outcome in zip(items, stored, strict=True)
                if item.job.direct and isinstance(outcome, Stored) and not outcome.duplicate
            ]
        )


def _weight(item: NewSubmission) -> int:
    # Characters, which are bytes or nearly.
    return OVERHEAD + len(item.job.args or "") + len(item.job.tags)


def _weight_together(items: list[NewSubmission]) -> int:
    return sum(_weight(item) for item in items)


def check_args(spec: JobSpec, args: object) -> Any:
    """Check arguments against what a job takes; gives them as it will get them.

    Raises:
        Invalid: one problem per argument, its pointer beginning at the request.
    """
    try:
        return spec.args.model_validate(args)
    except ValidationError as error:
        problems = tuple(
            Problem("/args" + "".join(f"/{_escape(part)}" for part in item["loc"]), item["msg"])
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise Invalid(
            f"the arguments do not fit {spec.name}", code="invalid_args", problems=problems[:50]
        ) from None


def _escape(part: str | int) -> str:
    # RFC 6901
    return str(part).replace("~", "~0").replace("/", "~1")


def _fingerprint(request: JobRequest) -> bytes:
    # The correlation id is not part of the request's meaning: it differs on every repeat.
    return fingerprint(
        {
            "job": request.job,
            "args": request.args,
            "queue": request.queue,
            "priority": request.priority,
            "run_at": request.run_at and request.run_at.astimezone(UTC).isoformat(),
            "tags": list(request.tags),
        }
    )
