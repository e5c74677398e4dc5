"""The pool of connections."""

import asyncio

from sqlalchemy import text

from hub.infra.store.database import Database


async def test_the_connection_used_last_is_used_next(database_url: str) -> None:
    """It knows the statements already; the others are for when many are wanted at once."""
    database = Database(database_url)
    try:
        await asyncio.gather(*[database.run(text("SELECT pg_sleep(0.1)")) for _ in range(4)])
        used = {(await database.run(text("SELECT pg_backend_pid()")))[0][0] for _ in range(8)}
        assert len(used) == 1
    finally:
        await database.close()


async def test_a_connection_is_not_used_for_ever(database_url: str) -> None:
    """One that was idle for long may have been ended in between by whatever stands there: an older one is made anew."""
    own = text("SELECT pg_backend_pid()")
    for age, connections in ((0, 3), (600, 1)):
        database = Database(database_url, size=1, age=age)
        try:
            used = {(await database.run(own))[0][0] for _ in range(3)}
            assert len(used) == connections
        finally:
            await database.close()
