"""The tree of commands: help, how a command ends, and what it says when it does not end well."""

import signal
import subprocess
import sys
from datetime import timedelta

import click
import pytest

from hub.cli.errors import LISTED, Exit, explain
from hub.cli.root import PLACES, hub
from hub.domain.errors import ConfigurationError, HubError, Invalid, NotFound, Problem, Unavailable
from tests.cli.conftest import Cli


def test_help_lists_every_command_without_importing_what_serves() -> None:
    """Somebody who only asks must not wait for a database driver."""
    program = (
        "import sys; from hub.cli.root import run; code = run(['--help']);"
        "sys.exit(code or any(name in sys.modules for name in ('sqlalchemy', 'asyncpg', 'aiohttp', 'rich')))"
    )
    line = [sys.executable, "-c", program]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ended.returncode == 0
    assert all(f"  {name} " in ended.stdout for name in PLACES)


def test_each_command_says_what_it_is_for(bare_cli: Cli) -> None:
    """Groups, their commands, and every option."""
    context = click.Context(hub)
    for name in PLACES:
        command = hub.get_command(context, name)
        assert command is not None
        assert bare_cli(name, "--help").code == Exit.OK
        below = command.commands.values() if isinstance(command, click.Group) else [command]
        assert all(one.help for one in below)
        options = [option for one in below for option in one.params if isinstance(option, click.Option)]
        assert all(option.help for option in options)


@pytest.mark.parametrize(
    "line",
    [
        ["nothing"],
        ["jobs", "nothing"],
        ["jobs", "show"],
        ["jobs", "show", "1"],
        ["keys", "create"],
        ["web", "--x"],
    ],
)
def test_what_is_not_understood_ends_with_2(bare_cli: Cli, line: list[str]) -> None:
    """The message names what is wrong, and where the help is."""
    ended = bare_cli(*line)
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "--help" in ended.err
    assert "Error: " in ended.err


def test_without_a_command_the_help_is_shown(bare_cli: Cli) -> None:
    """And it is not taken for done."""
    ended = bare_cli()
    assert ended.code == Exit.USAGE
    assert "Commands:" in ended.out + ended.err


def test_the_version_is_told(bare_cli: Cli) -> None:
    """As `hub, version 1.2.3`."""
    assert bare_cli("--version").out.startswith("hub, version ")


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (NotFound("there is no job 1"), Exit.REFUSED, "there is no job 1"),
        (Invalid("wrong", problems=(Problem("/a", "must be b"),)), Exit.REFUSED, "wrong\n     /a: must be b"),
        (Invalid("be b!", problems=(Problem("/a", "be b"),)), Exit.REFUSED, "hub: be b!\n"),
        (Invalid("wrong", problems=(Problem("/set/~1a~1b", "no"),)), Exit.REFUSED, "\n     /a/b: no"),
        (NotFound("no", code="unknown_queue"), Exit.REFUSED, "no\n     `hub queues list`"),
        (HubError("went wrong"), Exit.REFUSED, "went wrong"),
        (ConfigurationError("HUB_PORT: no"), Exit.CONFIGURATION, "HUB_PORT: no"),
        (ConfigurationError("one", "two"), Exit.CONFIGURATION, "\n       - one\n       - two"),
        (Unavailable("the database is away", timedelta(1)), Exit.UNAVAILABLE, "the database is away"),
        (ValueError("a\nb"), Exit.REFUSED, "ValueError: a b"),
        (ValueError(), Exit.REFUSED, "ValueError"),
    ],
)
def test_every_error_has_one_message_and_a_code(
    error: Exception, code: Exit, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts read the code, people the message."""
    failure = explain(error)
    failure.show()
    assert failure.exit_code == code
    assert told in capsys.readouterr().err


def test_what_is_not_there_leads_to_a_list(bare_cli: Cli) -> None:
    """By commands that there are."""
    assert all(bare_cli(name, "list", "--help").code == Exit.OK for name in LISTED.values())


def test_a_traceback_is_shown_only_where_it_is_asked_for(bare_cli: Cli) -> None:
    """Before the command or behind it."""
    broken = {"HUB_PORT": "x"}
    plain = bare_cli("keys", "list", **broken)
    assert plain.code == Exit.CONFIGURATION
    assert plain.err.startswith("hub: HUB_PORT='x': must be a whole number")
    assert "Traceback" not in plain.err
    for line in (["--debug", "keys", "list"], ["keys", "list", "--debug"]):
        shown = bare_cli(*line, **broken)
        assert shown.code == Exit.CONFIGURATION
        assert "Traceback" in shown.err
        assert "hub: HUB_PORT='x'" in shown.err


def test_whoever_stops_reading_is_not_answered_with_a_traceback() -> None:
    """As in `hub … | head -1`: the pipe is broken before anything is written."""
    line = [sys.executable, "-m", "hub", "webhooks", "list"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize("group", ["queues", "providers", "workers", "keys", "views", "jobs", "plans"])
def test_a_group_alone_lists(cli: Cli, group: str) -> None:
    """As people expect of it; the list's options may follow, and asking for help still helps."""
    alone = cli(group)
    assert (alone.code, alone.out) == (Exit.OK, cli(group, "list").out)
    assert "items" in cli(group, "--json").json
    assert "Commands:" in cli(group, "--help").out
    assert cli(group, "--nonsense").code == Exit.USAGE
