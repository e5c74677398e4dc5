"""Which host of a URL is connected to, and when a connection is let go of."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

from hub.domain.errors import Unavailable
from hub.infra.sockets import CONNECT
from hub.infra.store.database import Database, passing_troubles
from hub.infra.store.hosts import Hosts

Tried = list[str]


@pytest.fixture
async def silent() -> AsyncIterator[tuple[str, Tried]]:
    """A host that takes connections and says nothing, as one does that is frozen; and who has tried it."""
    tried: Tried = []
    silence: list[asyncio.Task[None]] = []

    async def keep(writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.append("once")
        silence.append(asyncio.create_task(keep(writer)))

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield f"postgresql://hub@127.0.0.1:{server.sockets[0].getsockname()[1]}/hub", tried
    server.close()
    for task in silence:
        task.cancel()
    await asyncio.wait(silence)


async def test_a_host_that_is_silent_holds_up_one_connection_only(
    silent: tuple[str, Tried], database_url: str
) -> None:
    """The next host gets its own time, and is the first to be asked from then on."""
    url, tried = silent
    hosts = Hosts(url)
    hosts._urls = (url, database_url)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await (await hosts.connect()).close()
    assert CONNECT <= loop.time() - began < 2 * CONNECT
    await (await hosts.connect()).close()
    assert len(tried) == 1


async def test_while_nobody_answers_others_do_not_wait_for_the_same(silent: tuple[str, Tried]) -> None:
    """The second is refused at once, without another try."""
    url, tried = silent
    database = Database(url, size=2)
    with pytest.raises(Unavailable):
        await database.run(text("SELECT 1"))
    asked = len(tried)
    with pytest.raises(Unavailable):
        await database.run(text("SELECT 1"))
    assert len(tried) == asked
    await database.close()


async def test_a_connection_to_a_server_that_takes_no_writes_is_let_go_of(database_url: str) -> None:
    """A primary that has become a replica: what is asked is refused as unavailable, and asked elsewhere next time."""
    database = Database(database_url, size=1)
    await database.run(text("CREATE TABLE kept (number int)"))
    await database.run(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(Unavailable):
        await database.run(text("INSERT INTO kept VALUES (1)"))
    await database.run(text("INSERT INTO kept VALUES (2)"))
    assert [row.number for row in await database.run(text("SELECT number FROM kept"))] == [2]
    await database.close()


async def test_a_server_that_breaks_off_while_it_is_greeted_is_away() -> None:
    """The driver says so in its own words, which nobody translates while a connection is being made."""

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    async with server:
        database = Database(f"postgresql://hub@127.0.0.1:{server.sockets[0].getsockname()[1]}/hub", size=1)
        with pytest.raises(Unavailable):
            await database.run(text("SELECT 1"))
        await database.close()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("closed in the middle of operation"),
        asyncpg.CannotConnectNowError("the database system is starting up"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
async def test_what_the_driver_says_while_a_connection_is_made_means_not_now(error: Exception) -> None:
    """Not an error of the hub's: the request is answered 503, and tried again."""
    with pytest.raises(Unavailable), passing_troubles():
        raise error
