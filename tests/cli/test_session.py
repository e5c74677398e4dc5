"""What every command begins with: servers that answer, a schema that fits, and clear words where they do not."""

import os
import signal
import sys
from pathlib import Path

from hub.cli.errors import Exit
from hub.infra import migrate, revisions
from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer
from hub.urls import shown
from tests.cli.conftest import Cli
from tests.cli.content import sql
from tests.demo.stage import as_typed, directory
from tests.simulators.processes import running

NOWHERE = "postgresql://hub:hunter2222@127.0.0.1:1/hub"


def test_the_newest_revision_is_known_without_alembic() -> None:
    """From the names of the files, which is what it says in them."""
    assert revisions.newest() == migrate.head()


def test_a_database_that_does_not_answer_is_4(cli: Cli) -> None:
    """The message says where it was looked for, without the password, and what to do."""
    ended = cli("keys", "list", HUB_DATABASE_URL=NOWHERE)
    assert ended.code == Exit.UNAVAILABLE
    assert "postgresql://127.0.0.1:1/hub is not available" in ended.err
    assert "HUB_DATABASE_URL" in ended.err
    assert "hunter2222" not in ended.err


def test_a_database_that_does_not_exist_is_3(cli: Cli, template_url: str) -> None:
    """It will not pass by itself."""
    ended = cli("keys", "list", HUB_DATABASE_URL=template_url.replace("/hub?", "/nothing?"))
    assert ended.code == Exit.CONFIGURATION
    assert 'database "nothing" does not exist' in ended.err


def test_a_database_that_is_behind_must_be_migrated_first(cli: Cli, database_url: str) -> None:
    """By a person, as others may use it."""
    migrate.downgrade(database_url, "base")
    for line in (["keys", "list"], ["jobs", "list"], ["web"], ["worker"]):
        ended = cli(*line)
        assert ended.code == Exit.CONFIGURATION
        assert "hub migrate" in ended.err


def test_a_database_that_is_ahead_can_be_worked_with(cli: Cli, database_url: str) -> None:
    """As while a newer release is being rolled out."""
    sql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert cli("keys", "list").code == Exit.OK


def test_what_is_wrong_with_the_configuration_is_3(cli: Cli) -> None:
    """All of it at once."""
    ended = cli("jobs", "list", HUB_PORT="x", HUB_LOG_LEVEL="loud")
    assert ended.code == Exit.CONFIGURATION
    assert "HUB_PORT" in ended.err
    assert "HUB_LOG_LEVEL" in ended.err


def test_a_directory_that_cannot_be_used_is_told(bare_cli: Cli, tmp_path: Path) -> None:
    """Here it is a file."""
    (tmp_path / "var").write_text("")
    ended = bare_cli("keys", "list", HUB_VAR_DIR=str(tmp_path / "var"))
    assert ended.code == Exit.CONFIGURATION
    assert "HUB_VAR_DIR" in ended.err


def test_without_settings_a_command_brings_its_own_servers_and_takes_them_away(
    bare_cli: Cli, var_dir: Path
) -> None:
    """Started, migrated, used, stopped; what was stored is there the next time."""
    made = bare_cli("keys", "create", "--name", "n", "--scopes", "admin", "--json", HUB_VAR_DIR=str(var_dir))
    assert made.code == Exit.OK
    listed = bare_cli("keys", "list", "--json", HUB_VAR_DIR=str(var_dir))
    assert [key["id"] for key in listed.json["items"]] == [made.json["id"]]
    assert not PostgresServer(var_dir, {}).running()
    assert not RedisServer(var_dir).running()


def test_a_server_that_does_not_start_is_4_with_the_end_of_its_log(bare_cli: Cli, var_dir: Path) -> None:
    """And with the way out."""
    (var_dir / "postgres").mkdir()
    ended = bare_cli("keys", "list", HUB_VAR_DIR=str(var_dir))
    assert ended.code == Exit.UNAVAILABLE
    assert "The embedded postgres" in ended.err
    assert "HUB_DATABASE_URL" in ended.err


def test_a_database_that_nobody_asked_for_is_told_of(bare_cli: Cli, var_dir: Path) -> None:
    """Once, with where it is: in another directory, a relative HUB_VAR_DIR is another hub, and its emptiness no loss."""
    asked = {"HUB_VAR_DIR": os.path.relpath(var_dir)}
    told = f"a new, empty database was made in {var_dir.resolve()}; set HUB_VAR_DIR"
    first = bare_cli("errors", "list", "--json", **asked)
    assert (first.code, first.json["items"], told in " ".join(first.err.split())) == (Exit.OK, [], True)
    assert "was made in" not in bare_cli("errors", **asked).err


def test_a_database_that_was_asked_for_is_not_told_of(bare_cli: Cli, var_dir: Path) -> None:
    """`hub migrate` is how one is made."""
    made = bare_cli("migrate", HUB_VAR_DIR=str(var_dir))
    assert (made.code, "was made in" in made.err) == (Exit.OK, False)


def test_what_the_demonstration_prints_holds_in_any_directory() -> None:
    """Its data is named from the root, and names with blanks are quoted."""
    assert directory({}) == Path.cwd() / "var"
    assert directory({"HUB_VAR_DIR": "a"}) == Path.cwd() / "a"
    assert as_typed({"HUB_VAR_DIR": "/a b", "HUB_PORT": "1"}) == "HUB_VAR_DIR='/a b' HUB_PORT=1"


def test_an_address_is_shown_without_what_is_secret() -> None:
    """User, password and options stay out of messages."""
    assert shown("postgresql://u:p@db:5432/hub?sslmode=require") == "postgresql://db:5432/hub"
    assert shown("postgresql:///hub?host=/run/postgresql") == "postgresql:///run/postgresql/hub"
    assert shown("unix:///run/redis.sock") == "unix:///run/redis.sock"
    assert shown("rediss://:secret@redis/1") == "rediss://redis/1"


def test_a_stop_in_the_middle_leaves_no_server_behind(var_dir: Path) -> None:
    """SIGTERM is taken as Ctrl-C is: whoever is the last one out still stops the servers."""
    postgres = PostgresServer(var_dir, {})
    line = [sys.executable, "-m", "hub", "worker"]
    with running(line, env={"HUB_VAR_DIR": str(var_dir)}) as child:
        child.wait_until((postgres.data / "postmaster.pid").exists, what="starting PostgreSQL")
        child.signal(signal.SIGTERM)
        assert child.wait() in {Exit.OK, 128 + signal.SIGTERM}
    assert not postgres.running()
    assert not RedisServer(var_dir).running()
