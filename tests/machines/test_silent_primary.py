"""A primary that is cut off and does not know it, while its replica is promoted: the worst kind of failover."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.infra import migrate
from hub.infra.embedded import shared
from tests.machines import clients, namespaces, replication
from tests.machines.clients import Flood, deliver
from tests.machines.figures import tell
from tests.machines.fleet import REGISTRY
from tests.machines.namespaces import Machine, Network
from tests.machines.servers import Postgres, Redis
from tests.services.deliveries import SETTINGS
from tests.services.engine import engine
from tests.simulators import provider
from tests.simulators.processes import running
from tests.simulators.provider import Provider
from tests.until import until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not())),
]

BACK_WITHIN = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Site:
    """Two database machines and one for all the rest."""

    first: Machine
    second: Machine
    rest: Machine
    primary: Postgres
    replica: Postgres
    redis: Redis


@pytest.fixture
def site(var_dir: Path) -> Iterator[Site]:
    with namespaces.network() as network, ExitStack() as stack:
        yield _built(network, stack, var_dir)


def _built(network: Network, stack: ExitStack, var_dir: Path) -> Site:
    first, second, rest = network.add(), network.add(), network.add()
    primary = Postgres(var_dir / "primary")
    replica = Postgres(var_dir / "replica", follows=(first.address, primary.port))
    redis = Redis(var_dir / "redis")
    for machine, server in ((first, primary), (second, replica), (rest, redis)):
        with machine.inside():
            stack.enter_context(shared(server.var_dir, [server]))
    migrate.upgrade(primary.url)
    asyncio.run(replication.synchronous(primary.url))
    return Site(first, second, rest, primary, replica, redis)


@asynccontextmanager
async def working(site: Site) -> AsyncIterator[tuple[Provider, clients.Session]]:
    """A web process, a worker, the provider they call and the client that they serve, on one machine."""
    shop = site.rest.socket()
    shop.bind((site.rest.address, 8000))
    environ = {
        **SETTINGS,
        "HUB_DATABASE_URL": f"postgresql://hub@{site.first.address},{site.second.address}/hub",
        "HUB_REDIS_URL": f"redis://{site.rest.address}",
        "HUB_SHOP_BASE_URL": f"http://{site.rest.address}:8000",
        "HUB_HOST": site.rest.address,
    }
    with ExitStack() as stack:
        for role in ("web", "worker"):
            with site.rest.inside():
                stack.enter_context(running([sys.executable, "-m", "tests.machines", role], env=environ))
        async with (
            provider.serving(shop) as serving,
            clients.session(f"http://{site.rest.address}:8080", site.rest.opened) as session,
        ):
            await clients.serving(session)
            yield serving, session


async def test_a_primary_that_is_cut_off_is_left_for_the_replica(site: Site) -> None:
    """All that was accepted is with the new primary and done once; the old one, back and unaware, is given nothing more."""
    async with working(site) as (shop, session):
        async with Flood(session) as flood:
            await flood.accepted_more(100)
            site.first.cut_off()
            await replication.promote(site.replica.url)
            await flood.accepted_more(100, within=BACK_WITHIN)
            site.first.rejoin()
            await flood.accepted_more(100)
        async with engine(REGISTRY, site.replica.url, site.redis.url, environ=SETTINGS) as hub:
            await until(lambda: clients.settled(hub), within=BACK_WITHIN)
            jobs = await hub.sql(
                "SELECT e.external_id, j.state FROM jobs j JOIN events e ON e.id = j.event_id"
            )
    tell("primary cut off", refused_for=flood.longest_gap)
    assert {row.external_id for row in jobs} >= set(flood.accepted)
    assert {row.state for row in jobs} == {"succeeded"}
    assert set(shop.effects.values()) == {1}


async def test_what_the_replica_does_not_have_is_not_acknowledged(site: Site) -> None:
    """With the replica cut off nothing is accepted, however long the primary waits for it; afterwards all is as before."""
    async with working(site) as (_, session):
        assert (await deliver(session, "before"))[0] == 200
        site.second.cut_off()
        began = time.monotonic()
        status, seconds = await deliver(session, "meanwhile")
        tell("replica cut off", refused_after=seconds)
        assert status == 503
        site.second.rejoin()
        await until(lambda: _accepted(session), within=BACK_WITHIN)
        tell("replica back", all_in_all=time.monotonic() - began)


async def _accepted(session: clients.Session) -> bool:
    return (await deliver(session, "after"))[0] == 200
