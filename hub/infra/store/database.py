"""The connection to PostgreSQL, and how its troubles are told to the rest of the hub."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
from sqlalchemy import TextClause, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from hub.domain.errors import Unavailable
from hub.infra.store.hosts import Hosts

# https://www.postgresql.org/docs/18/errcodes-appendix.html: connection, rollback (deadlock), resources, operator
# intervention (shutdown), system error, and a primary that has become a replica. All pass; none changed anything.
_READ_ONLY = "25006"
_PASSING = ("08", "40", "53", "57", "58", _READ_ONLY, "55P03")

# Seconds that a connection is used for. Those that only bursts need are idle between them, and proxies, poolers and servers
# end idle connections without a word: one that is older is not taken, but made anew.
_AGE = 600

# Seconds for an answer. The server ends what takes longer than `statement_timeout`; this is for one that is frozen.
_ANSWER = 20.0
_SETTINGS = {
    "application_name": "hub",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
    # A client that is cut off frees its place, and its locks, within seconds.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "jit": "off",
    # A plan cached while a table was small is kept when it has grown; planning a batch costs less than one row.
    "plan_cache_mode": "force_custom_plan",
}


class Database:
    """A pool of connections. Statements run by themselves, each its own transaction, unless `transaction` is used.

    Args:
        url: `postgresql://…` as libpq and asyncpg read it: several hosts, socket directories, sslmode and the like.
        size: the most connections of this process.
        pooled: whether a transaction-mode pooler (PgBouncer) stands between; then nothing is kept on the server's side.
        age: for how many seconds a connection is used.
    """

    def __init__(self, url: str, *, size: int = 6, pooled: bool = False, age: int = _AGE) -> None:
        self._engine = _engine(url, size=size, pooled=pooled, age=age)
        # A pooler may give every transaction another server, so what prepares and what runs a statement must be in one.
        self._single = (
            self._engine if pooled else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )

    async def run(self, statement: TextClause, parameters: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Run one statement as one transaction (in one round trip unless pooled), and give its rows.

        Raises:
            Unavailable: the database is away, full or restarting.
        """
        with passing_troubles():
            async with self._single.begin() as connection:
                result = await connection.execute(statement, parameters or {})
                return result.all() if result.returns_rows else []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Several statements, all or none."""
        with passing_troubles():
            async with self._engine.begin() as connection:
                yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def _engine(url: str, *, size: int, pooled: bool, age: int) -> AsyncEngine:
    # asyncpg reads the URL itself: SQLAlchemy's own reading knows neither several hosts nor sslmode.
    if pooled:
        hosts = Hosts(url, command_timeout=_ANSWER, statement_cache_size=0)
        dialect = "postgresql+asyncpg://?prepared_statement_cache_size=0"
        # Nameless: a name would stay with a server that others get next.
        arguments = {"prepared_statement_name_func": lambda: ""}
    else:
        hosts = Hosts(url, command_timeout=_ANSWER, server_settings=_SETTINGS)
        dialect, arguments = "postgresql+asyncpg://", {}
    engine = create_async_engine(
        dialect,
        connect_args=arguments,
        async_creator=hosts.connect,
        pool_size=size,
        max_overflow=0,
        pool_timeout=2,
        # The one used last: it has what it needs for a statement at hand, which takes a new one up to a tenth of a second.
        pool_use_lifo=True,
        pool_recycle=age,
        # They hold what was submitted, and errors go to logs and reports.
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "handle_error", _drop_what_is_of_no_use)
    return engine


def _drop_what_is_of_no_use(context: ExceptionContext) -> None:
    """A server that has become a replica stays one, and one that does not answer may never: look for another.

    Every pooled connection is dropped with this one, as they lead to the same server.
    """
    error = context.original_exception
    if isinstance(error, TimeoutError) or _state_of(error) == _READ_ONLY:
        context.is_disconnect = True


@contextmanager
def passing_troubles() -> Iterator[None]:
    """Turn everything that means "not now" into Unavailable."""
    try:
        yield
    # While a connection is being made the driver's own errors come through; SQLAlchemy translates those of statements.
    except (
        OperationalError,
        InterfaceError,
        asyncpg.InterfaceError,
        PoolTimeoutError,
        OSError,
        TimeoutError,
    ) as error:
        raise _unavailable(error) from error
    except asyncpg.PostgresError as error:
        if _state_of(error).startswith(_PASSING):
            raise _unavailable(error) from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated or _state_of(error.orig).startswith(_PASSING):
            raise _unavailable(error) from error
        raise


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the database is not available ({type(error).__name__})", timedelta(seconds=2))


def is_unstorable(error: Exception) -> bool:
    """Whether a value itself cannot be stored (class 22), such as a NUL in a text: it never will be."""
    return isinstance(error, DBAPIError) and _state_of(error.orig).startswith("22")


def is_data_error(error: Exception) -> bool:
    """Whether one of a batch's own values was at fault (classes 22 and 23), so that the others may still be stored."""
    return isinstance(error, DBAPIError) and _state_of(error.orig).startswith(("22", "23"))


def _state_of(error: BaseException | None) -> str:
    """A driver's error's SQLSTATE, empty if it has none."""
    return getattr(error, "sqlstate", None) or ""
