"""A primary that dies under load, and a replica that takes its place: one URL names both."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hub.infra import migrate
from hub.infra.embedded import shared
from tests.machines import clients, replication
from tests.machines.clients import Flood
from tests.machines.figures import tell
from tests.machines.fleet import REGISTRY
from tests.machines.servers import Postgres
from tests.services.deliveries import SETTINGS
from tests.services.engine import engine
from tests.simulators.processes import free_port, running
from tests.simulators.provider import Provider
from tests.until import until

BEFORE, AFTER = 100, 100  # deliveries that must be accepted before the primary dies, and after


@pytest.fixture
def pair(var_dir: Path) -> Iterator[tuple[Postgres, Postgres]]:
    """A primary, and a replica that must have what is committed before the commit is answered."""
    primary = Postgres(var_dir / "primary", port=free_port())
    replica = Postgres(var_dir / "replica", port=free_port(), follows=("127.0.0.1", primary.port))
    with shared(primary.var_dir, [primary]):
        migrate.upgrade(primary.url)
        with shared(replica.var_dir, [replica]):
            asyncio.run(replication.synchronous(primary.url))
            yield primary, replica


async def test_a_replica_takes_over_and_what_was_accepted_is_done_once(
    pair: tuple[Postgres, Postgres], redis_url: str, provider: tuple[Provider, str], unused_tcp_port: int
) -> None:
    """Web and worker go on by themselves; every acknowledged event is there, and its effects are there once."""
    primary, replica = pair
    shop, shop_url = provider
    environ = {
        **SETTINGS,
        "HUB_DATABASE_URL": f"postgresql://hub@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/hub",
        "HUB_REDIS_URL": redis_url,
        "HUB_SHOP_BASE_URL": shop_url,
        "HUB_PORT": str(unused_tcp_port),
    }
    with ExitStack() as stack:
        for role in ("web", "worker"):
            stack.enter_context(running([sys.executable, "-m", "tests.machines", role], env=environ))
        async with clients.session(f"http://127.0.0.1:{unused_tcp_port}") as session:
            await clients.serving(session)
            async with Flood(session) as flood:
                await flood.accepted_more(BEFORE)
                primary.kill()
                died = time.monotonic()
                await replication.promote(replica.url)
                promoted = time.monotonic() - died
                await flood.accepted_more(AFTER)
        async with engine(REGISTRY, replica.url, redis_url, environ=SETTINGS) as hub:
            await until(lambda: clients.settled(hub), within=60)
            done = time.monotonic() - died
            jobs = await hub.sql(
                "SELECT e.external_id, j.state FROM jobs j JOIN events e ON e.id = j.event_id"
            )
            lost = set(flood.accepted) - {row.external_id for row in jobs}
        tell("primary killed", promoted=promoted, refused_for=flood.longest_gap, all_done=done)
    assert not lost
    assert {row.state for row in jobs} == {"succeeded"}
    assert set(shop.effects.values()) == {1}
    assert len(shop.effects) == 2 * len(jobs)
