"""What every command begins with: the settings, the servers, and a database whose schema fits."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import click

from hub import registry as registries
from hub.config import Config, from_environment
from hub.infra import revisions
from hub.infra.revisions import Standing
from hub.registry import Registry
from hub.urls import shown

from .errors import Exit, Failure

_OWN = "unset it, and the hub uses one of its own"
# Of SQLSTATE: authorisation, no such database, no such name or no right to it. Everything else passes.
_MISCONFIGURED = ("28", "3D", "42")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is installed, and how it is configured."""

    registry: Registry
    config: Config


@dataclass(frozen=True, slots=True)
class Session:
    """Settings, and where the servers are."""

    registry: Registry
    config: Config
    database_url: str
    redis_url: str

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the hub's own, which no one else migrates."""
        return self.config.database_url is None


def read_settings() -> Settings:
    """Read what is installed, and the environment. Raises ConfigurationError."""
    registry = registries.load()
    return Settings(registry, from_environment(sources=registry.sources, providers=registry.providers))


@contextmanager
def servers(settings: Settings, *, begins: bool = False) -> Iterator[Session]:
    """The servers that are configured, or the hub's own, started if need be and stopped by the last one out.

    Args:
        settings: which those are.
        begins: whether a new database is what is asked for; else one that had to be made is told of.
    """
    config = settings.config
    database_url = config.database_url.reveal() if config.database_url else None
    redis_url = config.redis_url.reveal() if config.redis_url else None
    if database_url and redis_url:
        yield Session(settings.registry, config, database_url, redis_url)
        return
    postgres = config.var_dir / "postgres"
    is_new = not (begins or database_url or postgres.exists())
    with _embedded(config.var_dir, database_url, redis_url) as (database, redis):
        if is_new:
            _tell_new(config.var_dir.resolve())
        yield Session(settings.registry, config, database, redis)


@contextmanager
def session(
    settings: Settings | None = None, *, patience: float = 0.0, begins: bool = False
) -> Iterator[Session]:
    """As `servers`, with a database that answers and whose schema this release can work with.

    Args:
        settings: read now if not given.
        patience: for how many seconds to wait for a database that does not answer.
        begins: whether a new database is what is asked for.

    Raises:
        Failure: there is none, or it must be migrated first.
    """
    with servers(settings or read_settings(), begins=begins) as opened:
        _require_schema(opened, patience)
        yield opened


def revision_of(database_url: str) -> str | None:
    """The revision of a database, None for an empty one. Raises Failure, saying why nobody can look."""
    try:
        return asyncio.run(revisions.current(database_url))
    except OSError as error:
        raise away("PostgreSQL", "HUB_DATABASE_URL", database_url, error) from error
    except asyncpg.PostgresError as error:
        is_passing = not (error.sqlstate or "").startswith(_MISCONFIGURED)
        hint = (
            "Try again in a moment."
            if is_passing
            else "Set HUB_DATABASE_URL, or the database's rights, right."
        )
        message = f"PostgreSQL at {shown(database_url)} refuses: {error}"
        raise Failure(message, hint, code=Exit.UNAVAILABLE if is_passing else Exit.CONFIGURATION) from error
    except (asyncpg.InterfaceError, ValueError) as error:
        raise Failure(f"HUB_DATABASE_URL cannot be used: {error}", code=Exit.CONFIGURATION) from error


def away(what: str, variable: str, url: str, error: OSError) -> Failure:
    """A server that does not answer."""
    why = error.strerror or str(error) or "no answer in time"
    hint = f"Start it, or set {variable} right; {_OWN}."
    return Failure(f"{what} at {shown(url)} is not available: {why}", hint, code=Exit.UNAVAILABLE)


def _tell_new(var_dir: Path) -> None:
    # Somebody in another directory would take it for lost data.
    click.echo(
        f"hub: a new, empty database was made in {var_dir}; set HUB_VAR_DIR or HUB_DATABASE_URL if you meant another.",
        err=True,
    )


def _require_schema(opened: Session, patience: float) -> None:
    revision = _awaited(lambda: revision_of(opened.database_url), patience)
    if revisions.standing(revision) is not Standing.BEHIND:
        return
    if not opened.is_embedded:
        at = f"at revision {revision}" if revision else "empty"
        message = f"the database is {at}, and this release needs {revisions.newest()}"
        raise Failure(message, "Run `hub migrate`.", code=Exit.CONFIGURATION)
    from hub.infra import migrate  # noqa: PLC0415 - Alembic takes longer to import than most commands to run

    migrate.upgrade(opened.database_url)


def _awaited(look: Callable[[], str | None], patience: float) -> str | None:
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            return look()
        except Failure as failure:
            if failure.exit_code != Exit.UNAVAILABLE or time.monotonic() >= deadline:
                raise
            if not told:
                click.echo(
                    f"hub: {failure.format_message().rstrip('.')}. Waiting, {patience:g} s at most.", err=True
                )
                told = True
            time.sleep(1)


@contextmanager
def _embedded(var_dir: Path, database_url: str | None, redis_url: str | None) -> Iterator[tuple[str, str]]:
    from hub.infra.embedded import EmbeddedServerError, shared  # noqa: PLC0415 - not needed with servers of one's own
    from hub.infra.embedded.postgres import PostgresServer  # noqa: PLC0415
    from hub.infra.embedded.redis import RedisServer  # noqa: PLC0415

    postgres, redis = PostgresServer(var_dir, {}), RedisServer(var_dir)
    needed = [*([] if database_url else [postgres]), *([] if redis_url else [redis])]
    with ExitStack() as leaving:
        _keep_signals(leaving)
        try:
            leaving.enter_context(shared(var_dir, needed))
        except EmbeddedServerError as error:
            raise Failure(str(error).rstrip(), code=Exit.UNAVAILABLE) from error
        except OSError as error:
            hint = "Set HUB_VAR_DIR to a directory that the hub may write to."
            raise Failure(
                f"{error.filename or var_dir}: {error.strerror}", hint, code=Exit.CONFIGURATION
            ) from error
        # The last one out stops the servers: a second signal must not leave them behind.
        leaving.callback(_ignore_signals)
        yield database_url or postgres.url, redis_url or redis.url


def _keep_signals(leaving: ExitStack) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        leaving.callback(signal.signal, number, signal.getsignal(number))


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
