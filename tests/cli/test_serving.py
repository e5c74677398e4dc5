"""`hub web`, `hub worker` and `hub dev` as the processes they are."""

import re
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub.cli.dev import procfile
from hub.cli.errors import Exit, Failure
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from tests.cli.conftest import Cli
from tests.cli.content import SECRET, sql
from tests.simulators.processes import running

HUB = [sys.executable, "-m", "hub"]


def test_web_serves_until_it_is_told_to_stop(environ: dict[str, str]) -> None:
    """It says where, answers, and ends with 0."""
    with running([*HUB, "web"], env={**environ, "HUB_PORT": "0"}) as web:
        url = web.wait_for_line(r'"url":"(http://127.0.0.1:\d+)"')[1]
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:  # noqa: S310 - our own
            assert answer.status == 200
        web.signal(signal.SIGTERM)
        assert web.wait() == Exit.OK


def test_a_worker_works_until_it_is_told_to_stop(environ: dict[str, str]) -> None:
    """It registers, warns of what is not configured, and ends with 0."""
    with running([*HUB, "worker"], env=environ) as worker:
        count = "SELECT count(*) FROM workers WHERE stopped_at IS NULL"
        worker.wait_until(lambda: sql(environ["HUB_DATABASE_URL"], count) == 1, what="registered")
        worker.signal(signal.SIGINT)
        assert worker.wait() == Exit.OK
        assert "HUB_STRIPE_SECRET_KEY is not set" in worker.output()


def test_a_port_that_is_taken_is_4(cli: Cli, taken: int) -> None:
    """For what serves on it, and for what would start it."""
    for command in ("web", "dev"):
        ended = cli(command, HUB_PORT=str(taken))
        assert ended.code == Exit.UNAVAILABLE
        assert f"cannot listen on 127.0.0.1:{taken}: Address already in use" in ended.err
        assert "HUB_PORT" in ended.err


def test_queues_that_do_not_exist_stop_a_worker_s_start(cli: Cli) -> None:
    """It would wait for ever."""
    ended = cli("worker", HUB_WORKER_QUEUES="payments,mails")
    assert ended.code == Exit.CONFIGURATION
    assert "names 'mails', which is no queue; there are alerts, default, " in ended.err


def test_dev_runs_everything_and_leaves_nothing_behind(bare_cli: Cli, var_dir: Path) -> None:
    """One command: servers, schema, web, worker; it says where to look, and stops all of it in order."""
    environ = {"HUB_VAR_DIR": str(var_dir), "HUB_PORT": "0", "HUB_WEBHOOK_STRIPE_SECRET": SECRET}
    with running([*HUB, "dev"], env=environ) as dev:
        dev.wait_for_line(r"The hub is ready")
        url = dev.wait_for_line(r"API +(http://127.0.0.1:\d+)/v1/jobs")[1]
        dev.wait_for_line("Ctrl-C stops everything")
        sent = bare_cli("webhooks", "send", "stripe", "customer.created", "--url", url, **environ)
        assert sent.code == Exit.OK
        below = psutil.Process(dev.pid).children(recursive=True)
        dev.signal(signal.SIGINT)
        assert dev.wait() == Exit.OK
    said = dev.output()
    assert re.search(r"^web +\| .*serving", said, re.MULTILINE)
    assert "hub webhooks send stripe" in said
    assert said.endswith("Stopped.\n")
    assert psutil.wait_procs(below, timeout=5)[1] == []
    assert not PostgresServer(var_dir, {}).running()
    assert not RedisServer(var_dir).running()


def test_dev_ends_with_1_when_one_of_its_processes_does(var_dir: Path, tmp_path: Path) -> None:
    """And says which one it was."""
    (tmp_path / "Procfile").write_text("web: hub web\nother: sh -c 'exit 5'\n")
    environ = {"HUB_VAR_DIR": str(var_dir), "HUB_PORT": "0"}
    with running([*HUB, "dev"], env=environ, cwd=tmp_path) as dev:
        assert dev.wait() == Exit.REFUSED
    assert "other ended with status 5" in dev.output()
    assert not PostgresServer(var_dir, {}).running()


def test_a_procfile_that_names_nothing_is_told(tmp_path: Path) -> None:
    """Without a file the usual two run."""
    assert [process.name for process in procfile(tmp_path / "Procfile")] == ["web", "worker"]
    (tmp_path / "Procfile").write_text("nothing\n")
    with pytest.raises(Failure, match="names no process"):
        procfile(tmp_path / "Procfile")
    (tmp_path / "Procfile").write_text("a: true\na: true\n")
    with pytest.raises(Failure):
        procfile(tmp_path / "Procfile")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])
