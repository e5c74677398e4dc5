"""The whole of a hub behind PgBouncer in transaction mode, with fewer connections to PostgreSQL than it uses itself."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.infra import migrate, revisions
from hub.infra.embedded import shared
from hub.services.submit import JobRequest
from tests.machines import bouncer, clients
from tests.machines.clients import Flood
from tests.machines.figures import tell_rates
from tests.machines.fleet import REGISTRY
from tests.machines.servers import Postgres
from tests.services.deliveries import SETTINGS
from tests.services.engine import engine
from tests.simulators.processes import free_port, running
from tests.simulators.provider import Provider
from tests.until import until

pytestmark = pytest.mark.skipif(bouncer.BINARY is None, reason=bouncer.MISSING)

POOLED = {**SETTINGS, "HUB_DATABASE_POOLED": "yes"}
JOBS = 3_000
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Urls:
    """Where one database is reached."""

    direct: str
    pooled: str


@pytest.fixture
def database(var_dir: Path) -> Iterator[Urls]:
    server = Postgres(var_dir, port=free_port())
    with shared(var_dir, [server]):
        migrate.upgrade(server.url)
        with bouncer.pooling(server, server.port, var_dir) as pooled:
            yield Urls(f"postgresql://hub@127.0.0.1:{server.port}/hub", pooled)


async def test_everything_works_behind_a_pooler(
    database: Urls, redis_url: str, provider: tuple[Provider, str], unused_tcp_port: int
) -> None:
    """Webhooks, jobs, effects, keys and lists, from three processes over three connections to PostgreSQL."""
    shop, shop_url = provider
    environ = {
        **POOLED,
        "HUB_DATABASE_URL": database.pooled,
        "HUB_REDIS_URL": redis_url,
        "HUB_SHOP_BASE_URL": shop_url,
        "HUB_PORT": str(unused_tcp_port),
    }
    assert await revisions.current(database.pooled) == revisions.newest()
    with ExitStack() as stack:
        for role in ("web", "worker"):
            stack.enter_context(running([sys.executable, "-m", "tests.machines", role], env=environ))
        async with (
            engine(REGISTRY, database.pooled, redis_url, environ=POOLED) as hub,
            clients.session(f"http://127.0.0.1:{unused_tcp_port}") as session,
        ):
            key = await hub.hub.keys.create("shop", ["jobs:write", "jobs:read"], actor="tests")
            await clients.serving(session)
            async with Flood(session) as flood:
                await flood.accepted_more(200)
            headers = {"Authorization": f"Bearer {key.token}", "Idempotency-Key": "once"}
            answers = []
            for _ in range(2):
                async with session.post(
                    "/v1/jobs", json={"job": "fleet.count", "args": {}}, headers=headers
                ) as answer:
                    answers.append((answer.status, (await answer.json())["id"]))
            await until(lambda: clients.settled(hub), within=60)
            async with session.get("/v1/jobs", headers=headers) as answer:
                listed = await answer.json()
            rows = await hub.sql("SELECT state, count(*) FROM jobs GROUP BY state")
    assert [status for status, _ in answers] == [201, 200]
    assert {job["id"] for job in listed["items"]} == {made for _, made in answers}
    assert [tuple(row) for row in rows] == [("succeeded", len(flood.accepted) + 1)]
    assert len(shop.effects) == 2 * len(flood.accepted)
    assert set(shop.effects.values()) == {1}
    assert flood.statuses == set()


async def test_connecting_over_and_over_meets_no_foreign_statement(database: Urls) -> None:
    """What a connection asks when it is made is not answered by a server that another client has used in between."""

    async def come_and_go() -> None:
        for _ in range(5):
            assert await revisions.current(database.pooled) == revisions.newest()

    await asyncio.gather(*[come_and_go() for _ in range(4 * bouncer.SERVERS)])


@pytest.mark.long
async def test_a_pooler_does_not_cost_most_of_the_speed(database: Urls, redis_url: str) -> None:
    """Submitting and running, direct and pooled in turns, the best of each."""
    direct, pooled = [], []
    for _ in range(4):
        direct.append(await _rate(database.direct, redis_url, SETTINGS))
        pooled.append(await _rate(database.pooled, redis_url, POOLED))
    tell_rates("submitted and run", direct=max(direct), pooled=max(pooled), ratio=max(pooled) / max(direct))
    assert max(pooled) > max(direct) / 3


async def _rate(url: str, redis_url: str, environ: dict[str, str]) -> float:
    """Jobs submitted and run a second."""
    async with engine(REGISTRY, url, redis_url, environ=environ) as hub:

        async def client() -> None:
            for _ in range(JOBS // AT_ONCE):
                await hub.hub.submit.submit(hub.principal, JobRequest("fleet.count", {}, "test"))

        began = time.monotonic()
        await asyncio.gather(*[client() for _ in range(AT_ONCE)])
        done = 0
        while done < JOBS:
            done += await hub.work()
        return JOBS / (time.monotonic() - began)
