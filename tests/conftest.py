"""What every test may ask for: a PostgreSQL database and a Redis of its own.

One PostgreSQL serves the whole run; each test that asks gets a database cloned from a migrated template.
Each worker of pytest-xdist has a Redis, flushed before each test that asks for it.
For a free TCP port there is pytest-asyncio's `unused_tcp_port` and `unused_tcp_port_factory`.
"""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import structlog
from redis import Redis
from sqlalchemy import make_url

from hub.infra import migrate
from hub.infra.embedded import shared
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.process import locked
from hub.infra.embedded.redis import RedisServer
from tests import caretaker

TEMPLATE = "template_hub"
# Nothing in a test run has to survive the loss of power.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
}
MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private directory in it
ENOUGH = 2 * 1024**3  # bytes

RUN_DIR = pytest.StashKey[Path]()
_PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def pytest_configure(config: pytest.Config) -> None:
    """Every process of the run is present in its directory, so that the caretaker knows when the last has gone."""
    leaving = ExitStack()
    config.add_cleanup(leaving.close)
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    run_dir = Path(
        worker["run_dir"] if worker else tempfile.mkdtemp(prefix="hub-tests-", dir=_fast_directory())
    )
    present = leaving.enter_context(ExitStack())
    present.enter_context(locked(caretaker.lock_of(run_dir), fcntl.LOCK_SH))
    if worker is None:
        leaving.callback(caretaker.engage(run_dir).wait)
        leaving.callback(present.close)
    config.stash[RUN_DIR] = run_dir


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the run lives."""
    node.workerinput["run_dir"] = str(node.config.stash[RUN_DIR])


@pytest.fixture(autouse=True)
def unconfigured_logs() -> Iterator[None]:
    """A command that a test called in this process has set up logging, on a stream that ends with the test.

    Tracebacks are written plainly: with colours and everybody's variables, one takes longer than most tests.
    """
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def run_dir(pytestconfig: pytest.Config) -> Path:
    """A directory that goes away with the run, and with it every embedded server whose data is there."""
    return pytestconfig.stash[RUN_DIR]


@pytest.fixture
def var_dir(run_dir: Path) -> Iterator[Path]:
    """A directory for embedded servers of a test's own, which it may stop and kill."""
    directory = Path(tempfile.mkdtemp(prefix="var-", dir=run_dir))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def template_url(run_dir: Path) -> Iterator[str]:
    """The run's PostgreSQL, with a migrated database for others to be cloned from."""
    directory = run_dir / "shared"
    server = PostgresServer(directory, SETTINGS)
    with shared(directory, [server]):
        with locked(run_dir / "template.lock"):
            if not _execute(server.url, "SELECT 1 FROM pg_database WHERE datname = $1", TEMPLATE):
                _make_template(server.url)
        yield server.url


@pytest.fixture
def database_url(template_url: str) -> Iterator[str]:
    """A migrated, empty database that is this test's alone."""
    name = f"test_{uuid4().hex}"
    _execute(template_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield _named(template_url, name)
    _execute(template_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def redis_server_url(run_dir: Path, worker_id: str) -> Iterator[str]:
    """The Redis of this worker."""
    directory = run_dir / worker_id
    server = RedisServer(directory)
    with shared(directory, [server]):
        yield server.url


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """An empty Redis that is this test's alone."""
    with Redis.from_url(redis_server_url) as client:
        client.flushall()
    return redis_server_url


def _fast_directory() -> Path | None:
    """Cloning a database takes 7 ms in memory and 70 ms on a disk."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH else None


def _make_template(url: str) -> None:
    """Under another name until it is whole."""
    _execute(url, "DROP DATABASE IF EXISTS unfinished")
    _execute(url, "CREATE DATABASE unfinished")
    migrate.upgrade(_named(url, "unfinished"))
    _execute(url, f"ALTER DATABASE unfinished RENAME TO {TEMPLATE}")


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string()


def _execute(url: str, statement: str, *arguments: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())
