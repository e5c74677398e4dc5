"""`hub migrate`."""

import asyncio

import asyncpg

from hub.cli.errors import Exit
from hub.infra import revisions
from tests.cli.conftest import Cli
from tests.cli.content import sql

NEWEST = revisions.newest()


def test_a_database_is_taken_to_the_newest_revision_and_back(cli: Cli) -> None:
    """Each time it says from where to where; doing it again changes nothing."""
    assert cli("migrate", "--to", "base", "--json").json == {"from": NEWEST, "to": None}
    assert cli("migrate").out == f"The database has gone from base to {NEWEST}.\n"
    assert cli("migrate").out == f"The database is at {NEWEST}: nothing to do.\n"
    assert cli("migrate", "--to", "base").out == f"The database has gone from {NEWEST} to base.\n"
    assert cli("migrate", "--to", "base").out == "The database is at base: nothing to do.\n"
    assert cli("migrate", "--to", "0001", "--json").json == {"from": None, "to": "0001"}
    assert cli("keys", "list").code == (Exit.OK if NEWEST == "0001" else Exit.CONFIGURATION)


def test_an_unknown_revision_is_refused_with_those_there_are(cli: Cli) -> None:
    """Before the database is touched."""
    ended = cli("migrate", "--to", "7")
    assert ended.code == Exit.USAGE
    assert f"there are base, {', '.join(revisions.known())}" in " ".join(ended.err.split())


def test_a_newer_database_is_left_alone(cli: Cli, database_url: str) -> None:
    """A release that is being replaced has nothing to do; only the newer one knows the way back."""
    sql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert cli("migrate").out == "The database is at 9999: nothing to do.\n"
    ended = cli("migrate", "--to", "base")
    assert ended.code == Exit.REFUSED
    assert "9999" in ended.err


def test_a_database_that_is_away_is_4(cli: Cli) -> None:
    """As everywhere."""
    assert cli("migrate", HUB_DATABASE_URL="postgresql://127.0.0.1:1/hub").code == Exit.UNAVAILABLE


def test_a_table_in_use_for_too_long_is_4_and_says_to_run_it_again(cli: Cli, database_url: str) -> None:
    """Rather than keep everybody waiting who comes to the table after it."""
    cli("migrate", "--to", "0001")
    with asyncio.Runner() as runner:
        reader = runner.run(asyncpg.connect(database_url))
        runner.run(reader.execute("BEGIN; SELECT count(*) FROM jobs"))
        ended = cli("migrate")
        runner.run(reader.close())
    assert ended.code == Exit.UNAVAILABLE
    assert "gave up" in ended.err
    assert "Run it again" in ended.err
    assert cli("migrate", "--json").json == {"from": "0001", "to": NEWEST}
