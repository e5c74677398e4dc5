"""Operators' names, passwords and sessions, and how guessing is slowed down."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.access import Role
from hub.domain.operators import (
    LONGEST_PASSWORD,
    LockOut,
    client_network,
    email_of,
    misfits,
    role_among,
    weaknesses,
)
from hub.domain.sessions import (
    device_token,
    form_token,
    is_safe_path,
    is_token,
    shortened_agent,
)

EMAIL = "ada@example.com"
NOW = datetime(2027, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize("text", ["Ada@Example.COM", "  ada@example.com ", "\uff41\uff44\uff41@example.com"])
def test_one_person_has_one_address_however_it_is_typed(text: str) -> None:
    """Capitals, blanks and full-width letters make nobody another person."""
    assert email_of(text) == EMAIL


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "ada@exa\x00mple.com", "a@" + "b" * 300]
)  # fmt: skip
def test_what_is_no_address_is_told(email: str) -> None:
    """With a pointer to it."""
    assert [problem.pointer for problem in misfits(email, "Ada")] == ["/email"]


@pytest.mark.parametrize("name", ["", " Ada", "Ada\n", "\x1b[31mAda", "A" * 101])
def test_what_is_no_name_is_told(name: str) -> None:
    """It stands in tables and on terminals, so that it may not move a cursor."""
    assert [problem.pointer for problem in misfits(EMAIL, name)] == ["/name"]
    assert misfits(EMAIL, "Ada Lovelace") == ()


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * (LONGEST_PASSWORD + 1), "a" * 20])
def test_a_weak_password_is_told(password: str) -> None:
    """Too short, too long, or one character."""
    assert [problem.pointer for problem in weaknesses(password, email=EMAIL)] == ["/password"]


def test_the_address_is_no_password() -> None:
    """However it is spelt; anything else of twelve characters is one."""
    assert weaknesses("ADA@example.com", email=EMAIL)
    assert not weaknesses("twelve chars", email=EMAIL)


def test_wrong_passwords_cost_nothing_then_time_that_doubles_then_no_more_than_an_hour() -> None:
    """The fifth closes the account for half a minute; it is never closed for good."""
    delays = LockOut().delays()
    assert [delay.total_seconds() for delay in delays] == [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600]
    assert LockOut().delay(10**9) == timedelta(hours=1)


def test_the_highest_role_of_all_groups_counts() -> None:
    """And no group that is known gives none."""
    roles = {"staff": Role.VIEWER, "ops": Role.OPERATOR, "root": Role.ADMIN}
    assert role_among(["staff", "ops", "unknown"], roles) is Role.OPERATOR
    assert role_among(["unknown"], roles) is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "unknown"),
    ],
)
def test_a_client_is_limited_by_the_network_that_it_has(address: str, network: str) -> None:
    """One who has a whole /64 cannot guess from each of its addresses."""
    assert client_network(address) == network


def test_what_is_made_of_a_session_is_of_that_session_and_does_not_give_it_away() -> None:
    """A form's token, which stands in pages, and a browser's, which outlives it: two, and neither of another session."""
    mine, other = "a" * 43, "b" * 43
    made = {form_token(mine), form_token(other), device_token(mine), device_token(other)}
    assert len(made) == 4
    assert all(is_token(one) for one in made)
    assert not made & {mine, other}


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console/jobs?q=state:failed",
        "/console?q=1",
        "/console/jobs/1",
        "/console/jobs?q=../..",
        "/console/jobs/a..b#..",
    ],
)
def test_a_log_in_leads_on_to_a_page_of_the_console(path: str) -> None:
    """The one that was asked for."""
    assert is_safe_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "", "/console/../elsewhere", "/console/%2E./elsewhere", "/console/..", "/console/./x", "https://evil.example", "//evil.example", "/\\evil.example", "/console\\@evil.example", "javascript:alert(1)",
        "/consoleevil", "/console/\r\nSet-Cookie: x=1", "/console/\t", "/v1/jobs", "/console/é", "/console/" + "a" * 2_000,
    ],
)  # fmt: skip
def test_a_log_in_leads_nowhere_else(path: str) -> None:
    """No open redirect, no header of somebody else's."""
    assert not is_safe_path(path)


def test_a_token_is_43_letters_and_anything_else_is_not_even_looked_up() -> None:
    """URL-safe base64 of 32 bytes."""
    assert is_token("A" * 43)
    assert not is_token("A" * 42)
    assert not is_token("A" * 42 + "\n")


def test_a_browser_is_shown_short_and_printable() -> None:
    """What a stranger may write there cannot fill a page."""
    assert shortened_agent("Firefox\x1b[31m") == "Firefox[31m"
    assert len(shortened_agent("x" * 8_000)) == 120
