"""`hub plans`."""

import csv
import io
import re

import pytest

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import sql, submitted

FAIL = "UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL"


def failed(environ: dict[str, str], count: int = 3) -> None:
    for _ in range(count):
        submitted(environ)
    sql(environ["HUB_DATABASE_URL"], FAIL)


def test_a_dry_run_is_told_and_started(cli: Cli, environ: dict[str, str]) -> None:
    """What it found, what comes next; then it can be steered, in words and as JSON."""
    assert "No plans yet" in cli("plans", "list").out
    failed(environ)
    made = cli(
        "plans", "create", "state:failed", "--rate", "50", "--canary", "0", "--reason", "the shop is back"
    )
    assert made.code == Exit.OK
    assert "it would retry 3 jobs" in made.out
    assert "nothing was done yet that could be done twice" in made.out
    assert "hub plans start" in made.err
    [listed] = cli("plans", "list", "--json").json["items"]
    assert (listed["state"], listed["found"], listed["reason"]) == ("draft", 3, "the shop is back")
    plan = listed["id"]
    assert "running" in cli("plans", "start", plan).out or "to go" in cli("plans", "show", plan).out
    assert cli("plans", "pause", plan, "--json").json["state"] == "paused"
    assert "3 to go" in cli("plans", "show", plan).out
    assert cli("plans", "resume", plan, "--json").json["state"] == "running"
    assert cli("plans", "stop", plan, "--json").json["state"] == "paused"
    assert cli("plans", "show", plan, "--watch", "--json").json["state"] == "paused"
    assert "aborted by a person" in cli("plans", "abort", plan, "--reason", "enough").out
    shown = cli("plans", "show", plan)
    assert re.search(r"aborted +by cli:\w+: enough *\n", shown.out)
    assert shown.code == Exit.OK
    assert plan in cli("plans", "list", "--state", "aborted").out


@pytest.mark.parametrize(
    ("becomes", "code"), [("finished", Exit.OK), ("stopped", Exit.REFUSED), ("aborted", Exit.REFUSED)]
)
def test_whoever_watches_learns_by_the_exit_code_that_it_did_not_go_well(
    cli: Cli, environ: dict[str, str], becomes: str, code: Exit
) -> None:
    """Scripts go on with what was retried; without --watch the code says that the command was taken."""
    failed(environ, 1)
    made = cli("plans", "create", "state:failed", "--json").json
    assert made["text"].endswith("it would retry 1 job")
    plan = made["id"]
    ended = "now()" if becomes != "stopped" else "NULL"
    sql(
        environ["HUB_DATABASE_URL"],
        f"UPDATE plans SET state = '{becomes}', ended_at = {ended}, judgement = 'as it went'",  # noqa: S608 - of this test
    )
    assert cli("plans", "show", plan, "--watch", "--json").code == code
    assert cli("plans", "show", plan, "--watch").code == code
    assert cli("plans", "show", plan).code == Exit.OK


def test_a_report_has_a_line_for_each_job(cli: Cli, environ: dict[str, str]) -> None:
    """As CSV and as JSON lines."""
    failed(environ, 2)
    plan = cli("plans", "create", "state:failed", "--json").json["id"]
    rows = list(csv.DictReader(io.StringIO(cli("plans", "report", plan).out)))
    assert [row["state"] for row in rows] == ["pending", "pending"]
    assert len(cli("plans", "report", plan, "--format", "ndjson").out.splitlines()) == 2
    assert cli("plans", "report", plan, "--format", "ndjson", "--state", "failed").out == ""


def test_what_cannot_be_is_refused_with_a_reason(cli: Cli, environ: dict[str, str]) -> None:
    """Exit code 1, and the message says why."""
    failed(environ, 1)
    ended = cli("plans", "create", "state:failed", "--include-uncertain")
    assert (ended.code, "reason" in ended.err) == (Exit.REFUSED, True)
    plan = cli("plans", "create", "state:failed", "--json").json["id"]
    ended = cli("plans", "go", plan)
    assert (ended.code, "a plan that is draft cannot be told to go" in ended.err) == (Exit.REFUSED, True)
    assert cli("plans", "create", "state:nonsense").code != Exit.OK
