"""`hub events`."""

from uuid import uuid4

import pytest

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import received, sql


def ids(cli: Cli, *filters: str) -> list[str]:
    """Which events a list has."""
    return [event["id"] for event in cli("events", "list", "--json", *filters).json["items"]]


def test_events_are_found_by_what_is_known_of_them(cli: Cli, environ: dict[str, str]) -> None:
    """Each filter alone, and the newest first."""
    assert cli("events", "list").out == "No such events.\n"
    paid, opened = str(received(environ)), str(received(environ, "github", "issues.opened"))
    assert ids(cli) == [opened, paid]
    assert ids(cli, "--source", "stripe") == ids(cli, "--type", "payment_intent.succeeded") == [paid]
    assert ids(cli, "--since", "1h", "--limit", "1") == [opened]
    assert ids(cli, "--until", "1h") == []
    listed = cli("events", "list", "--limit", "1")
    assert opened in listed.out
    assert "--cursor" in listed.err


def test_an_event_is_shown_with_what_was_received(cli: Cli, environ: dict[str, str]) -> None:
    """Its body and its headers, without the signature."""
    event = received(environ)
    shown = cli("events", "show", str(event)).out
    assert '"type": "payment_intent.succeeded"' in shown
    assert "user-agent: Stripe/1.0" in shown
    assert "v1=" not in shown
    assert cli("events", "show", str(event), "--json").json["source"] == "stripe"


def test_an_event_that_started_nothing_may_have_woken_a_job(cli: Cli, environ: dict[str, str]) -> None:
    """Which one is told by that job's steps."""
    told = cli("events", "show", str(received(environ, "github", "push"))).out
    assert "it started none; a job that waited for it has it among its steps" in told


def test_a_body_that_is_gone_is_told(cli: Cli, environ: dict[str, str]) -> None:
    """And cannot be replayed."""
    event = received(environ)
    sql(environ["HUB_DATABASE_URL"], "UPDATE events SET body = NULL WHERE id = $1", event)
    assert "The body is gone" in cli("events", "show", str(event)).out
    refused = cli("events", "replay", str(event))
    assert refused.code == Exit.REFUSED
    assert "retention" in refused.err


def test_a_replay_makes_new_jobs(cli: Cli, environ: dict[str, str]) -> None:
    """One for each job that subscribes; the old ones stay."""
    event = str(received(environ))
    assert "not settled yet" in cli("events", "replay", event).err
    settle = "UPDATE jobs SET state = 'succeeded', settled_at = now(), dispatched_at = NULL"
    sql(environ["HUB_DATABASE_URL"], settle)
    (made,) = cli("events", "replay", event, "--json").json["jobs"]
    sql(environ["HUB_DATABASE_URL"], settle)
    assert f"hub jobs show {made}" not in cli("events", "replay", event).out
    assert len(cli("jobs", "list", "--event", event, "--json").json["items"]) == 3


def test_an_event_that_nobody_wants_is_not_replayed(cli: Cli, environ: dict[str, str]) -> None:
    """It would do nothing, and says so."""
    refused = cli("events", "replay", str(received(environ, "github", "push")))
    assert refused.code == Exit.REFUSED
    assert "no job subscribes" in refused.err


@pytest.mark.parametrize("verb", ["show", "replay"])
def test_an_event_that_is_not_there_is_1(cli: Cli, verb: str) -> None:
    """The message names it."""
    unknown = str(uuid4())
    ended = cli("events", verb, unknown)
    assert ended.code == Exit.REFUSED
    assert f"there is no event {unknown}" in ended.err
