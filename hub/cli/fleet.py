"""`hub providers` and `hub workers`: what the hub depends on, and what works for it."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
import uuid_utils.compat as uuids
import uvloop
from redis.exceptions import RedisError

from hub.domain.access import Principal
from hub.domain.overrides import Forced
from hub.domain.wording import counted
from hub.infra.breaker_sharing import BreakerSharing
from hub.infra.breakers import Breakers
from hub.infra.queue import ReadyQueue
from hub.infra.sender import Sender
from hub.infra.store.database import Database
from hub.infra.store.fleet import FleetStore
from hub.infra.store.overrides import OverrideStore
from hub.infra.store.rollup import RollupStore
from hub.infra.store.statistics import StatisticsStore
from hub.services.fleet import Fleet
from hub.services.fleet_views import OverrideView, ProbeView, ProviderView, WorkerView
from hub.services.overrides import Overrides
from hub.services.statistics import Statistics
from hub.services.statistics_views import CallsSummary

from .commands import Group
from .desk import operator
from .errors import Exit
from .options import Ahead
from .options import as_json as json_option
from .options import reason as reason_option
from .output import age, moment, print_fields, print_json, print_line, print_table
from .session import Session, session

T = TypeVar("T")
_reason = click.option(
    "--reason", metavar="TEXT", required=True, help="Why; shown with every job that waits for it."
)
_until = click.option(
    "--until", type=Ahead(), metavar="TIME", help="When it ends by itself: a time, or 30m, 2h, 1d."
)


def at_fleet(work: Callable[[Fleet, Principal], Awaitable[T]]) -> T:
    """Do something about providers and workers as the operator of this machine."""
    with session() as opened:
        return uvloop.run(_at_fleet(opened, work))


async def _at_fleet(opened: Session, work: Callable[[Fleet, Principal], Awaitable[T]]) -> T:
    database = Database(opened.database_url, size=2, pooled=opened.config.database_pooled)
    queue, breakers = ReadyQueue(opened.redis_url, connections=1), Breakers()
    store = OverrideStore(database)
    overrides = Overrides(store, breakers)
    try:
        async with Sender(breakers) as sender:
            # What the fleet has found out; without Redis nobody can tell.
            with contextlib.suppress(RedisError, OSError):
                await BreakerSharing(breakers, queue.redis).exchange()
            await overrides.learn()
            fleet = Fleet(
                FleetStore(database),
                store,
                overrides.learn,
                Statistics(StatisticsStore(database), RollupStore(database), clock=_now),
                opened.registry,
                breakers,
                send=sender.probe,
                call_of=opened.config.call,
                clock=_now,
                new_id=uuids.uuid7,
            )
            return await work(fleet, operator())
    finally:
        await queue.close()
        await database.close()


def _now() -> datetime:
    return datetime.now(UTC)


@click.group(cls=Group)
def providers() -> None:
    """Third parties: how they are, and whether they are called."""


@providers.command("list")
@json_option
def list_providers(*, as_json: bool) -> None:
    """Every provider with its breaker and what waits for it."""
    known = at_fleet(lambda fleet, _: fleet.providers())
    if as_json:
        print_json({"items": known})
        return
    print_table(
        ("PROVIDER", "BREAKER", "PARKED", "CALLS/H", "FAILED", "P95", "WHY"),
        [_row(provider) for provider in known],
        empty="There are no providers: each is a file in integrations/.",
    )


@providers.command()
@click.argument("name")
@json_option
def show(*, name: str, as_json: bool) -> None:
    """One provider with all that is known of it."""
    found = at_fleet(lambda fleet, _: fleet.provider(name))
    if as_json:
        print_json(found)
        return
    print_fields(_fields(found))


@providers.command("open")
@click.argument("name")
@_reason
@_until
@json_option
def hold_open(*, name: str, reason: str, until: datetime | None, as_json: bool) -> None:
    """Send a provider nothing, from any process, until you say otherwise; jobs wait, at no cost to their retries."""
    _force(name, Forced.OPEN, reason, until, as_json=as_json)


@providers.command("close")
@click.argument("name")
@_reason
@_until
@json_option
def hold_closed(*, name: str, reason: str, until: datetime | None, as_json: bool) -> None:
    """Send a provider everything, however often it fails."""
    _force(name, Forced.CLOSED, reason, until, as_json=as_json)


@providers.command()
@click.argument("name")
@reason_option
@json_option
def auto(*, name: str, reason: str | None, as_json: bool) -> None:
    """Leave a provider's breaker to itself again."""
    view = at_fleet(lambda fleet, principal: fleet.give_back(principal, name, reason=reason))
    if as_json:
        print_json(view)
    else:
        print_line(f"The breaker of {name} decides for itself.")


@providers.command()
@click.argument("name")
@json_option
@click.pass_context
def probe(context: click.Context, *, name: str, as_json: bool) -> None:
    """Send one harmless request to a provider, and tell what came of it; 1 if it did not answer well."""
    probed = at_fleet(lambda fleet, principal: fleet.probe(principal, name))
    if as_json:
        print_json(probed)
    else:
        print_line(_told(probed))
    if not probed.ok:
        context.exit(Exit.REFUSED)


@click.group(cls=Group)
def workers() -> None:
    """The processes that run jobs."""


@workers.command("list")
@json_option
def list_workers(*, as_json: bool) -> None:
    """Every worker that has not stopped."""
    known = at_fleet(lambda fleet, _: fleet.workers())
    if as_json:
        print_json({"items": known})
        return
    print_table(
        ("WORKER", "STATE", "RUNNING", "RELEASE", "UP", "HOST", "QUEUES"),
        [_worker_row(worker) for worker in known],
        empty="No worker runs: start one with `hub worker`.",
    )


def _force(name: str, state: Forced, reason: str, until: datetime | None, *, as_json: bool) -> None:
    view = at_fleet(lambda fleet, principal: fleet.force(principal, name, state, reason=reason, until=until))
    if as_json:
        print_json(view)
        return
    ends = f"until {until:%Y-%m-%d %H:%M}Z" if until else f"until `hub providers auto {name}`"
    what = "nothing is sent to it" if state is Forced.OPEN else "it is called, however often it fails"
    print_line(f"The breaker of {name} is held {state}: {what}, {ends}.")


def _row(provider: ProviderView) -> Sequence[object]:
    more = "+" if provider.parked_bounded else ""
    return (
        provider.name,
        _state(provider),
        f"{provider.parked_jobs}{more}",
        *_lately(provider.last_hour),
        _held(provider.forced) if provider.forced else None,
    )


def _held(forced: OverrideView) -> str:
    ends = f"until {moment(forced.until)}" if forced.until else "no end set"
    return f"{forced.by}: {forced.reason}; {ends}"


def _lately(summary: CallsSummary | None) -> Sequence[object]:
    if summary is None:
        return (0, None, None)
    rate = None if summary.error_rate is None else f"{summary.error_rate:.1%}"
    return (summary.calls, rate, f"{summary.seconds.p95 * 1000:.0f} ms" if summary.seconds else None)


def _state(provider: ProviderView) -> str:
    if provider.forced:
        return f"held {provider.forced.state}"
    states = {breaker.state for breaker in provider.breakers}
    return next((state for state in ("open", "half_open") if state in states), "closed")


def _fields(provider: ProviderView) -> Sequence[tuple[str, object]]:
    forced = provider.forced
    return (
        ("name", provider.name),
        ("base URL", provider.base_url),
        ("breaker", _state(provider)),
        ("held by", forced and forced.by),
        ("because", forced and forced.reason),
        ("since", forced and forced.since),
        ("until", forced and (forced.until or f"hub providers auto {provider.name}")),
        ("not called", [breaker.target for breaker in provider.breakers if breaker.state == "open"]),
        ("parked jobs", f"{provider.parked_jobs}{'+' if provider.parked_bounded else ''}"),
        ("next tries at", provider.next_parked_at),
        ("last hour", _hour(provider.last_hour)),
        ("per second", provider.per_second),
        ("at once", provider.concurrent),
        ("timeout", f"{provider.timeout_seconds:g} s"),
        ("probe", provider.probe or f"none: {provider.no_probe}"),
    )


def _hour(summary: CallsSummary | None) -> str:
    if summary is None:
        return "not called"
    took = summary.seconds
    times = f"; p50 {took.p50:.3f} s, p95 {took.p95:.3f} s, p99 {took.p99:.3f} s" if took else ""
    return (
        f"{counted(summary.calls, 'call')}, {summary.failed} failed, {summary.refused} refused,"
        f" {summary.skipped} not sent{times}"
    )


def _told(probed: ProbeView) -> str:
    if probed.ok:
        return f"{probed.operation}: well, in {probed.milliseconds:.0f} ms"
    status = f" ({probed.status})" if probed.status else ""
    return f"{probed.operation}: {probed.code}{status} after {probed.milliseconds:.0f} ms: {probed.message}"


def _worker_row(worker: WorkerView) -> Sequence[object]:
    return (
        worker.id,
        "alive" if worker.alive else "silent",
        f"{worker.running} of {worker.concurrency}",
        worker.release,
        age(worker.started_at),
        f"{worker.host} ({worker.pid})",
        worker.queues,
    )
