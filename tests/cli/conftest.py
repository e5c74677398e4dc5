"""The command line, called in this process with an environment of its own, and a hub to fill the database with."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from hub.cli.root import run


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return orjson.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def environ(database_url: str, redis_url: str) -> dict[str, str]:
    """What commands find in the environment; a test may change it."""
    return {"HUB_DATABASE_URL": database_url, "HUB_REDIS_URL": redis_url}


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Makes an environment the only settings of the hub in this process."""

    def set_environment(environ: Mapping[str, str]) -> None:
        for name in [name for name in os.environ if name.startswith("HUB_")]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

    return set_environment


@pytest.fixture
def bare_cli(clean: Callable[[Mapping[str, str]], None], capsys: pytest.CaptureFixture[str]) -> Cli:
    """`hub` without any setting but those given by name."""

    def call(*arguments: str, **environ: str) -> Ended:
        clean(environ)
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return call


@pytest.fixture
def cli(environ: dict[str, str], bare_cli: Cli) -> Cli:
    """`hub` with a database and a Redis: `cli("jobs", "list", HUB_PORT="1")`."""

    def call(*arguments: str, **more: str) -> Ended:
        return bare_cli(*arguments, **{**environ, **more})

    return call
