"""`hub operators`: the first administrator, and everybody after them."""

import io
import sys

import pytest

from hub.cli.errors import Exit
from hub.domain.errors import LoginRefused
from hub.services.logins import Visitor
from tests.cli.conftest import Cli
from tests.cli.content import in_hub

EMAIL = "ada@example.com"
CREATE = ("operators", "create", EMAIL, "--role", "admin")
VISITOR = Visitor("192.0.2.7", "test")


def test_the_first_admin_gets_in_by_the_link_that_is_printed(cli: Cli, environ: dict[str, str]) -> None:
    """Only the link goes to standard output, with the address at which people reach the hub; it works once."""
    made = cli(*CREATE, "--name", "Ada Lovelace", HUB_PUBLIC_URL="https://hub.example.com")
    assert (made.code, made.out.count("\n")) == (Exit.OK, 1)
    assert made.out.startswith("https://hub.example.com/console/login/link?token=")
    assert "ada@example.com is an admin" in made.err
    token = made.out.strip().partition("token=")[2]
    assert in_hub(environ, lambda hub: hub.logins.by_link(token, VISITOR))
    with pytest.raises(LoginRefused):
        in_hub(environ, lambda hub: hub.logins.by_link(token, VISITOR))


def test_operators_are_listed(cli: Cli) -> None:
    """How they log in, too; without any it says how to make one."""
    assert "hub operators create" in cli("operators", "list").out
    cli(*CREATE)
    listed = cli("operators", "list")
    assert "ada@example.com" in listed.out
    [one] = cli("operators", "list", "--json").json["items"]
    assert (one["email"], one["name"], one["role"], one["has_password"]) == (EMAIL, "ada", "admin", False)


def test_what_is_wrong_is_told(cli: Cli) -> None:
    """No address, an address that is taken, a role that is none, nobody."""
    cli(*CREATE)
    assert "already" in cli(*CREATE).err
    assert "e-mail address" in cli("operators", "create", "nobody", "--role", "admin").err
    assert cli("operators", "create", "x@example.com", "--role", "root").code == Exit.USAGE
    for command in ("disable", "enable", "login-link"):
        ended = cli("operators", command, "nobody@example.com")
        assert (ended.code, "there is no operator" in ended.err) == (Exit.REFUSED, True)


def test_the_last_admin_stays(cli: Cli) -> None:
    """Neither another role nor the door."""
    cli(*CREATE)
    for arguments in (("disable", EMAIL), ("role", EMAIL, "viewer")):
        ended = cli("operators", *arguments)
        assert (ended.code, "last administrator" in ended.err) == (Exit.REFUSED, True)


def test_somebody_gets_another_role_is_shut_out_and_let_in_again(cli: Cli) -> None:
    """Each with a reason, for the audit log."""
    cli(*CREATE)
    cli("operators", "create", "eve@example.com", "--role", "viewer")
    assert "an operator" in cli("operators", "role", "eve@example.com", "operator", "--reason", "on call").out
    assert cli("operators", "disable", "eve@example.com", "--reason", "left").code == Exit.OK
    assert "disabled" in cli("operators", "list").out
    assert cli("operators", "login-link", "eve@example.com").code == Exit.REFUSED
    assert cli("operators", "enable", "eve@example.com", "--json").json["disabled_at"] is None
    link = cli("operators", "login-link", "EVE@example.com", "--json").json
    assert link["url"].startswith("http://127.0.0.1:8080/console/login/link?token=")
    entries = cli("audit", "list", "--json").json["items"]
    assert [entry["detail"].get("reason") for entry in entries if entry["action"] in {"operator.role", "operator.disable"}] == ["left", "on call"]  # fmt: skip


def test_a_password_is_read_from_standard_input(
    cli: Cli, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never from the command line, where others would see it; a weak one is refused."""
    cli(*CREATE)
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    ended = cli("operators", "password", EMAIL, "--stdin")
    assert (ended.code, "at least 12" in ended.err) == (Exit.REFUSED, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse battery\n"))
    assert cli("operators", "password", EMAIL, "--stdin").code == Exit.OK
    assert in_hub(environ, lambda hub: hub.logins.by_password(EMAIL, "correct horse battery", VISITOR))
    assert cli("operators", "reset", EMAIL, "--reason", "lost laptop").code == Exit.OK
    assert not cli("operators", "list", "--json").json["items"][0]["has_password"]
