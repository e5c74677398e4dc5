"""A whole hub, put together and taken apart again."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from hub.bootstrap.people import people_of
from hub.bootstrap.surroundings import Surroundings
from hub.config import Config
from hub.config.web import PendingConfig
from hub.domain.redaction import Redactor
from hub.infra.batch import Bounds
from hub.infra.breaker_sharing import BreakerSharing
from hub.infra.breakers import Breakers
from hub.infra.metrics import Metrics
from hub.infra.queue import ReadyQueue
from hub.infra.sender import Sender
from hub.infra.sentry import reporter
from hub.infra.store.alerts import AlertStore
from hub.infra.store.database import Database
from hub.infra.store.depths import DepthStore
from hub.infra.store.edits import EditStore
from hub.infra.store.finding import FindingStore
from hub.infra.store.fleet import FleetStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.intake import IntakeStore
from hub.infra.store.keys import KeyStore
from hub.infra.store.operations import OperationsStore
from hub.infra.store.overrides import OverrideStore
from hub.infra.store.reading import ReadingStore
from hub.infra.store.rollup import RollupStore
from hub.infra.store.statistics import StatisticsStore
from hub.infra.store.timeline import TimelineStore
from hub.infra.store.views import ViewStore
from hub.infra.store.vocabulary import VocabularyStore
from hub.infra.store.waits import WaitStore
from hub.infra.store.why import WhyStore
from hub.registry import Registry
from hub.services.alerts import Alerts, Telling, channels_of
from hub.services.call_statistics import CallStatistics
from hub.services.companions import Companions
from hub.services.edits import Edits
from hub.services.finding import Find
from hub.services.fleet import Fleet
from hub.services.gauges import Gauges
from hub.services.handover import Handover
from hub.services.hub import Hub
from hub.services.inbox import Inbox
from hub.services.inspect import Inspect
from hub.services.intake import Intake
from hub.services.keys import Keys
from hub.services.operate import Operate
from hub.services.overrides import Overrides
from hub.services.plans import plans_over
from hub.services.saved_views import SavedViews
from hub.services.statistics import Statistics
from hub.services.submit import Submit
from hub.services.suggest import Suggest
from hub.services.telemetry import tell_changes
from hub.services.timeline import Timeline
from hub.services.waking import Waking
from hub.services.why import Why


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
        people = await people_of(stack, config, database, around)
        inspect = Inspect(ReadingStore(database), Find(FindingStore(database)), registry)
        override_store = OverrideStore(database)
        overrides = Overrides(override_store, breakers)
        rollup = RollupStore(database)
        statistics = Statistics(StatisticsStore(database), rollup, clock=around.clock)
        call_statistics = CallStatistics(rollup, process=around.new_id())
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
            keys=Keys(KeyStore(database), new_id=around.new_id, new_secret=around.new_secret, bounds=bounds),
            inbox=Inbox(InboxStore(database), new_id=around.new_id),
            operators=people.operators,
            logins=people.logins,
            single_sign_on=people.single_sign_on,
            audit=people.audit,
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


async def _closed_in(breakers: Breakers, provider: str) -> timedelta | None:
    return breakers.closed_in(provider)


def _bounds(pending: PendingConfig) -> Bounds:
    return Bounds(
        pending.limit, pending.bytes, pending.patience.total_seconds(), pending.deadline.total_seconds()
    )


def _count_lost(metrics: Metrics, lost: Counter[str]) -> None:
    for queue, count in lost.items():
        metrics.handover_failed(queue, count)
