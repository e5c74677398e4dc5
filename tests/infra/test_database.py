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
