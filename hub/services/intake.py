"""Taking webhooks in: verify, read, tell duplicates apart, store with the jobs they start, answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.domain.errors import Invalid, NotFound, SignatureRefused
from hub.domain.redaction import is_secret_name
from hub.domain.signatures import Refused
from hub.domain.sources import Reply, Source
from hub.domain.specs import JobSpec
from hub.domain.tags import tags_of
from hub.infra.batch import Batcher, Bounds, Weighing
from hub.infra.queue import Ready
from hub.infra.store.database import is_data_error, is_unstorable
from hub.infra.store.intake import IntakeStore, NewEvent, NewJob, Stored
from hub.registry import Registry
from hub.services.handover import Handover
from hub.services.waking import Waking


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider is told: the hub's id of the event, or the source's own words."""

    event_id: UUID | None
    duplicate: bool
    reply: Reply | None


_MAX_HEADERS = 64
OVERHEAD = 4096
"""Bytes that whatever waits to be stored takes besides its own: its objects, its request, its connection."""


class Intake:
    """Receives deliveries. One per web process.

    Args:
        store: where events go.
        registry: the sources, and which jobs want which events.
        secrets: the configured secrets of each source, oldest first.
        handover: where the jobs go after the commit.
        waking: told of what jobs may wait for.
        clock: the time that signatures are judged by.
        new_id: makes UUIDv7s.
        bounds: how much may wait to be stored.
    """

    def __init__(  # noqa: PLR0913 - it is where these meet
        self,
        store: IntakeStore,
        registry: Registry,
        secrets: Mapping[str, Sequence[str]],
        handover: Handover,
        waking: Waking,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
        observe: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._handover = handover
        self._waking = waking
        self._clock = clock
        self._new_id = new_id
        self._store = store
        self._batch: Batcher[NewEvent, Stored] = Batcher(
            self._flush,
            limit=200,
            bounds=bounds,
            weighing=Weighing(_weight),
            apart=is_data_error,
            observe=observe,
        )

    def admit(self, size: int) -> None:
        """Raise Unavailable if a delivery of so many bytes would be refused now: before they are read."""
        self._batch.check(size)

    async def receive(
        self, source: str, headers: Mapping[str, str], body: bytes, correlation_id: str
    ) -> Receipt:
        """Accept one delivery; when this returns, the event and its jobs are durable.

        Args:
            source: the name in the path.
            headers: with lower-case names.
            body: exactly as received.
            correlation_id: what ties everything that follows together.

        Raises:
            NotFound: there is no such source.
            SignatureRefused: the delivery is not shown to be the provider's.
            Invalid: it is, and cannot be read.
            Unavailable: it cannot be stored now; the provider should send it again.
        """
        known = self._registry.sources.get(source)
        if known is None:
            raise NotFound(f"there is no webhook source {source!r}", code="unknown_source")
        accepted = self._accept(known, headers, body, correlation_id)
        if not isinstance(accepted, NewEvent):
            return Receipt(None, False, accepted)
        stored = await self._batch.submit(accepted)
        return Receipt(stored.id, stored.duplicate, known.reply)

    async def drain(self) -> None:
        """Wait until everything received is stored and handed over."""
        await self._batch.drain()
        await self._waking.drain()
        await self._handover.drain()

    def _accept(
        self, known: Source, headers: Mapping[str, str], body: bytes, correlation_id: str
    ) -> NewEvent | Reply:
        # Apart, so that what was parsed, many times the size of the body, is gone while the event waits to be stored.
        now = self._clock()
        verdict = known.scheme.verify(headers, body, self._secrets.get(known.name, ()), now)
        if isinstance(verdict, Refused):
            raise SignatureRefused(verdict)
        payload = _parse(body)
        if known.handshake and (reply := known.handshake(headers, payload)):
            return reply
        return self._event(known, headers, body, payload, correlation_id, verdict.secret)

    def _event(
        self,
        source: Source,
        headers: Mapping[str, str],
        body: bytes,
        payload: Mapping[str, Any],
        correlation_id: str,
        secret: int,
    ) -> NewEvent:
        reading = source.read(headers, payload)
        jobs = tuple(
            self._job(spec, correlation_id, payload)
            for spec in self._registry.subscribers(source.name, reading.type)
        )
        # Signatures and credentials have done their work; kept, they could only leak.
        kept = {name: value for name, value in headers.items() if not is_secret_name(name)}
        return NewEvent(
            self._new_id(),
            source.name,
            reading.external_id,
            reading.type,
            body,
            orjson.dumps(dict(list(kept.items())[:_MAX_HEADERS])).decode(),
            secret,
            correlation_id,
            reading.occurred_at,
            jobs,
            reading.subject,
        )

    def _job(self, spec: JobSpec, correlation_id: str, payload: Mapping[str, Any]) -> NewJob:
        direct = self._handover.fits(spec.queue)
        tags = orjson.dumps(derived_tags(spec, payload)).decode() if spec.tags else "[]"
        return NewJob(
            self._new_id(), spec.name, None, spec.queue, spec.priority, correlation_id, tags, direct=direct
        )

    async def _flush(self, events: list[NewEvent]) -> Sequence[Stored | Exception]:
        try:
            stored = await self._store.store_events(events)
        except Exception as error:
            if len(events) == 1 and is_unstorable(error):
                # Not ours to be sorry for: sent again, it would be refused again.
                raise Invalid("the event cannot be stored as it stands", code="unstorable") from error
            raise
        self._hand_over(events, stored)
        self._waking.came(
            event.id
            for event, outcome in zip(events, stored, strict=True)
            if event.subject and not outcome.duplicate
        )
        return stored

    def _hand_over(self, events: Sequence[NewEvent], stored: Sequence[Stored]) -> None:
        now = self._clock()
        self._handover.hand_over(
            [
                Ready(job.id, 1, job.queue, job.priority, now)
                for event, outcome in zip(events, stored, strict=True)
                if not outcome.duplicate
                for job in event.jobs
                if job.direct
            ]
        )


def derived_tags(spec: JobSpec, payload: Any) -> tuple[str, ...]:
    """The tags that a job's arguments say; none where they do not fit it."""
    try:
        return tags_of(spec.tags, spec.args.model_validate(payload))
    except Exception:  # noqa: BLE001 - a model's own checks may raise anything
        # It is accepted all the same, and fails with the reason when it runs.
        return ()


def _weight(event: NewEvent) -> int:
    return OVERHEAD + len(event.body) + len(event.headers)


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the body is not JSON: {error}", code="unreadable_body") from None
    if not isinstance(payload, dict):
        raise Invalid("the body is not a JSON object", code="unreadable_body")
    return payload
