"""`hub queues`."""

import pytest

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import submitted


def test_queues_are_listed_with_what_is_in_them(cli: Cli, environ: dict[str, str]) -> None:
    """By name; before the first start there are none, and that is said."""
    assert "no queues yet" in cli("queues", "list").out
    submitted(environ)
    (payments,) = [
        queue for queue in cli("queues", "list", "--json").json["items"] if queue["depth"]["queued"]
    ]
    assert payments["name"] == "payments"
    assert "payments" in cli("queues", "list").out


def test_a_queue_is_paused_and_resumed(cli: Cli, environ: dict[str, str]) -> None:
    """Doing it again is no error."""
    submitted(environ)
    for _ in range(2):
        assert cli("queues", "pause", "payments", "--reason", "audit").code == Exit.OK
    assert "paused" in cli("queues", "list").out
    for _ in range(2):
        assert cli("queues", "resume", "payments", "--json").json["paused"] is False
    assert "payments goes on" in cli("queues", "resume", "payments").out
    assert cli("queues", "pause", "payments", "--json").json["paused"] is True


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_queue_that_is_not_there_is_1(cli: Cli, verb: str) -> None:
    """The message names it."""
    ended = cli("queues", verb, "nothing")
    assert ended.code == Exit.REFUSED
    assert "there is no queue 'nothing'" in ended.err
