"""`hub alerts`."""

from uuid import UUID

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import sql, submitted

SLACK = {"HUB_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T012/B345/abcdefghijklmnop"}
ALERT = (
    "INSERT INTO alerts (id, kind, subject, key, title, detail, path, resolved_at)"
    " VALUES ($1, 'breaker_open', 'stripe', $2, $2, 'it has been failing', '/console', CASE WHEN $3 THEN now() END)"
)


def test_what_is_open_is_listed_apart_from_what_is_over(cli: Cli, environ: dict[str, str]) -> None:
    """Nothing is said to be nothing."""
    assert "Nothing is open" in cli("alerts", "list").out
    url = environ["HUB_DATABASE_URL"]
    sql(url, ALERT, UUID(int=1), "stripe is not called", False)
    sql(url, ALERT, UUID(int=2), "paypal is not called", True)
    assert "stripe is not called" in cli("alerts", "list").out
    assert [alert["title"] for alert in cli("alerts", "list", "--json").json["items"]] == [
        "stripe is not called"
    ]
    assert [alert["title"] for alert in cli("alerts", "list", "--past", "--json").json["items"]] == [
        "paypal is not called"
    ]


def test_a_test_message_is_a_job_for_each_channel(cli: Cli, environ: dict[str, str]) -> None:
    """Whose id is told, to see what became of it; the address of the channel is not told."""
    submitted(environ)
    ended = cli("alerts", "test", **SLACK)
    assert ended.code == Exit.OK
    assert "abcdefghijklmnop" not in ended.out
    [job] = cli("jobs", "list", "--queue", "alerts", "--json").json["items"]
    assert job["job"] == "alerts.to_slack"
    assert f"hub jobs show {job['id']}" in ended.out
    assert "Queued" in ended.err


def test_without_a_channel_it_says_what_to_set(cli: Cli) -> None:
    """And makes no job."""
    ended = cli("alerts", "test")
    assert ended.code == Exit.REFUSED
    assert "HUB_ALERTS_EMAIL_TO" in ended.err
