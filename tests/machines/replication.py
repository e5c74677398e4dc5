"""What an operator, or a tool of theirs, does to a primary and its replica."""

from typing import Any

import asyncpg

from tests.until import until


async def synchronous(primary: str) -> None:
    """Answer no commit that the replica does not have; returns when it follows."""
    await _say(primary, "ALTER SYSTEM SET synchronous_standby_names = 'replica'")
    await _say(primary, "SELECT pg_reload_conf()")

    async def follows() -> bool:
        return bool(await _say(primary, "SELECT sync_state FROM pg_stat_replication") == "sync")

    await until(follows, within=60)


async def promote(replica: str) -> None:
    """Make it the primary."""
    assert await _say(replica, "SELECT pg_promote(wait => true)")


async def _say(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
