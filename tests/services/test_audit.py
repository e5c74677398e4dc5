"""The chain of the audit log: made by the database, verified by recomputing it, and broken by whoever tampers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from hub.domain.audit import START, Chain, Flaw, Link, canonical
from hub.domain.errors import Invalid
from hub.infra import migrate
from hub.services.audit import AuditFilter
from hub.services.hub import Hub
from tests.services.people import peopled

# The revision before the chain.
BEFORE = "0010"
INSERT = """
INSERT INTO audit_log (id, actor, action, subject, detail)
VALUES (gen_random_uuid(), $1, $2, $3, CAST(CAST($4 AS text) AS jsonb))
"""


@pytest.fixture
async def hub(database_url: str, redis_url: str) -> AsyncIterator[Hub]:
    """A hub."""
    async with peopled(database_url, redis_url) as built:
        yield built


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables, behind the hub's back."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def write(database: Any, count: int = 5) -> None:
    """Some entries."""
    for number in range(1, count + 1):
        await database.execute(INSERT, "ada@example.com", "job.retry", f"job {number}", '{"n": 1}')


async def tamper(database: Any, statement: str) -> None:
    """What whoever owns the table can do."""
    await database.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
    await database.execute(statement)
    await database.execute("ALTER TABLE audit_log ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    ("actor", "action", "subject", "detail"),
    [
        ("ada@example.com", "job.retry", "1", "{}"),
        (
            "Ünïcode — 名前 🙂",
            "a.b",
            "1:2:3",
            '{"reason": "ö \\n \\" \\\\ 🙂", "b": [1.10, 1e3, null, true]}',
        ),
        ("", "", "", '{"z": {"deep": {"er": []}}, "a": -0.0}'),
        ("x" * 10_000, "a.b", "%d %s :name", '"text"'),
    ],
)
async def test_python_computes_what_the_database_computed(
    hub: Hub, database: Any, actor: str, action: str, subject: str, detail: str
) -> None:
    """To the byte, whatever stands in a row."""
    await database.execute(INSERT, actor, action, subject, detail)
    await database.execute(INSERT, actor, action, subject, detail)
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count) == (True, 2)
    assert verdict.head == (await database.fetchval("SELECT hash FROM audit_log WHERE seq = 2")).hex()


async def test_an_empty_log_holds(hub: Hub) -> None:
    """Its head is nothing."""
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count, verdict.head) == (True, 0, START.hex())


async def test_many_who_write_at_once_make_one_chain(hub: Hub, database: Any, database_url: str) -> None:
    """Without a gap, and in the order of time, also where one transaction or one statement writes several rows."""
    connections = [await asyncpg.connect(database_url) for _ in range(8)]

    async def several(connection: Any) -> None:
        for _ in range(5):
            async with connection.transaction():
                await connection.execute(INSERT, "a", "b", "c", "{}")
                await connection.execute(
                    "INSERT INTO audit_log (id, actor, action, subject, detail) "
                    "SELECT gen_random_uuid(), 'a', 'many', n::text, '{}' FROM generate_series(1, 4) n"
                )

    await asyncio.gather(*(several(connection) for connection in connections))
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count) == (True, 200)
    assert await database.fetchval(
        "SELECT bool_and(at >= before) FROM (SELECT at, lag(at) OVER (ORDER BY seq) AS before FROM audit_log) t"
    )
    for connection in connections:
        await connection.close()


async def test_two_who_change_and_note_at_once_do_not_wait_for_each_other(
    hub: Hub, database_url: str
) -> None:
    """Each changes its row and then notes it; also where both change the same rows, locked in order before: no deadlock."""
    one = "SELECT FROM queues WHERE name = ANY($1) ORDER BY name FOR NO KEY UPDATE"
    many = """
    WITH moved AS (UPDATE queues SET paused_at = now() WHERE name = ANY($1) RETURNING name)
    INSERT INTO audit_log (id, actor, action, subject, detail)
    SELECT gen_random_uuid(), 'ada', 'queue.pause', name, '{}' FROM moved
    """
    connections = [await asyncpg.connect(database_url) for _ in range(6)]
    names = [f"queue-{number}" for number in range(30)]
    await connections[0].execute("INSERT INTO queues (name) SELECT unnest($1::text[])", names)

    async def change(connection: Any, *, backwards: bool) -> None:
        chosen = names[::-1] if backwards else names
        for _ in range(10):
            async with connection.transaction():
                await connection.fetch(one, chosen)
                await connection.execute(many, chosen)

    await asyncio.gather(
        *(change(connection, backwards=number % 2 == 0) for number, connection in enumerate(connections))
    )
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count) == (True, 6 * 10 * 30)
    for connection in connections:
        await connection.close()


async def test_what_is_rolled_back_leaves_no_gap(hub: Hub, database: Any) -> None:
    """Its place is taken by the next."""
    await write(database, 2)
    undone = database.transaction()
    await undone.start()
    await write(database, 3)
    await undone.rollback()
    await write(database, 1)
    assert (await hub.audit.verify()).count == 3


async def test_a_writer_cannot_choose_its_place_its_time_or_its_hash(hub: Hub, database: Any) -> None:
    """Whatever it says, the trigger has the last word."""
    await write(database, 1)
    await database.execute(
        "INSERT INTO audit_log (id, at, actor, action, subject, detail, seq, previous, hash) "
        "VALUES (gen_random_uuid(), '2001-01-01Z', 'a', 'b', 'c', '{}', 77, '\\x00', '\\x00')"
    )
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count) == (True, 2)
    assert await database.fetchval("SELECT at > now() - interval '1 h' FROM audit_log WHERE seq = 2")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'eve'",
        "DELETE FROM audit_log WHERE seq = 1",
        "DELETE FROM audit_log WHERE false",
        "TRUNCATE audit_log",
    ],
)
async def test_the_log_is_only_added_to(hub: Hub, database: Any, statement: str) -> None:
    """No statement of the hub, or of whoever has its password, changes a row."""
    await write(database)
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.execute(statement)
    assert (await hub.audit.verify()).count == 5


_OUT = "DELETE FROM audit_log WHERE seq = 2"
_FORGED = "UPDATE audit_log SET actor = 'eve' WHERE seq = 2"


@pytest.mark.parametrize(
    ("statement", "seq", "flaw"),
    [
        ("UPDATE audit_log SET actor = 'eve' WHERE seq = 3", 3, Flaw.CHANGED),
        ("UPDATE audit_log SET detail = '{\"n\": 2}' WHERE seq = 1", 1, Flaw.CHANGED),
        ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 4", 4, Flaw.CHANGED),
        ("UPDATE audit_log SET id = gen_random_uuid() WHERE seq = 5", 5, Flaw.CHANGED),
        ("DELETE FROM audit_log WHERE seq = 3", 4, Flaw.MISSING),
        ("DELETE FROM audit_log WHERE seq = 1", 2, Flaw.MISSING),
        (_OUT + "; UPDATE audit_log SET seq = seq - 1 WHERE seq > 2", 2, Flaw.UNLINKED),  # noqa: S608
        # The row and its own hash made to fit: the next one tells.
        (_FORGED + "; UPDATE audit_log a SET hash = audit_log_digest(a) WHERE seq = 2", 3, Flaw.UNLINKED),  # noqa: S608
    ],
)
async def test_tampering_is_found_where_it_begins(
    hub: Hub, database: Any, statement: str, seq: int, flaw: Flaw
) -> None:
    """Even by a superuser with the triggers off."""
    await write(database)
    await tamper(database, statement)
    verdict = await hub.audit.verify()
    assert not verdict.good
    assert verdict.broken is not None
    assert (verdict.broken.seq, verdict.broken.flaw) == (seq, flaw)
    assert verdict.count == min(seq - 1, 5 if flaw is not Flaw.MISSING else seq - 2)


async def test_a_tail_that_was_cut_off_is_found_by_a_head_that_was_kept(hub: Hub, database: Any) -> None:
    """And by nothing else: what is left holds. So is a chain that was made anew from some row on."""
    await write(database)
    kept = (await hub.audit.verify()).head
    assert (await hub.audit.verify(kept)).good
    await write(database, 1)
    assert (await hub.audit.verify(kept)).good
    await tamper(database, "DELETE FROM audit_log WHERE seq >= 5")
    assert (await hub.audit.verify()).good
    verdict = await hub.audit.verify(kept)
    assert (verdict.good, verdict.expected, verdict.count) == (False, False, 4)
    await write(database, 2)
    assert not (await hub.audit.verify(kept)).good


async def test_what_was_there_before_is_chained_by_the_migration(
    hub: Hub, database: Any, database_url: str
) -> None:
    """In the order in which it was written, and goes on from there; the way back leaves the rows."""
    await asyncio.to_thread(migrate.downgrade, database_url, BEFORE)
    for number in range(3):
        await database.execute(INSERT, "ada", "job.retry", str(number), "{}")
    await asyncio.to_thread(migrate.upgrade, database_url)
    await database.reload_schema_state()
    await write(database, 2)
    verdict = await hub.audit.verify()
    assert (verdict.good, verdict.count) == (True, 5)
    subjects = await database.fetch("SELECT subject FROM audit_log ORDER BY seq LIMIT 3")
    assert [row[0] for row in subjects] == ["0", "1", "2"]


async def test_the_log_is_listed_by_who_what_to_what_and_when(hub: Hub, database: Any) -> None:
    """Newest first, page by page; between two times means from the first up to the second."""
    for actor, action, subject in (("ada", "a.x", "1"), ("eve", "a.y", "1"), ("ada", "a.y", "2")):
        await database.execute(INSERT, actor, action, subject, "{}")

    async def listed(**wanted: Any) -> list[int]:
        return [entry.seq for entry in (await hub.audit.list(AuditFilter(**wanted))).items]

    assert await listed() == [3, 2, 1]
    assert await listed(actor="ada") == [3, 1]
    assert await listed(action="a.y") == [3, 2]
    assert await listed(subject="1") == [2, 1]
    assert await listed(actor="ada", subject="1") == [1]
    second = await database.fetchval("SELECT at FROM audit_log WHERE seq = 2")
    third = await database.fetchval("SELECT at FROM audit_log WHERE seq = 3")
    assert await listed(since=second) == [3, 2]
    assert await listed(until=second) == [1]
    assert await listed(since=second, until=third) == [2]
    assert await listed(since=datetime(2999, 1, 1, tzinfo=UTC)) == []
    first = await hub.audit.list(AuditFilter(), limit=2)
    assert first.next_cursor is not None
    rest = await hub.audit.list(AuditFilter(), limit=2, cursor=first.next_cursor)
    assert ([entry.seq for entry in rest.items], rest.next_cursor) == ([1], None)
    with pytest.raises(Invalid):
        await hub.audit.list(AuditFilter(), cursor="nonsense")
    assert list(await hub.audit.actions()) == ["a.x", "a.y"]


@pytest.mark.parametrize("one", ["actor", "action", "subject", "since", "until"])
async def test_each_list_goes_by_an_index(hub: Hub, database: Any, one: str) -> None:
    """Whatever is filtered, no list reads the whole table: this says which index it goes by."""
    await database.execute(
        "INSERT INTO audit_log (id, actor, action, subject, detail) "
        "SELECT gen_random_uuid(), 'a' || n % 50, 'a' || n % 50, 's' || n, '{}' FROM generate_series(1, 5000) n"
    )
    await database.execute("ANALYZE audit_log")
    at = await database.fetchval("SELECT at FROM audit_log WHERE seq = 2500")
    bound = (
        f"coalesce((SELECT seq FROM audit_log WHERE at >= '{at.isoformat()}' ORDER BY at, seq LIMIT 1), 9)"  # noqa: S608
    )
    where = {"since": f"a.seq >= {bound}", "until": f"a.seq < {bound}"}.get(one, f"a.{one} = '{one[0]}7'")
    plan = "\n".join(
        row[0]
        for row in await database.fetch(
            f"EXPLAIN SELECT * FROM audit_log a WHERE {where} ORDER BY seq DESC LIMIT 51"  # noqa: S608
        )
    )
    assert "Seq Scan" not in plan, plan
    assert {"since": "audit_log_by_time", "until": "audit_log_by_time"}.get(
        one, f"audit_log_by_{one}"
    ) in plan


def test_no_two_rows_are_written_alike() -> None:
    """What stands at the end of one field cannot stand at the beginning of the next."""
    one = Link(1, "i", "t", "ab", "c", "s", "{}", START, START)
    other = Link(1, "i", "t", "a", "bc", "s", "{}", START, START)
    assert canonical(one) != canonical(other)


def test_a_walk_ends_at_the_first_flaw() -> None:
    """And keeps what held before it."""
    chain = Chain()
    assert chain.add(Link(2, str(UUID(int=0)), "t", "a", "b", "c", "{}", START, START)) is Flaw.MISSING
    assert (chain.count, chain.head) == (0, START)
