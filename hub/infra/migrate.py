"""Moves a database through the history of the schema, `migrations/`, by Alembic.

These functions run an event loop of their own: call them before yours runs, or from a thread.
Several processes may call them at once: they take turns, and the later ones find nothing left to do.
A step that cannot have its lock soon gives up and raises Unavailable: whoever uses the table next waits behind it.
"""

import asyncio
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from hub.domain.errors import Unavailable
from hub.infra.store.hosts import Hosts
from hub.infra.tables import metadata

Answer = TypeVar("Answer")

# https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS: any number will do, as long as it stays.
TURN = 0x687562  # "hub"
TURN_EVERY = 0.1  # seconds between two tries
# Of the session, so that a step may do without it (CREATE INDEX CONCURRENTLY) and RESET brings it back.
_SETTINGS = {"application_name": "hub migrate", "lock_timeout": "3s"}
_LOCK_NOT_AVAILABLE = "55P03"


def upgrade(url: str, to: str = "head") -> None:
    """Bring the database at `url` to the newest revision, or to an earlier one that is ahead of where it is."""
    _on(url, lambda connection: command.upgrade(_config(connection), to))


def downgrade(url: str, to: str) -> None:
    """Take the database back to the revision `to`; `base` is the empty schema."""
    _on(url, lambda connection: command.downgrade(_config(connection), to))


def current(url: str) -> str | None:
    """The revision that the database is at; None for an empty one."""
    return _on(url, lambda connection: MigrationContext.configure(connection).get_current_revision())


def head() -> str | None:
    """The newest revision there is."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def check(url: str) -> Sequence[str]:
    """How the database differs from `hub.infra.tables`, a sentence each; empty when it does not.

    Alembic does not look at CHECK constraints: `python -m migrations check` does.
    """
    return [str(difference) for difference in _on(url, _differences)]


def new(url: str, message: str) -> None:
    """Write the migration from the database at `url`, which is at the newest revision, to `hub.infra.tables`."""
    number = f"{len(list(ScriptDirectory.from_config(_config()).walk_revisions())) + 1:04}"
    _on(url, lambda it: command.revision(_config(it), message, autogenerate=True, rev_id=number))


def _differences(connection: Connection) -> Sequence[Any]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    differences: Sequence[Any] = compare_metadata(context, metadata)
    return differences


def _config(connection: Connection | None = None) -> Config:
    spec = find_spec("migrations")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The package migrations is not installed; it comes with the hub")
    config = Config(attributes={"connection": connection})
    # Alembic puts its settings through a template in which % begins a variable.
    config.set_main_option("script_location", str(Path(spec.origin).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _on(url: str, work: Callable[[Connection], Answer]) -> Answer:
    return asyncio.run(_in_turn(url, work))


async def _in_turn(url: str, work: Callable[[Connection], Answer]) -> Answer:
    hosts = Hosts(url, server_settings=_SETTINGS)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=hosts.connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            # Asked for again and again rather than waited for: a waiting statement is a transaction,
            # and CREATE INDEX CONCURRENTLY, in whoever has the turn, would wait for that in vain.
            while not await connection.scalar(text("SELECT pg_try_advisory_lock(:turn)"), {"turn": TURN}):
                await connection.rollback()
                await asyncio.sleep(TURN_EVERY)
            await connection.commit()
            # The turn ends with the connection.
            return await connection.run_sync(work)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        message = "a table that the migration changes is in use for too long, so it gave up; what it had finished stays"
        raise Unavailable(message) from error
    finally:
        await engine.dispose()
