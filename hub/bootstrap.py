"""The composition root: the one place that knows every part and puts them together."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from secrets import token_urlsafe
from uuid import UUID

import httpx
import structlog
import uuid_utils.compat as uuids
from aiohttp.abc import AbstractResolver

from hub.config import Config
from hub.domain.errors import Unavailable
from hub.domain.judgement import failure_of
from hub.domain.redaction import Redactor
from hub.domain.specs import Log
from hub.infra.batch import Bounds
from hub.infra.breaker_sharing import BreakerSharing
from hub.infra.breakers import Breakers
from hub.infra.connections import transport
from hub.infra.metrics import Metrics
from hub.infra.passwords import Cost, Passwords
from hub.infra.queue import ReadyQueue
from hub.infra.recurring import Recurring
from hub.infra.sender import Sender
from hub.infra.sentry import reporter
from hub.infra.store.alarms import AlarmStore
from hub.infra.store.alerts import AlertStore
from hub.infra.store.audit import AuditStore
from hub.infra.store.database import Database
from hub.infra.store.depths import DepthStore
from hub.infra.store.edits import EditStore
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.infra.store.finding import FindingStore
from hub.infra.store.fleet import FleetStore
from hub.infra.store.guesses import GuessStore
from hub.infra.store.identities import IdentityStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.intake import IntakeStore
from hub.infra.store.keys import KeyStore
from hub.infra.store.logins import LoginStore
from hub.infra.store.operations import OperationsStore
from hub.infra.store.operators import OperatorStore
from hub.infra.store.overrides import OverrideStore
from hub.infra.store.plan_ticks import PlanTickStore
from hub.infra.store.plans import PlanStore
from hub.infra.store.reading import ReadingStore
from hub.infra.store.relay import RelayStore
from hub.infra.store.rollup import RollupStore
from hub.infra.store.sessions import SessionStore
from hub.infra.store.statistics import StatisticsStore
from hub.infra.store.steps import StepStore
from hub.infra.store.timeline import TimelineStore
from hub.infra.store.views import ViewStore
from hub.infra.store.vocabulary import VocabularyStore
from hub.infra.store.waits import WaitStore
from hub.infra.store.why import WhyStore
from hub.registry import Registry
from hub.services.alarms import Alarms
from hub.services.alerts import Alerts, Telling, channels_of
from hub.services.attempt import Tools
from hub.services.audit import AuditTrail
from hub.services.call_statistics import CallStatistics
from hub.services.companions import Companions
from hub.services.edits import Edits
from hub.services.execute import Execute
from hub.services.finding import Find
from hub.services.fleet import Fleet
from hub.services.gauges import Gauges
from hub.services.handover import Handover
from hub.services.hub import Hub
from hub.services.inbox import Inbox
from hub.services.inspect import Inspect
from hub.services.intake import Intake
from hub.services.keys import Keys
from hub.services.ledger import Ledger
from hub.services.logins import AddressLimits, Logins
from hub.services.operate import Operate
from hub.services.operators import Operators
from hub.services.overrides import Overrides
from hub.services.plan_runner import PlanRunner
from hub.services.plans import plans_over
from hub.services.relay import Pace as RelayPace
from hub.services.relay import Relay
from hub.services.saved_views import SavedViews
from hub.services.single_sign_on import SingleSignOn
from hub.services.statistics import Bookkeeping, Statistics
from hub.services.submit import Submit
from hub.services.suggest import Suggest
from hub.services.telemetry import Telemetry, counted, tell_changes
from hub.services.timeline import Timeline
from hub.services.waking import Waking
from hub.services.why import Why
from hub.serving import PendingConfig

# How long a start leaves a database alone that is away. Seconds.
_AGAIN = 0.5


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_secret() -> str:
    return token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a hub takes from the world around it; tests bring their own.

    Attributes:
        clock: the time signatures are judged by, and differences are measured from.
        new_id: makes UUIDv7s.
        rng: jitter.
        transport: sends all HTTP instead of real connections.
        resolver: looks names up for the sender.
        password_cost: of hashing a password.
        steady: seconds that only go forwards, for limits.
    """

    clock: Callable[[], datetime] = _utc_now
    new_id: Callable[[], UUID] = uuids.uuid7
    rng: Random = field(default_factory=Random)
    transport: httpx.AsyncBaseTransport | None = None
    resolver: AbstractResolver | None = None
    password_cost: Cost = Cost()  # noqa: RUF009 - frozen
    steady: Callable[[], float] = time.monotonic


@asynccontextmanager
async def build(
    config: Config,
    registry: Registry,
    *,
    database_url: str,
    redis_url: str,
    surroundings: Surroundings | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[Hub]:
    """Put a hub together, and take it apart again in reverse order.

    Args:
        config: the settings.
        registry: what was found in integrations, webhooks and jobs.
        database_url: PostgreSQL, as configured or embedded.
        redis_url: Redis, likewise.
        surroundings: clock, ids, randomness, transport.
        redactor: the rules of the process's logs, to be those of everything else too.
    """
    around = surroundings or Surroundings()
    redactor = redactor or Redactor.knowing(config.secrets())
    async with AsyncExitStack() as stack:
        database = Database(database_url, pooled=config.database_pooled)
        stack.push_async_callback(database.close)
        queue = ReadyQueue(redis_url)
        stack.push_async_callback(queue.close)
        metrics = Metrics.make(version=config.release)
        breakers = Breakers()
        tell_changes(breakers, metrics)
        sender = await stack.enter_async_context(
            Sender(breakers, transport=around.transport, resolver=around.resolver)
        )
        reports = reporter(
            config.sentry_dsn.reveal() if config.sentry_dsn else None,
            environment=config.environment,
            release=config.release,
            redactor=redactor,
        )
        stack.callback(reports.close)
        handover = Handover(
            queue,
            config.relay.buffer_limit,
            partial(_count_lost, metrics),
        )
        intake_store = IntakeStore(database)
        waking = Waking(WaitStore(database), handover, registry.queues)
        bounds = _bounds(config.pending)
        passwords = Passwords(around.password_cost)
        stack.callback(passwords.close)
        logins = Logins(
            LoginStore(database, config.sessions),
            GuessStore(database, config.sessions),
            SessionStore(database, config.sessions),
            passwords,
            config.sessions,
            AddressLimits(around.steady),
            new_id=around.new_id,
            new_secret=_new_secret,
        )
        inspect = Inspect(ReadingStore(database), Find(FindingStore(database)), registry)
        override_store = OverrideStore(database)
        overrides = Overrides(override_store, breakers)
        rollup = RollupStore(database)
        statistics = Statistics(StatisticsStore(database), rollup, clock=around.clock)
        call_statistics = CallStatistics(rollup, process=around.new_id(), clock=around.clock)
        telling = Telling(
            channels_of(config.alerts, registry, slack=config.can_call("slack")),
            registry,
            config.site,
            clock=around.clock,
            new_id=around.new_id,
        )
        yield Hub(
            config=config,
            registry=registry,
            database=database,
            queue=queue,
            handover=handover,
            waking=waking,
            intake=Intake(
                intake_store,
                registry,
                {name: config.secrets_of(name) for name in registry.sources},
                handover,
                waking,
                clock=around.clock,
                new_id=around.new_id,
                bounds=bounds,
                observe=lambda size: metrics.batch("intake", size),
            ),
            submit=Submit(
                intake_store,
                registry,
                handover,
                clock=around.clock,
                new_id=around.new_id,
                bounds=bounds,
                observe=lambda size: metrics.batch("submit", size),
            ),
            inspect=inspect,
            suggest=Suggest(VocabularyStore(database), registry),
            views=SavedViews(ViewStore(database), clock=around.clock, new_id=around.new_id),
            operate=Operate(
                OperationsStore(database, registry.providers), inspect, registry, new_id=around.new_id
            ),
            plans=plans_over(database, registry.providers, clock=around.clock, new_id=around.new_id),
            edits=Edits(
                EditStore(database, registry.providers),
                inspect,
                registry,
                new_id=around.new_id,
                need_approval=config.edits_need_approval,
            ),
            timeline=Timeline(TimelineStore(database), redactor, list(registry.sources)),
            why=Why(
                WhyStore(database),
                queue.place,
                partial(_closed_in, breakers),
                bound=config.relay.buffer_limit,
            ),
            keys=Keys(KeyStore(database), new_id=around.new_id, new_secret=_new_secret, bounds=bounds),
            inbox=Inbox(InboxStore(database), new_id=around.new_id),
            operators=Operators(
                OperatorStore(database),
                passwords,
                config.sessions,
                new_id=around.new_id,
                new_secret=_new_secret,
            ),
            logins=logins,
            single_sign_on=await _single_sign_on(stack, config, database, logins, around),
            audit=AuditTrail(AuditStore(database)),
            sender=sender,
            breakers=breakers,
            fleet=Fleet(
                FleetStore(database),
                override_store,
                overrides.learn,
                statistics,
                registry,
                breakers,
                send=sender.probe,
                call_of=config.call,
                clock=around.clock,
                new_id=around.new_id,
            ),
            statistics=statistics,
            alerts=Alerts(AlertStore(database), telling, new_id=around.new_id),
            telling=telling,
            call_statistics=call_statistics,
            companions=Companions(BreakerSharing(breakers, queue.redis), overrides, [call_statistics.run]),
            metrics=metrics,
            gauges=Gauges(
                metrics, DepthStore(database), queue, registry.queues, breakers, registry.providers
            ),
            redactor=redactor,
            reporter=reports,
            clock=around.clock,
            new_id=around.new_id,
            rng=around.rng,
        )


def _closed_in(breakers: Breakers, provider: str) -> timedelta | None:
    waits = [
        state.retry_after
        for state in breakers.snapshot()
        if state.provider == provider and state.retry_after is not None
    ]
    return max(waits, default=None)


async def _single_sign_on(
    stack: AsyncExitStack, config: Config, database: Database, logins: Logins, around: Surroundings
) -> SingleSignOn | None:
    if config.oidc is None:
        return None
    from hub.infra.identity_provider import IdentityProvider  # noqa: PLC0415 - takes a tenth of a second, and most have none

    pool = transport(ssl.create_default_context(), reuse=False)
    stack.push_async_callback(pool.aclose)
    provider = IdentityProvider(
        config.oidc, pool, clock=lambda: around.clock().timestamp(), steady=around.steady
    )
    return SingleSignOn(
        config.oidc,
        provider,
        logins,
        IdentityStore(database),
        OperatorStore(database),
        redirect=f"{config.web.address}/console/login/oidc/done",
        new_id=around.new_id,
        new_secret=_new_secret,
    )


def make_execute(hub: Hub, store: ExecutionStore) -> Execute:
    """What one worker does with the jobs it claims."""
    telemetry = _telemetry(hub)
    telemetry.expect(hub.registry.jobs)
    hub.gauges.look(telemetry.show_running)
    return Execute(
        store,
        hub.registry,
        _tools(hub, store),
        telemetry=telemetry,
        waking=hub.waking,
        clock=hub.clock,
        rng=hub.rng,
    )


def make_relay(hub: Hub, store: ExecutionStore) -> Relay:
    """A relay over a built hub."""
    pace = RelayPace(
        bound=hub.config.relay.buffer_limit,
        tick=hub.config.relay.tick,
        rehand_after=hub.config.relay.rehand_after,
    )
    return Relay(
        RelayStore(hub.database),
        store,
        hub.queue,
        hub.registry,
        pace,
        clock=hub.clock,
        rng=hub.rng,
        telemetry=_telemetry(hub),
        waking=hub.waking,
        inbox=InboxStore(hub.database),
        plans=PlanStore(hub.database),
        beside=(
            Bookkeeping(RollupStore(hub.database), DepthStore(hub.database), hub.queue).run,
            make_alarms(hub).run,
        ),
    )


def make_alarms(hub: Hub, **pace: float) -> Alarms:
    """What finds out what people should be told."""
    sharing = BreakerSharing(hub.breakers, hub.queue.redis)

    async def not_closed() -> list[str]:
        # Who holds a breaker need not be told that it is held.
        return [name for name in await sharing.listed() if not hub.breakers.standing(name.partition(" ")[0])]

    return Alarms(
        AlarmStore(hub.database),
        AlertStore(hub.database),
        hub.telling,
        hub.config.alerts.rules,
        depths=DepthStore(hub.database),
        open_breakers=not_closed,
        queue=hub.queue,
        new_id=hub.new_id,
        **pace,
    )


def make_plan_runner(hub: Hub, relay: Relay) -> PlanRunner:
    """What releases the jobs of plans, beside a relay that hands them over."""

    def released(count: int) -> None:
        hub.metrics.plan_item("released", count)
        relay.nudge()

    return PlanRunner(
        PlanTickStore(hub.database, hub.registry.providers),
        hub.breakers,
        clock=hub.clock,
        released=released,
        moved=hub.metrics.plan_item,
        turned=hub.metrics.plan_turned,
    )


async def know_queues(hub: Hub) -> None:
    """Make sure that every queue that a job names exists in the database; waits for one that is away."""
    away = Recurring(structlog.get_logger("hub.start"), "database away", ended="database back")
    while True:
        try:
            await RelayStore(hub.database).know_queues(hub.registry.queues)
        except Unavailable as error:
            away.note(str(error))
            await asyncio.sleep(_AGAIN)
        else:
            away.over()
            return


def _tools(hub: Hub, store: ExecutionStore) -> Tools:
    log = structlog.get_logger("hub.job")

    def log_of(claimed: Claimed) -> Log:
        bound: Log = log.bind(
            job=claimed.name,
            job_id=str(claimed.id),
            attempt=claimed.attempt,
            correlation_id=claimed.correlation_id,
        )
        return bound

    return Tools(
        ledger=Ledger(StepStore(hub.database, store.worker)),
        send=counted(hub.sender.send, hub.metrics, hub.call_statistics.note),
        call_of=hub.config.call,
        failure_of=lambda error, job, step: failure_of(error, job, step, hub.redactor.text),
        log_of=log_of,
        heard=WaitStore(hub.database).heard,
        operations=hub.registry.operations,
        sources=hub.registry.sources,
        new_id=hub.new_id,
    )


def _bounds(pending: PendingConfig) -> Bounds:
    return Bounds(
        pending.limit, pending.bytes, pending.patience.total_seconds(), pending.deadline.total_seconds()
    )


def _telemetry(hub: Hub) -> Telemetry:
    return Telemetry(hub.metrics, partial(_report, hub), verbose=hub.config.log.level == "debug")


def _count_lost(metrics: Metrics, lost: Counter[str]) -> None:
    for queue, count in lost.items():
        metrics.handover_failed(queue, count)


def _report(hub: Hub, error: BaseException, job: Claimed) -> None:
    hub.reporter.report(error, job=job.name, queue=job.queue, correlation_id=job.correlation_id)
