"""A process of the run's hub: `python -m tests.certify.hub_process web|worker|alone`, as `hub web` and `hub worker` are.

Everything comes from the environment. Two things are the run's own: `CERTIFY_CLOCK`, by how many seconds this process's
clock is off, and `CERTIFY_SABOTAGE`, what it does without, to show that the certificate notices (see `sabotage`).
"""

import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from hub.bootstrap import Surroundings
from hub.cli.serving import run, serve_web, serve_worker
from hub.cli.session import Settings
from hub.config import from_environment
from hub.quarantine import serve as serve_alone
from hub.services.hub import Hub
from tests.certify.sabotage import Sabotage, commit
from tests.certify.work import REGISTRY

CLOCK, SABOTAGE = "CERTIFY_CLOCK", "CERTIFY_SABOTAGE"


def main() -> None:
    """Work until told to stop."""
    if sabotage := os.environ.get(SABOTAGE):
        commit(Sabotage(sabotage))
    off = timedelta(seconds=float(os.environ.get(CLOCK, "0")))
    surroundings = Surroundings(clock=lambda: datetime.now(UTC) + off)
    settings = Settings(REGISTRY, from_environment(sources=REGISTRY.sources, providers=REGISTRY.providers))
    run(_work(*sys.argv[1:]), settings, surroundings)


def _work(role: str, place: str = "") -> Callable[[Hub], Awaitable[None]]:
    match role:
        case "web":
            return serve_web
        case "worker":
            return partial(serve_worker, alone=(sys.executable, "-m", "tests.certify.hub_process", "alone"))
        case _:
            # One job at a time, for the worker that started it.
            return partial(serve_alone, place=place)


if __name__ == "__main__":
    main()
