"""Migrations that meet trouble: they give up rather than keep everybody waiting, and can be run again."""

import asyncio
from typing import Any

import asyncpg
import pytest

from hub.domain.errors import Unavailable
from hub.infra import migrate

INDEX = """SELECT i.indisvalid, pg_get_indexdef(i.indexrelid) FROM pg_index i
           WHERE i.indexrelid = to_regclass('events_waited_for')"""
EVENTS = """INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id, subject)
            SELECT gen_random_uuid(), 's', n::text, 't', '{}', 0, 'c', 's' FROM generate_series(1, 2) n"""
# What there is does not allow it, so it leaves the same wreck as a build whose process was killed.
HALF_BUILT = "CREATE UNIQUE INDEX CONCURRENTLY events_waited_for ON events (source, subject)"


def rows(url: str, *statements: str) -> list[Any]:
    """What the last of the statements gives."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            found: list[Any] = await connection.fetch(statements[-1])
            return found
        finally:
            await connection.close()

    return asyncio.run(run())


def test_an_index_that_was_left_half_built_is_built_anew(database_url: str) -> None:
    """What an interrupted build leaves has the name, and is no index: it is not taken for one."""
    migrate.downgrade(database_url, "0002")
    rows(database_url, EVENTS)
    with pytest.raises(asyncpg.UniqueViolationError):
        rows(database_url, HALF_BUILT)
    assert [row[0] for row in rows(database_url, INDEX)] == [False]
    migrate.upgrade(database_url)
    [(is_valid, definition)] = rows(database_url, INDEX)
    assert is_valid
    assert definition.startswith("CREATE INDEX")
    assert "(source, subject, received_at)" in definition


def test_an_index_that_cannot_be_built_leaves_the_step_before_whole(database_url: str) -> None:
    """Whatever stopped it: when that has gone, the next run goes on from there."""
    migrate.downgrade(database_url, "0001")
    # In the place of whatever may go wrong: a table that has the index's name.
    rows(database_url, "CREATE TABLE events_waited_for ()")
    with pytest.raises(Exception, match="events_waited_for"):
        migrate.upgrade(database_url)
    assert migrate.current(database_url) == "0002"
    rows(database_url, "DROP TABLE events_waited_for")
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()
    assert not rows(database_url, "SELECT conname FROM pg_constraint WHERE NOT convalidated")


def test_a_migration_that_cannot_have_its_lock_gives_up(database_url: str) -> None:
    """Soon, with nothing done, so that what came after it is not kept waiting; later it can be run again."""
    migrate.downgrade(database_url, "0001")

    async def beside() -> None:
        reader = await asyncpg.connect(database_url)
        try:
            async with reader.transaction():
                await reader.execute("SELECT count(*) FROM jobs")
                async with asyncio.timeout(20):
                    with pytest.raises(Unavailable, match="gave up"):
                        await asyncio.to_thread(migrate.upgrade, database_url)
        finally:
            await reader.close()

    asyncio.run(beside())
    assert migrate.current(database_url) == "0001"
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()


def test_looking_at_what_is_there_keeps_nobody_waiting(database_url: str) -> None:
    """And waits for nobody who reads or writes."""
    migrate.downgrade(database_url, "0003")

    async def beside() -> None:
        writer = await asyncpg.connect(database_url)
        try:
            async with writer.transaction():
                await writer.execute("LOCK TABLE attempts, steps IN ROW EXCLUSIVE MODE")
                await asyncio.to_thread(migrate.upgrade, database_url)
        finally:
            await writer.close()

    asyncio.run(beside())
    assert migrate.current(database_url) == migrate.head()


def test_statistics_that_are_there_are_looked_at_without_keeping_anybody_waiting(database_url: str) -> None:
    """By a step of its own; where that was done before, under the lock, too."""
    unread = "SELECT conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated ORDER BY 1"
    migrate.downgrade(database_url, "0021")
    migrate.upgrade(database_url, "0022")
    tables = [row[0] for row in rows(database_url, unread)]
    assert tables == ["attempt_statistics", "call_statistics", "queue_statistics"]
    migrate.upgrade(database_url, "0023")

    async def beside() -> None:
        writer = await asyncpg.connect(database_url)
        try:
            async with writer.transaction():
                await writer.execute(f"LOCK TABLE {', '.join(tables)} IN ROW EXCLUSIVE MODE")
                await asyncio.to_thread(migrate.upgrade, database_url)
        finally:
            await writer.close()

    asyncio.run(beside())
    assert not rows(database_url, unread)
    migrate.downgrade(database_url, "0023")
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()


def test_what_the_release_before_would_never_delete_goes_with_the_days(database_url: str) -> None:
    """The marks of processes' calls, of which there are more with each start; those of others stay."""
    rows(
        database_url,
        "INSERT INTO marks (name, upto) VALUES ('calls:one', now()), ('day_statistics', now()), ('alerts', now()) RETURNING name",
    )
    migrate.downgrade(database_url, "0021")
    assert [row[0] for row in rows(database_url, "SELECT name FROM marks")] == ["alerts"]
    migrate.upgrade(database_url)


def test_an_index_waits_for_transactions_that_nobody_waits_for(database_url: str) -> None:
    """A long one (a dump) holds the index up, and nobody else: that is no reason to give up."""
    migrate.downgrade(database_url, "0002")

    async def beside() -> None:
        reader, watcher = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
        try:
            async with reader.transaction(isolation="repeatable_read"):
                await reader.execute("SELECT count(*) FROM events")
                upgrading = asyncio.create_task(asyncio.to_thread(migrate.upgrade, database_url))
                # Longer than a step waits for a lock that others would wait behind.
                waited = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                            AND wait_event_type = 'Lock' AND now() - query_start > interval '4 seconds'"""
                while not await watcher.fetchval(waited):
                    assert not upgrading.done()
                    await asyncio.sleep(0.05)
            await upgrading
        finally:
            await reader.close()
            await watcher.close()

    asyncio.run(beside())
    assert migrate.current(database_url) == migrate.head()
