"""`hub web` and `hub worker`: the processes that do the work."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress

import click
import uvloop

from hub import quarantine
from hub import worker as workers
from hub.bootstrap import Surroundings, build, know_queues
from hub.domain.errors import ConfigurationError
from hub.domain.redaction import Redactor
from hub.infra import logs
from hub.services.hub import Hub
from hub.web import worker_health
from hub.web.server import serve

from .commands import Command
from .errors import Exit, Failure
from .session import Session, Settings, read_settings, session

ALONE = (sys.executable, "-m", "hub", "worker", "--alone")
# A database that is being restarted is back within this; a supervisor tries again after it. Seconds.
_PATIENCE = 30.0


@click.command(cls=Command)
def web() -> None:
    """Serve webhooks, the API and the pages, until SIGTERM or Ctrl-C."""
    run(serve_web, read_settings())


@click.command(cls=Command)
@click.option("--alone", hidden=True, help="Run one job at a time for the worker that started this.")
def worker(alone: str | None) -> None:
    """Run jobs until SIGTERM or Ctrl-C; those under way are finished first."""
    settings = read_settings()
    if alone is not None:
        run(lambda hub: quarantine.serve(hub, alone), settings)
        return
    _require_queues(settings)
    run(serve_worker, settings)


def run(
    work: Callable[[Hub], Awaitable[None]], settings: Settings, surroundings: Surroundings | None = None
) -> None:
    """Be a process of the hub: `work` over a hub built of these settings. Tests bring surroundings of their own."""
    config = settings.config
    redactor = Redactor.knowing(config.secrets())
    logs.configure(level=config.log.level, style=config.log.format, redactor=redactor)
    for warning in config.warnings:
        logs.logger("hub").warning(warning)
    with session(settings, patience=_PATIENCE, begins=True) as opened:
        uvloop.run(_built(opened, work, redactor, surroundings))


async def _built(
    opened: Session,
    work: Callable[[Hub], Awaitable[None]],
    redactor: Redactor,
    surroundings: Surroundings | None,
) -> None:
    async with build(
        opened.config,
        opened.registry,
        database_url=opened.database_url,
        redis_url=opened.redis_url,
        surroundings=surroundings,
        redactor=redactor,
    ) as hub:
        await work(hub)


async def serve_web(hub: Hub) -> None:
    """The work of a web process."""
    await know_queues(hub)
    await hub.companions.prepare()
    companions = asyncio.create_task(hub.companions.run(), name="companions")
    try:
        await serve(hub, hub.config.web.host, hub.config.web.port)
    except OSError as error:
        raise _not_bound(hub.config.web.host, hub.config.web.port, "HUB_PORT", error) from error
    finally:
        companions.cancel()
        with suppress(asyncio.CancelledError):
            await companions


async def serve_worker(hub: Hub, alone: Sequence[str] = ALONE) -> None:
    """The work of a worker process; `alone` is the command of those that it starts for one job at a time."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(worker_health.serving(hub))
        except OSError as error:
            port = hub.config.worker.metrics_port or 0
            raise _not_bound(hub.config.web.host, port, "HUB_WORKER_METRICS_PORT", error) from error
        await workers.run(hub, alone)


def _not_bound(host: str, port: int, variable: str, error: OSError) -> Failure:
    hint = f"Is another hub running? Set HUB_HOST and {variable} to an address that is free."
    return Failure(f"cannot listen on {host}:{port}: {_why(error)}", hint, code=Exit.UNAVAILABLE)


def _why(error: OSError) -> str:
    # asyncio writes a text of its own where the system's would do, and names the address again.
    return os.strerror(error.errno) if error.errno else str(error)


def _require_queues(settings: Settings) -> None:
    known = settings.registry.queues
    if unknown := [queue for queue in settings.config.worker.queues if queue not in known]:
        raise ConfigurationError(
            f"HUB_WORKER_QUEUES names {unknown[0]!r}, which is no queue; there are {', '.join(known)}"
        )
