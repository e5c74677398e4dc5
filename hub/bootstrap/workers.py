"""What a worker does beside serving: parts made over a hub that is built."""

from functools import partial

import structlog

from hub.domain.judgement import failure_of
from hub.domain.specs import Log
from hub.infra.breaker_sharing import BreakerSharing
from hub.infra.store.alarms import AlarmStore
from hub.infra.store.alerts import AlertStore
from hub.infra.store.depths import DepthStore
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.plan_ticks import PlanTickStore
from hub.infra.store.plans import PlanStore
from hub.infra.store.relay import RelayStore
from hub.infra.store.rollup import RollupStore
from hub.infra.store.steps import StepStore
from hub.infra.store.waits import WaitStore
from hub.services.alarms import Alarms
from hub.services.attempt import Tools
from hub.services.execute import Execute
from hub.services.hub import Hub
from hub.services.ledger import Ledger
from hub.services.plan_runner import PlanRunner
from hub.services.relay import Pace as RelayPace
from hub.services.relay import Relay
from hub.services.statistics import Bookkeeping
from hub.services.telemetry import Telemetry, counted


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


def _telemetry(hub: Hub) -> Telemetry:
    return Telemetry(hub.metrics, partial(_report, hub), verbose=hub.config.log.level == "debug")


def _report(hub: Hub, error: BaseException, job: Claimed) -> None:
    hub.reporter.report(error, job=job.name, queue=job.queue, correlation_id=job.correlation_id)
