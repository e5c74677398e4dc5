"""Providers and workers: how they are, and what people do about providers."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import orjson
import structlog

from hub.domain.access import Principal
from hub.domain.errors import CallError, Conflict, Invalid, Problem, Unavailable
from hub.domain.overrides import MAX_UNTIL, Forced, Override
from hub.domain.providers import Call, Operation, Provider
from hub.infra.breaker_states import BreakerState
from hub.infra.store.fleet import FleetStore, Parked, WorkerRecord
from hub.infra.store.operations import Audit
from hub.infra.store.overrides import OverrideStore
from hub.registry import Registry
from hub.services.fleet_views import BreakerView, OverrideView, ProbeView, ProviderView, WorkerView
from hub.services.names import no_such
from hub.services.operate import actor_of
from hub.services.overrides import EVERY
from hub.services.statistics import Statistics
from hub.services.statistics_views import ProviderSeries

log = structlog.get_logger("hub.fleet")

# A person waits for it.
PROBE_PATIENCE = 10.0
_HOUR = timedelta(hours=1)
# By then every worker knows what was ordered. A job that looked before would wait for as long as it has been waiting.
_LEARNT = 2 * EVERY

SendProbe = Callable[[Operation[Any, Any], Any, Call, float], Awaitable[Any]]
CallOf = Callable[[Provider, str, str], Call]


class Snapshots(Protocol):
    """Whoever knows the breakers."""

    def snapshot(self) -> list[BreakerState]:
        """Every breaker as it can be shown."""
        ...


class Fleet:
    """What works for the hub, and what the hub depends on.

    Args:
        store: where it reads.
        overrides: where orders about breakers are kept.
        learn: makes the breakers of this process obey them at once.
        statistics: how providers answered lately.
        registry: the providers there are.
        breakers: how they are, as far as this process knows.
        send: sends a probe.
        call_of: provider, idempotency key, correlation id -> base URL and credentials.
        clock: now.
        new_id: makes UUIDv7s.
    """

    def __init__(  # noqa: PLR0913 - it is where these meet
        self,
        store: FleetStore,
        overrides: OverrideStore,
        learn: Callable[[], Awaitable[None]],
        statistics: Statistics,
        registry: Registry,
        breakers: Snapshots,
        *,
        send: SendProbe,
        call_of: CallOf,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self._store = store
        self._overrides = overrides
        self._learn = learn
        self._statistics = statistics
        self._registry = registry
        self._breakers = breakers
        self._send = send
        self._call_of = call_of
        self._clock = clock
        self._new_id = new_id

    async def workers(self) -> list[WorkerView]:
        """Every worker that has not stopped."""
        return [_worker_view(record) for record in await self._store.workers()]

    async def providers(self) -> list[ProviderView]:
        """Every provider, by name."""
        return await self._views(list(self._registry.providers.values()))

    async def provider(self, name: str) -> ProviderView:
        """One provider. Raises NotFound."""
        [view] = await self._views([self._known(name)])
        return view

    async def force(
        self, principal: Principal, name: str, state: Forced, *, reason: str, until: datetime | None = None
    ) -> ProviderView:
        """Hold a provider's breakers open or closed for the whole fleet, until a person or `until` gives them back.

        Raises:
            NotFound: there is no such provider.
            Invalid: there is no reason, or `until` is not ahead.
        """
        self._known(name)
        if not reason.strip():
            raise _invalid("/reason", "say why: it is shown with every job that waits for it")
        if until is not None and not self._clock() < until < self._clock() + MAX_UNTIL:
            raise _invalid("/until", "must lie ahead, by a year at most")
        audit = self._audit(principal, reason=reason, until=until)
        await self._overrides.hold(name, state, reason.strip(), until, audit)
        await self._make_known(name, let_go=state is Forced.CLOSED)
        return await self.provider(name)

    async def give_back(self, principal: Principal, name: str, *, reason: str | None = None) -> ProviderView:
        """Leave a provider's breakers to themselves, and let what waits for them look again. Raises NotFound."""
        self._known(name)
        await self._overrides.give_back(name, self._audit(principal, reason=reason))
        # Also where somebody else was faster, or it is pressed again as the first time was not answered.
        await self._make_known(name, let_go=True)
        return await self.provider(name)

    async def _make_known(self, name: str, *, let_go: bool) -> None:
        # What was ordered is done: that it is learnt of a little later, and that jobs wait until their time, is no failure of it.
        try:
            await self._learn()
            if let_go:
                await self._store.bring_forward(name, _LEARNT)
        except Unavailable as error:
            log.warning("an order about a breaker takes effect later", provider=name, error=str(error))

    async def probe(self, principal: Principal, name: str) -> ProbeView:
        """Send one harmless request to a provider, whatever its breaker says, and tell what came of it.

        Nothing else is changed: neither the breaker nor any job.

        Raises:
            NotFound: there is no such provider.
            Conflict: it has no probe.
        """
        provider = self._known(name)
        operation = self._registry.probe_of(name)
        if operation is None:
            why = f": {provider.no_probe}" if provider.no_probe else ""
            raise Conflict(f"{name} has no probe{why}", code="no_probe")
        probed = await self._sent(operation)
        outcome = "ok" if probed.ok else probed.code
        audit = self._audit(principal, outcome=outcome, milliseconds=round(probed.milliseconds))
        await self._overrides.note_probe(name, audit)
        return probed

    async def _sent(self, operation: Operation[Any, Any]) -> ProbeView:
        provider, at, key = operation.provider, self._clock(), f"hub-probe-{self._new_id()}"
        patience = min(PROBE_PATIENCE, provider.timeout.total_seconds())
        failed: CallError | None = None
        began = time.perf_counter()
        try:
            await self._send(operation, operation.args(), self._call_of(provider, key, key), patience)
        except CallError as error:
            failed = error
        milliseconds = (time.perf_counter() - began) * 1000
        return ProbeView(
            provider.name,
            operation.name,
            failed is None,
            failed.status if failed else None,
            failed.code if failed else None,
            str(failed) if failed else None,
            round(milliseconds, 1),
            at,
        )

    async def _views(self, providers: Sequence[Provider]) -> list[ProviderView]:
        parked = await self._store.parked()
        lately = await self._statistics.calls(_HOUR)
        forced = {held.override.provider: held.override for held in await self._overrides.standing()}
        now, snapshot = self._clock(), self._breakers.snapshot()
        return [
            _provider_view(
                provider,
                self._call_of(provider, "", "").base_url,
                [_breaker_view(state, now) for state in snapshot if state.provider == provider.name],
                forced.get(provider.name),
                parked.by_provider.get(provider.name),
                self._registry.probe_of(provider.name),
                lately.get(provider.name),
                parked_bounded=parked.bounded,
            )
            for provider in providers
        ]

    def _known(self, name: str) -> Provider:
        provider = self._registry.providers.get(name)
        if provider is None:
            raise no_such("provider", name, self._registry.providers)
        return provider

    def _audit(self, principal: Principal, **detail: Any) -> Audit:
        given = {name: value for name, value in detail.items() if value is not None}
        return Audit(self._new_id(), actor_of(principal), orjson.dumps(given).decode())


def _invalid(pointer: str, message: str) -> Invalid:
    return Invalid("the request does not fit; `errors` says where", problems=(Problem(pointer, message),))


def _worker_view(record: WorkerRecord) -> WorkerView:
    return WorkerView(**{name: getattr(record, name) for name in WorkerView.__slots__})


def _provider_view(
    provider: Provider,
    base_url: str,
    breakers: list[BreakerView],
    forced: Override | None,
    parked: Parked | None,
    probe: Operation[Any, Any] | None,
    lately: ProviderSeries | None,
    *,
    parked_bounded: bool,
) -> ProviderView:
    kept = provider.idempotency.kept_for.total_seconds() if provider.idempotency else None
    return ProviderView(
        name=provider.name,
        base_url=base_url,
        per_second=provider.limits.per_second,
        concurrent=provider.limits.concurrent,
        timeout_seconds=provider.timeout.total_seconds(),
        idempotent_seconds=kept,
        breakers=breakers,
        forced=_override_view(forced) if forced else None,
        parked_jobs=parked.jobs if parked else 0,
        parked_bounded=parked_bounded,
        next_parked_at=parked.next_at if parked else None,
        probe=probe.name if probe else None,
        no_probe=provider.no_probe or None,
        last_hour=lately.summary if lately else None,
    )


def _override_view(held: Override) -> OverrideView:
    return OverrideView(held.state, held.reason, held.by, held.since, held.until)


def _breaker_view(state: BreakerState, now: datetime) -> BreakerView:
    retry_at = None if state.retry_after is None else now + state.retry_after
    return BreakerView(
        state.target, state.state.value, state.failures, retry_at, state.calls, state.error_rate
    )
