"""`hub errors`."""

import pytest

from hub.cli.errors import Exit
from hub.cli.inbox import bars
from tests.cli.conftest import Cli
from tests.cli.content import sql

GROUP = """
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, state, attempts, lost,
                          first_seen_at, last_seen_at, first_release, last_release, example_id)
VALUES ($1, 'payments.charge', '', 'stripe', '', 'Declined', 'card_declined', 'declined', $2, 5, $3,
        now(), now(), '1', '2', gen_random_uuid())
"""


@pytest.fixture(autouse=True)
def groups(cli: Cli, environ: dict[str, str]) -> None:
    """One that is open, one that retries cured, one that is resolved."""
    for values in (("open1", "open", 3), ("cured1", "open", 0), ("done1", "resolved", 2)):
        sql(environ["HUB_DATABASE_URL"], GROUP, *values)


def test_alone_it_lists_what_somebody_should_look_at(cli: Cli) -> None:
    """Open, and failed for good; the rest is asked for."""
    told = cli("errors").out
    assert "open1" in told
    assert "card_declined: declined" in told
    assert not {"cured1", "done1"} & set(told.split())
    assert [
        one["signature"] for one in cli("errors", "list", "--state", "resolved", "--json").json["items"]
    ] == ["done1"]
    assert [one["signature"] for one in cli("errors", "list", "--cured", "--json").json["items"]] == [
        "cured1"
    ]
    assert "No such failures." in cli("errors", "list", "--provider", "nobody").out
    assert "There are more" in cli("errors", "list", "--limit", "1").err


def test_a_group_is_shown_and_moved(cli: Cli) -> None:
    """Each move says what has become of it; one that the state forbids is 1, and says what is allowed."""
    assert "5 attempts failed, 3 for good" in cli("errors", "show", "open1").out
    assert "is acknowledged" in cli("errors", "acknowledge", "open1", "--reason", "on it").out
    assert "on it" in cli("errors", "show", "open1").out
    assert cli("errors", "resolve", "open1", "--json").json["state"] == "resolved"
    refused = cli("errors", "resolve", "open1")
    assert refused.code == Exit.REFUSED
    assert "it allows: ignore, reopen" in refused.err
    assert cli("errors", "reopen", "open1").code == cli("errors", "ignore", "open1").code == Exit.OK
    unknown = cli("errors", "show", "none")
    assert (unknown.code, "`hub errors list` lists" in unknown.err) == (Exit.REFUSED, True)


@pytest.mark.parametrize(
    ("counts", "drawn"), [([], ""), ([0, 0], "  "), ([1, 0, 8], "▁ █"), ([100, 1, 50], "█▁▄")]
)
def test_numbers_are_drawn_as_bars(counts: list[int], drawn: str) -> None:
    """The largest is a full one, the smallest is seen, nothing is nothing."""
    assert bars(counts) == drawn
