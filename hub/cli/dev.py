"""`hub dev`: everything on this machine, until Ctrl-C."""

import asyncio
import itertools
import os
import shutil
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click
import uvloop
from honcho.environ import parse_procfile

from hub.config import Config
from hub.urls import shown

from .commands import Command
from .errors import Exit, Failure
from .session import Session, read_settings, session
from .supervisor import Process, Supervisor

# What the Procfile says, for where there is none, as beside an installed package.
_USUAL = (Process("web", "hub web"), Process("worker", "hub worker"))
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue")
_POLL = 0.1  # seconds between two looks whether the hub is ready
_SPARE = 10.0  # seconds beyond its own grace that a process has to end


@click.command(cls=Command)
def dev() -> None:
    """Run everything on this machine: the servers, if none are configured, and each process of the Procfile."""
    began = time.monotonic()
    settings = read_settings()
    processes = procfile(Path("Procfile"))
    port = free_port(settings.config)
    _say_start(settings.config)
    with session(settings, begins=True) as opened:
        ended = uvloop.run(_run(opened, processes, port, began))
    if ended is not None:
        name, status = ended
        raise Failure(
            f"{name} ended with status {status}, so everything was stopped", f"See what {name} said above."
        )
    click.echo("Stopped.")


def procfile(path: Path) -> Sequence[Process]:
    """The processes that a Procfile names. Raises Failure when it names none."""
    if not path.is_file():
        return _USUAL
    try:
        processes = [Process(*line) for line in parse_procfile(path.read_text()).processes.items()]
    except AssertionError as error:
        raise Failure(f"{path.resolve()}: {error}", code=Exit.CONFIGURATION) from error
    if not processes:
        raise Failure(
            f"{path.resolve()} names no process", "Write lines as: web: hub web", code=Exit.CONFIGURATION
        )
    return processes


def free_port(config: Config) -> int:
    """The configured port, or for 0 any free one. Raises Failure when it is taken."""
    host, port = config.web.host, config.web.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        hint = f"Is another hub running? Stop it, or choose a port: HUB_PORT={(port + 1) % 65_536} hub dev"
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise Failure(message, hint, code=Exit.UNAVAILABLE) from error


async def _run(
    opened: Session, processes: Sequence[Process], port: int, began: float
) -> tuple[str, int] | None:
    config = opened.config
    supervisor = Supervisor(
        processes,
        environment=_environment(port),
        tell=_Output([process.name for process in processes]).tell,
        grace=max(config.web.shutdown_grace, config.worker.shutdown_grace).total_seconds() + _SPARE,
    )
    greeting = asyncio.create_task(_greet(opened, port, began))
    try:
        return await supervisor.run()
    finally:
        greeting.cancel()


def _environment(port: int) -> Mapping[str, str]:
    """Ours, with the `hub` of this very installation first, and logs for people."""
    return {
        "HUB_LOG_FORMAT": "console",
        **os.environ,
        "HUB_PORT": str(port),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
    }


class _Output:
    """Lines of several processes, each with its name before it, in its colour."""

    def __init__(self, names: Sequence[str]) -> None:
        width = max(len(name) for name in names)
        self._heads = {
            name: click.style(f"{name:<{width}} | ", fg=colour)
            for name, colour in zip(names, itertools.cycle(_COLOURS), strict=False)
        }

    def tell(self, name: str, line: str) -> None:
        click.echo(f"{self._heads[name]}{line}")


def _say_start(config: Config) -> None:
    if config.database_url and config.redis_url:
        click.echo("Starting the hub …")
    else:
        click.echo(f"Starting the hub and its own servers, with their data under {config.var_dir}/ …")


async def _greet(opened: Session, port: int, began: float) -> None:
    """Say where to look, as soon as there is something to see."""
    host = opened.config.web.host
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - taken back
    while not await _is_ready(reached, port):  # noqa: ASYNC110 - another process's state, which has no event
        await asyncio.sleep(_POLL)
    url = f"http://{f'[{reached}]' if ':' in reached else reached}:{port}"
    click.echo(_greeting(opened, url, time.monotonic() - began))


async def _is_ready(host: str, port: int) -> bool:
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.close()
    return False


def _greeting(opened: Session, url: str, took: float) -> str:
    config = opened.config
    hub = _as_typed()
    data = f"{config.var_dir}/" if opened.is_embedded else shown(opened.database_url)
    lines = [
        "",
        click.style(f"The hub is ready ({took:.1f} s).", bold=True),
        "",
        f"  API    {url}/v1/jobs",
        f"  docs   {url}/docs",
        f"  data   {data}",
        "",
        "Next, in another terminal:",
        "",
        f"  {hub} keys create --name demo --scopes jobs:write,jobs:read",
        *(f"  {hub} webhooks send {line}" for line in _samples(opened)),
        f"  {hub} jobs list",
        f"  {hub} check",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)


def _samples(opened: Session) -> Sequence[str]:
    """A sample of one source that is configured."""
    for source in opened.registry.sources.values():
        if source.samples and opened.config.secrets_of(source.name):
            return [f"{source.name} {next(iter(source.samples))}"]
    return []


def _as_typed() -> str:
    """How this command is called from here."""
    ours = Path(sys.executable).parent / "hub"
    found = shutil.which("hub")
    if found and Path(found).resolve() == ours.resolve():
        return "hub"
    return os.path.relpath(ours) if ours.exists() else f"{sys.executable} -m hub"
