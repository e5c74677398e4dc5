"""`hub statistics`."""

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import sql

# In the hour before this one, and none of them took any time worth speaking of.
COUNTED = """
INSERT INTO attempt_statistics (grain, at, queue, outcome, attempts, seconds, buckets)
VALUES ('hour', date_trunc('hour', now()) - interval '1 hour', $1, $2, $3, 0, $3::bigint || array_fill(0::bigint, ARRAY[15]))
"""
CALLED = """
INSERT INTO call_statistics (grain, at, provider, calls, failed, refused, skipped, seconds, buckets)
VALUES ('hour', date_trunc('hour', now()) - interval '1 hour', 'stripe', 50, 5, 1, 2, 0,
        50::bigint || array_fill(0::bigint, ARRAY[15]))
"""


def test_what_happened_lately_is_a_small_table(cli: Cli, environ: dict[str, str]) -> None:
    """A line for each step in which something ended, and for each provider; the API's answer for machines."""
    assert "No attempt of this time is counted" in cli("statistics").out
    database = environ["HUB_DATABASE_URL"]
    for queue, outcome, attempts in (
        ("payments", "succeeded", 80),
        ("payments", "failed", 3),
        ("email", "failed", 1),
    ):
        sql(database, COUNTED, queue, outcome, attempts)
    sql(database, CALLED)
    head, row, _, heading, provider = cli("statistics").out.splitlines()
    assert head.split() == ["FROM", "SUCCEEDED", "FAILED", "UNCERTAIN", "OTHER", "P50", "P95", "P99"]
    assert row.split()[2:6] == ["80", "4", "0", "0"]
    assert heading.split()[:2] == ["PROVIDER", "CALLS"]
    assert provider.split()[:6] == ["stripe", "50", "5", "1", "2", "10.0%"]
    told = cli("statistics", "--since", "3d", "--queue", "email", "--json").json
    assert sum(point["failed"] for point in told["attempts"]) == 1


def test_a_time_that_cannot_be_is_2(cli: Cli) -> None:
    """And it says what can."""
    ended = cli("statistics", "--since", "yesterday")
    assert ended.code == Exit.USAGE
    assert "as 90m, 24h or 7d" in ended.err
