"""A web process as `hub web` starts it, that also writes down how long it took for every request, and shows the console to
whoever asks: `python -m tests.scale.server FILE`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, cast

import uvloop

from hub import bootstrap, config
from hub.config import Config
from hub.domain.redaction import Secret
from hub.infra.metrics import Metrics
from hub.registry import Registry, load
from hub.services.hub import Hub
from hub.web.server import running
from tests.browser.desk import Known


@dataclass(frozen=True, slots=True)
class Noting(Metrics):
    """Counts as ever, and writes a line for each request: its route, its status, and the seconds until its answer."""

    notes: IO[str]

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        Metrics.request(self, method, route, status, seconds)
        self.notes.write(f"{route} {status} {seconds}\n")


def noting(hub: Hub, notes: IO[str]) -> Hub:
    """The same hub, noting."""
    kept = {field.name: getattr(hub.metrics, field.name) for field in fields(Metrics)}
    return replace(hub, metrics=Noting(**kept, notes=notes))


@asynccontextmanager
async def serving(settings: Config, registry: Registry, notes: IO[str]) -> AsyncIterator[tuple[str, int]]:
    """Serve on the stores of the settings; gives address and port."""
    database, redis = cast(Secret, settings.database_url), cast(Secret, settings.redis_url)
    async with bootstrap.build(
        settings, registry, database_url=database.reveal(), redis_url=redis.reveal()
    ) as hub:
        await bootstrap.know_queues(hub)
        place = settings.web.host, settings.web.port
        async with running(noting(hub, notes), *place, visitors=Known()) as listening:
            yield listening


async def main(notes: Path) -> None:
    """Serve until the process is told to stop."""
    registry = load()
    settings = config.from_environment(sources=registry.sources, providers=registry.providers)
    with notes.open("w", buffering=1) as written:
        async with serving(settings, registry, written):
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
