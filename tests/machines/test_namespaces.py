"""Web, workers, stores and a provider on machines of their own, and what happens when the network between them breaks.

A machine is cut off the hard way: packets vanish, no connection is closed, nobody is told.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from hub.infra import migrate
from hub.infra.embedded import shared
from tests.machines import clients, namespaces
from tests.machines.clients import deliver, serving
from tests.machines.figures import tell
from tests.machines.fleet import REGISTRY
from tests.machines.namespaces import Machine, Network
from tests.machines.servers import Postgres, Redis
from tests.services.deliveries import SETTINGS
from tests.services.engine import Engine, engine
from tests.simulators import provider
from tests.simulators.processes import Child, running
from tests.simulators.provider import Provider
from tests.until import until

pytestmark = pytest.mark.skipif(namespaces.why_not() is not None, reason=str(namespaces.why_not()))

TAKEN_OVER_WITHIN = 10.0  # seconds from the cut to the end of the jobs elsewhere
REFUSED_WITHIN = 10.0  # seconds for a 503: as long as GitHub waits for an answer
BACK_WITHIN = 30.0  # seconds from the end of the cut until all is as before


_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Stand:
    """Machines with their processes.

    Attributes:
        hub: looks at the stores, past the network.
        provider: what the jobs call.
    """

    network: Network
    stores: Machine
    hub: Engine
    provider: Provider
    environ: dict[str, str]
    stack: ExitStack

    def hire(self, lease: float) -> tuple[Machine, Child]:
        """A worker on a machine of its own."""
        machine = self.network.add()
        pace = {"HUB_WORKER_LEASE": f"{lease}", "HUB_WORKER_HEARTBEAT": f"{lease / 4}"}
        return machine, self.start(machine, "worker", pace)

    def start(self, machine: Machine, role: str, more: Mapping[str, str] = _NOTHING) -> Child:
        """One process more."""
        environ = {**self.environ, **more, "HUB_HOST": machine.address}
        with machine.inside():
            return self.stack.enter_context(
                running([sys.executable, "-m", "tests.machines", role], env=environ)
            )

    async def at_work(self, count: int) -> None:
        """Wait for so many workers."""
        await until(
            lambda: self.hub.sql("SELECT 1 FROM workers WHERE pid <> 1 OFFSET :n", n=count - 1),
            within=clients.STARTED_WITHIN,
        )

    async def done(self, count: int, within: float) -> float:
        """Wait until so many jobs have succeeded; gives the seconds it took."""
        began = time.monotonic()

        async def enough() -> bool:
            [[found]] = await self.hub.sql("SELECT count(*) FROM jobs WHERE state = 'succeeded'")
            return bool(found == count)

        await until(enough, within=within)
        return time.monotonic() - began


@pytest.fixture
def machines() -> Iterator[Network]:
    with namespaces.network() as network:
        yield network


@pytest.fixture
def stores(machines: Network, var_dir: Path) -> Iterator[tuple[Machine, str, str]]:
    """A machine with both stores, and where they are reached on it."""
    machine = machines.add()
    postgres, redis = Postgres(var_dir), Redis(var_dir)
    with ExitStack() as stack:
        with machine.inside():
            stack.enter_context(shared(var_dir, [postgres, redis]))
        migrate.upgrade(postgres.url)
        yield machine, postgres.url, redis.url


@pytest.fixture
async def stand(machines: Network, stores: tuple[Machine, str, str]) -> AsyncIterator[Stand]:
    store, database_url, redis_url = stores
    shop = machines.add().socket()
    shop.bind((f"{namespaces.NETWORK}.2", 8000))
    environ = {
        **SETTINGS,
        "HUB_DATABASE_URL": f"postgresql://hub@{store.address}/hub",
        "HUB_REDIS_URL": f"redis://{store.address}",
        "HUB_SHOP_BASE_URL": f"http://{namespaces.NETWORK}.2:8000",
        "HUB_WORKER_CONCURRENCY": "10",
        "HUB_WORKER_SHUTDOWN_GRACE": "2",
    }
    async with (
        engine(REGISTRY, database_url, redis_url, environ=SETTINGS) as hub,
        provider.serving(shop) as serving,
    ):
        with ExitStack() as stack:
            yield Stand(machines, store, hub, serving, environ, stack)


def client(machine: Machine) -> AbstractAsyncContextManager[clients.Session]:
    """A client on a machine, of the web process there."""
    return clients.session(f"http://{machine.address}:8080", machine.opened)


async def accepted(session: clients.Session, name: str) -> bool:
    status, _ = await deliver(session, name)
    return status == 200


async def test_a_web_process_without_its_database_refuses_soon_and_comes_back(stand: Stand) -> None:
    """Cut off with connections open: requests under way, new ones and health checks are all answered, none waits for TCP."""
    machine = stand.network.add()
    stand.start(machine, "web")
    async with client(machine) as session:
        await serving(session)
        statuses, _ = zip(*[await deliver(session, f"before {number}") for number in range(5)], strict=True)
        assert set(statuses) == {200}
        machine.cut_off()
        lost = [asyncio.create_task(deliver(session, f"during {number}")) for number in range(5)]
        slowest = 0.0
        while not all(task.done() for task in lost):
            status, seconds = await deliver(session, f"during {uuid4()}")
            assert status == 503
            slowest = max(slowest, seconds)
        for status, seconds in await asyncio.gather(*lost):
            assert status == 503
            slowest = max(slowest, seconds)
        assert slowest < REFUSED_WITHIN
        async with session.get("/livez") as alive, session.get("/readyz") as ready:
            assert (alive.status, ready.status) == (200, 503)
        machine.rejoin()
        back = time.monotonic()
        await until(lambda: accepted(session, "after"), within=BACK_WITHIN)
        tell("web cut off", slowest_503=slowest, back_after=time.monotonic() - back)
    # What was refused was not kept by halves; what was accepted is there.
    rows = await stand.hub.sql("SELECT external_id FROM events ORDER BY external_id")
    assert {row.external_id for row in rows} >= {"after", *(f"before {number}" for number in range(5))}


@pytest.mark.parametrize("lease", [4.0, pytest.param(8.0, marks=pytest.mark.long, id="the default")])
async def test_jobs_of_a_worker_that_is_cut_off_are_done_elsewhere_once(stand: Stand, lease: float) -> None:
    """It keeps thinking that it runs them; when it rejoins it settles none, repeats none, and takes new work."""
    front = stand.network.add()
    stand.start(front, "web")
    (machine, victim), (_, heir) = stand.hire(lease), stand.hire(lease)
    async with client(front) as session:
        await serving(session)
        await stand.at_work(2)
        [[lost]] = await stand.hub.sql("SELECT id FROM workers WHERE pid = :pid", pid=victim.pid)
        stand.provider.go.clear()
        for number in range(30):
            assert (await deliver(session, f"{number}"))[0] == 200
        await until(lambda: stand.provider.waiting == 20, within=clients.STARTED_WITHIN)
    machine.cut_off()
    stand.provider.go.set()
    taken_over = await stand.done(30, within=TAKEN_OVER_WITHIN)
    machine.rejoin()
    heir.stop()
    back = time.monotonic()
    for _ in range(10):
        await stand.hub.submit("fleet.count")
    await stand.done(40, within=BACK_WITHIN)
    tell("worker cut off", taken_over=taken_over, back_after=time.monotonic() - back)
    assert len(stand.provider.effects) == 60
    assert set(stand.provider.effects.values()) == {1}
    outcomes = await stand.hub.sql(
        "SELECT j.name, a.outcome, count(*) FROM attempts a JOIN jobs j ON j.id = a.job_id"
        " WHERE a.worker_id = :lost GROUP BY 1, 2 ORDER BY 1",
        lost=lost,
    )
    assert [tuple(row) for row in outcomes] == [
        ("fleet.count", "succeeded", 10),
        ("fleet.ship", "interrupted", 10),
    ]
    assert victim.returncode is None
