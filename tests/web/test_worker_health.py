"""A worker's own address: what it has counted, whether it lives, whether it can work; and nothing else."""

import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import aiohttp
import pytest

from hub.cli.errors import Exit
from hub.config import load
from hub.domain.errors import ConfigurationError
from hub.web import worker_health
from tests.simulators.processes import running
from tests.web.conftest import built_at, hub_at

WORKER = [sys.executable, "-m", "hub", "worker"]


async def test_without_a_port_nothing_is_served(database_url: str, redis_url: str) -> None:
    """That is the default."""
    async with hub_at(database_url, redis_url) as hub, worker_health.serving(hub) as address:
        assert address is None


async def test_it_answers_what_an_orchestrator_and_prometheus_ask(database_url: str, redis_url: str) -> None:
    """And has no other page; a key is neither needed nor looked at."""
    async with (
        hub_at(database_url, redis_url, HUB_WORKER_METRICS_PORT="0") as hub,
        worker_health.serving(hub) as address,
        aiohttp.ClientSession() as session,
    ):
        assert address is not None

        async def get(path: str) -> tuple[int, str, str]:
            async with session.get(f"http://{address[0]}:{address[1]}{path}") as answer:
                return answer.status, answer.headers["Content-Type"], await answer.text()

        assert await get("/livez") == (200, "application/json", '{"status":"ok"}')
        status, _, text = await get("/readyz")
        assert (status, '"status":"ok"' in text) == (200, True)
        status, kind, text = await get("/metrics")
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert 'hub_queue_depth{queue="payments"} 0.0' in text
        assert 'hub_store_up{store="postgresql"} 1.0' in text
        assert (await get("/v1/jobs"))[0] == 404


async def test_without_a_database_it_still_counts(redis_url: str) -> None:
    """A scrape in the middle of an outage is worth the most; `readyz` says that it cannot work."""
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    async with (
        built_at(nowhere, redis_url, HUB_WORKER_METRICS_PORT="0") as hub,
        worker_health.serving(hub) as address,
        aiohttp.ClientSession(f"http://{address[0]}:{address[1]}" if address else "") as session,
    ):
        async with session.get("/metrics") as answer:
            assert 'hub_store_up{store="postgresql"} 0.0' in await answer.text()
        async with session.get("/readyz") as answer:
            assert answer.status == 503
        async with session.get("/livez") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("port", ["-1", "65536", "none", "8 0"])
def test_a_port_that_is_none_stops_the_start(port: str) -> None:
    """Saying what one is."""
    with pytest.raises(ConfigurationError, match="must be a whole number from 0 to 65,535"):
        load({"HUB_WORKER_METRICS_PORT": port}, sources={}, providers={})


def test_a_worker_serves_while_it_works(environ: dict[str, str]) -> None:
    """From its own loop; and the address is gone with it."""
    with running(WORKER, env={**environ, "HUB_WORKER_METRICS_PORT": "0"}) as worker:
        port = worker.wait_for_line(r'"port":(\d+).*"event":"serving metrics"')[1]
        worker.wait_for_line(r'"event":"worker started"')
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"hub_info{" in answer.read()
        worker.signal(signal.SIGTERM)
        assert worker.wait() == Exit.OK


def test_a_port_that_is_taken_stops_the_start(environ: dict[str, str], taken: int) -> None:
    """And names the setting."""
    with running(WORKER, env={**environ, "HUB_WORKER_METRICS_PORT": str(taken)}) as worker:
        assert worker.wait() == Exit.UNAVAILABLE
        assert "HUB_WORKER_METRICS_PORT" in worker.output()


@pytest.fixture
def environ(database_url: str, redis_url: str) -> dict[str, str]:
    """What the process is configured with."""
    return {"HUB_DATABASE_URL": database_url, "HUB_REDIS_URL": redis_url, "HUB_LOG_FORMAT": "json"}


@pytest.fixture
def taken() -> Iterator[Any]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
