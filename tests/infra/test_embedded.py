"""The embedded servers, really started: shared, found again, mended, and gone when the last user has gone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import psutil
import pytest
from redis import Redis

from hub.infra.embedded import EmbeddedServerError, EmbeddedServers, embedded, stop
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sockets import LIMIT, socket_directory

HASTE: Mapping[str, str] = MappingProxyType({"fsync": "off", "shared_buffers": "16MB"})

USER = """
import sys
from pathlib import Path
from hub.infra.embedded import embedded

with embedded(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"}) as servers:
    print("in", flush=True)
    sys.stdin.read()
"""


def start_user(var_dir: Path) -> subprocess.Popen[str]:
    """A process that uses the servers until its input ends."""
    return subprocess.Popen(  # noqa: S603 - this very program
        [sys.executable, "-c", USER, str(var_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_until_in(user: subprocess.Popen[str]) -> None:
    assert user.stdout is not None
    assert user.stdout.readline() == "in\n"


@contextmanager
def user_of(var_dir: Path) -> Iterator[subprocess.Popen[str]]:
    with start_user(var_dir) as user:
        yield user


def query(servers: EmbeddedServers, statement: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(servers.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster(var_dir: Path) -> int:
    return int((var_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def running(var_dir: Path) -> list[bool]:
    return [server.running() for server in (PostgresServer(var_dir, {}), RedisServer(var_dir))]


def processes_in(var_dir: Path) -> list[int]:
    """Every live process that works in that directory, as each server does in that of its data."""
    everywhere = psutil.process_iter(["pid", "cwd"])
    return [each.info["pid"] for each in everywhere if str(each.info["cwd"]).startswith(str(var_dir))]


def test_data_is_kept_across_a_restart(var_dir: Path) -> None:
    """What was committed is there after the last user has gone and another has come."""
    with embedded(var_dir, HASTE) as servers:
        query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
        with Redis.from_url(servers.redis_url) as redis:
            assert redis.ping()
    assert running(var_dir) == [False, False]

    with embedded(var_dir, HASTE) as servers:
        assert query(servers, "SELECT answer FROM kept") == 42


def test_processes_share_the_servers_and_the_last_one_stops_them(var_dir: Path) -> None:
    """Two that start at once start one server; it stays for whoever is left, and no longer."""
    with user_of(var_dir) as one, user_of(var_dir) as other:
        wait_until_in(one)
        wait_until_in(other)
        server = postmaster(var_dir)

        one.communicate()
        assert one.returncode == 0
        assert running(var_dir) == [True, True]
        assert postmaster(var_dir) == server
        assert server in processes_in(var_dir)

        other.communicate()
        assert other.returncode == 0
        assert running(var_dir) == [False, False]
        assert processes_in(var_dir) == []


def test_servers_that_outlive_a_killed_hub_are_adopted(var_dir: Path) -> None:
    """A hub killed outright leaves its servers running; the next one uses them, and stops them in the end."""
    with user_of(var_dir) as user:
        wait_until_in(user)
        server = postmaster(var_dir)
        user.kill()
    assert running(var_dir) == [True, True]

    with embedded(var_dir, HASTE):
        assert postmaster(var_dir) == server
    assert running(var_dir) == [False, False]


def test_a_server_that_crashed_is_started_again(var_dir: Path) -> None:
    """The next process that needs it starts it, whatever it left behind, and what was committed is there."""
    with embedded(var_dir, HASTE) as servers:
        query(servers, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(postmaster(var_dir), signal.SIGKILL)
        with embedded(var_dir, HASTE) as again:
            assert query(again, "SELECT answer FROM kept") == 42


def test_a_pid_file_that_names_another_program_does_not_stop_the_start(var_dir: Path) -> None:
    """In a container process ids repeat at once, so what a killed server wrote down may be anyone by now."""
    with embedded(var_dir, HASTE):
        pid_file = (var_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    (var_dir / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getppid()), *pid_file[1:]]))

    with embedded(var_dir, HASTE) as servers:
        assert query(servers, "SELECT 1") == 1


def test_a_long_path_puts_the_sockets_into_a_short_one(var_dir: Path) -> None:
    """The limit on a socket's path is no limit on the data's; and nothing stays behind."""
    deep = var_dir / ("d" * LIMIT) / "with a space"
    with embedded(deep, HASTE) as servers:
        sockets = socket_directory(deep)
        assert deep not in sockets.parents
        assert query(servers, "SELECT 1") == 1
        with Redis.from_url(servers.redis_url) as redis:
            assert redis.ping()
    assert not sockets.exists()


def test_only_the_owner_reaches_the_sockets(var_dir: Path) -> None:
    """There is no password, so the directory is the lock; and nothing listens on TCP."""
    with embedded(var_dir, HASTE) as servers:
        assert socket_directory(var_dir).stat().st_mode & 0o077 == 0
        assert query(servers, "SHOW listen_addresses") == ""
        with Redis.from_url(servers.redis_url) as redis:
            assert redis.config_get("port") == {"port": "0"}


def test_a_server_that_does_not_come_up_says_why(var_dir: Path) -> None:
    """The error carries the end of the server's log and what to do, and nothing is left running."""
    with (
        pytest.raises(
            EmbeddedServerError, match=r"(?s)postgres did not come up.*max_connections.*HUB_DATABASE_URL"
        ),
        embedded(var_dir, {**HASTE, "max_connections": "many"}),
    ):
        pass
    assert running(var_dir) == [False, False]


def test_stop_ends_the_servers_whoever_uses_them(var_dir: Path) -> None:
    """For a caretaker, after those who should have stopped them are gone."""
    with embedded(var_dir, HASTE):
        stop(var_dir)
        assert running(var_dir) == [False, False]
