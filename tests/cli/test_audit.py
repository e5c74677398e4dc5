"""`hub audit`: the list, and the proof."""

import asyncio

import asyncpg

from hub.cli.errors import Exit
from tests.cli.conftest import Cli


def execute(url: str, *statements: str) -> None:
    """What whoever owns the database can do."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def write(cli: Cli) -> None:
    """Three entries."""
    for name in ("one", "two", "three"):
        cli("keys", "create", "--name", name, "--scopes", "jobs:read")


def test_what_was_done_is_listed(cli: Cli) -> None:
    """Newest first, filtered, page by page."""
    assert "Nobody" in cli("audit", "list").out
    write(cli)
    listed = cli("audit", "list", "--action", "key.create", "--limit", "2", "--json").json
    assert [entry["detail"]["application"] for entry in listed["items"]] == ["three", "two"]
    rest = cli("audit", "list", "--cursor", listed["next_cursor"], "--json").json
    assert [entry["seq"] for entry in rest["items"]] == [1]
    assert cli("audit", "list", "--since", "2999-01-01", "--json").json["items"] == []
    assert "key.create" in cli("audit", "list", "--since", "1h").out


def test_a_log_that_holds_prints_its_head(cli: Cli) -> None:
    """Which is what to keep elsewhere, and to give the next time."""
    write(cli)
    verified = cli("audit", "verify")
    assert verified.code == Exit.OK
    head = verified.out.splitlines()[-1]
    assert "3 entries hold" in verified.out
    write(cli)
    assert cli("audit", "verify", "--expect", head).code == Exit.OK
    told = cli("audit", "verify", "--expect", head, "--json").json
    assert (told["good"], told["count"], told["expected"], told["broken"]) == (True, 6, True, None)
    assert cli("audit", "verify", "--expect", "nonsense").code == Exit.USAGE


def test_a_log_that_was_changed_fails_and_names_the_entry(cli: Cli, environ: dict[str, str]) -> None:
    """With 1, for scripts; so does one whose end is gone, by the head that was kept."""
    write(cli)
    head = cli("audit", "verify").out.splitlines()[-1]
    off, on = "ALTER TABLE audit_log DISABLE TRIGGER USER", "ALTER TABLE audit_log ENABLE TRIGGER USER"
    execute(environ["HUB_DATABASE_URL"], off, "DELETE FROM audit_log WHERE seq = 3", on)
    assert cli("audit", "verify").code == Exit.OK
    ended = cli("audit", "verify", "--expect", head)
    assert (ended.code, "cut off, or written anew" in ended.err) == (Exit.REFUSED, True)
    execute(environ["HUB_DATABASE_URL"], off, "UPDATE audit_log SET actor = 'eve' WHERE seq = 2", on)
    ended = cli("audit", "verify", "--json")
    assert (ended.code, "tampered with at entry 2" in ended.err) == (Exit.REFUSED, True)
    assert ended.json["broken"]["seq"] == 2
