"""Real worker processes of either release, a provider on a real socket, and a hub to submit jobs to."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.processes.fleet import RELEASES
from tests.services.engine import Engine, engine
from tests.simulators.processes import Child, running
from tests.simulators.provider import Provider, local
from tests.until import until


@pytest.fixture
async def serving() -> AsyncIterator[tuple[Provider, str]]:
    """A provider on the loopback that thinks until it is told to go on, and its URL."""
    async with local() as made:
        made[0].go.clear()
        yield made


@pytest.fixture
def provider(serving: tuple[Provider, str]) -> Provider:
    """The provider alone."""
    return serving[0]


@pytest.fixture
async def hub(database_url: str, redis_url: str) -> AsyncIterator[Engine]:
    """Where the jobs are submitted; it works on nothing itself."""
    async with engine(RELEASES["next"], database_url, redis_url) as built:
        yield built


Hire = Callable[..., Child]


@pytest.fixture
def hire(database_url: str, redis_url: str, serving: tuple[Provider, str]) -> Iterator[Hire]:
    """Start a worker process; all are stopped at the end."""
    environ = {
        "HUB_DATABASE_URL": database_url,
        "HUB_REDIS_URL": redis_url,
        "HUB_SHOP_BASE_URL": serving[1],
        "HUB_WORKER_CONCURRENCY": "10",
        "HUB_WORKER_LEASE": "2",
        "HUB_WORKER_HEARTBEAT": "0.2",
        "HUB_WORKER_SHUTDOWN_GRACE": "5",
    }
    with ExitStack() as stack:
        yield lambda release="former", **more: stack.enter_context(
            running([sys.executable, "-m", "tests.processes", release], env={**environ, **more})
        )


async def registered(hub: Engine, count: int) -> None:
    await until(
        lambda: hub.sql("SELECT 1 FROM workers WHERE pid <> 1 OFFSET :most", most=count - 1), within=60
    )


async def settled(hub: Engine, within: float) -> None:
    async def none_left() -> bool:
        return not await hub.sql("SELECT 1 FROM jobs WHERE settled_at IS NULL LIMIT 1")

    await until(none_left, within=within)
