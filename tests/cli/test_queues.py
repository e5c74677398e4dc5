"""`hub queues`."""

import pytest

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import sql, submitted


def test_queues_are_listed_with_what_is_in_them(cli: Cli, environ: dict[str, str]) -> None:
    """By name; before the first start there are none, and that is said."""
    assert "no queues yet" in cli("queues", "list").out
    job = submitted(environ)
    submitted(environ)
    sql(
        environ["HUB_DATABASE_URL"],
        "UPDATE jobs SET state = 'waiting', dispatched_at = NULL WHERE id = $1",
        job,
    )
    (payments,) = [
        queue for queue in cli("queues", "list", "--json").json["items"] if queue["depth"]["queued"]
    ]
    assert payments["name"] == "payments"
    assert payments["depth"]["waiting"] == 1
    head, *rows = (line.split() for line in cli("queues", "list").out.splitlines())
    (told,) = [dict(zip(head, row, strict=False)) for row in rows if row[0] == "payments"]
    assert (told["QUEUED"], told["WAITING"]) == ("1", "1")


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
    assert "there is no queue 'nothing'\n" in ended.err
    assert "`hub queues list` lists" in ended.err
    assert "did you mean payments?" in cli("queues", verb, "paymnts").err
