"""`hub providers` and `hub workers`."""

from datetime import datetime

from hub.cli.errors import Exit
from hub.cli.output import moment
from tests.cli.conftest import Cli
from tests.cli.content import submitted
from tests.demo.parties import PROVIDERS, QUEUES, held_back


def test_a_breaker_is_held_shown_and_given_back(cli: Cli) -> None:
    """The list tells who holds it and why; so does the provider itself."""
    assert cli("providers", "open", "stripe", "--reason", "maintenance", "--until", "2h").code == Exit.OK
    head, *rows = (line.split() for line in cli("providers", "list").out.splitlines())
    assert head[:2] == ["PROVIDER", "BREAKER"]
    assert ["stripe", "held", "open"] in [row[:3] for row in rows]
    assert "maintenance" in cli("providers", "show", "stripe").out
    shown = cli("providers", "show", "stripe", "--json").json
    until = moment(datetime.fromisoformat(shown["forced"]["until"]))
    assert f": maintenance; until {until}" in cli("providers").out
    assert shown["forced"]["state"] == "open"
    assert shown["forced"]["until"]
    assert cli("providers", "close", "stripe", "--reason", "it is well").code == Exit.OK
    assert ": it is well; no end set" in cli("providers").out
    assert "decides for itself" in cli("providers", "auto", "stripe").out
    assert cli("providers", "show", "stripe", "--json").json["forced"] is None


def test_without_a_reason_nothing_is_held(cli: Cli) -> None:
    """Whoever waits for it will ask."""
    assert cli("providers", "open", "stripe").code == Exit.USAGE
    assert cli("providers", "open", "nobody", "--reason", "x").code == Exit.REFUSED
    assert cli("providers", "show", "stripe", "--json").json["forced"] is None


def test_a_provider_that_is_not_there_leads_on(cli: Cli) -> None:
    """To the one whose name is nearly that, and to the list."""
    refused = cli("providers", "show", "strip")
    assert (refused.code, "did you mean stripe?" in refused.err) == (Exit.REFUSED, True)
    assert "`hub providers list` lists" in refused.err


def test_a_probe_that_is_not_answered_well_is_1(cli: Cli) -> None:
    """It says what is missing; a provider without a probe says why it has none."""
    ended = cli("providers", "probe", "stripe")
    assert ended.code == Exit.REFUSED
    assert "HUB_STRIPE_SECRET_KEY is not set" in ended.out
    assert "no probe" in cli("providers", "probe", "http").err


def test_without_workers_it_says_how_to_start_one(cli: Cli) -> None:
    """An empty list says what to do."""
    assert "hub worker" in cli("workers", "list").out
    assert cli("workers", "list", "--json").json == {"items": []}


def test_what_would_keep_the_demonstration_from_being_shown_is_told_with_what_ends_it(
    cli: Cli, environ: dict[str, str]
) -> None:
    """An earlier visitor may have tried the console's buttons; the commands do what is said of them."""
    submitted(environ)

    def held() -> dict[str, str]:
        return held_back(*(cli(what, "list", "--json").json["items"] for what in ("providers", "queues")))

    assert held() == {}
    for provider in (*PROVIDERS, "sendgrid"):
        assert cli("providers", "open", provider, "--reason", "a try").code == Exit.OK
    for queue in QUEUES:
        assert cli("queues", "pause", queue).code == Exit.OK
    told = held()
    assert len(told) == len(PROVIDERS) + len(QUEUES)
    for command in told.values():
        assert cli(*command.split()[1:]).code == Exit.OK
    assert held() == {}
