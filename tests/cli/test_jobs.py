"""`hub jobs`."""

import time
from io import StringIO
from uuid import uuid4

import pytest
from redis import Redis

from hub.cli.errors import Exit
from tests.cli.conftest import Cli
from tests.cli.content import CHARGE, failed, received, sql, submitted


def ids(cli: Cli, *filters: str) -> list[str]:
    """Which jobs a list has."""
    return [job["id"] for job in cli("jobs", "list", "--json", *filters).json["items"]]


def test_an_empty_list_says_so(cli: Cli) -> None:
    """To people; machines get an empty list."""
    assert cli("jobs", "list").out == "No such jobs.\n"
    assert cli("jobs", "list", "--json").json == {"items": [], "next_cursor": None, "searched_to": None}


def test_jobs_are_found_by_what_is_known_of_them(cli: Cli, environ: dict[str, str]) -> None:
    """Each filter alone, and the newest first."""
    waiting, bad = str(submitted(environ, tags=("vip",))), str(failed(environ))
    event = received(environ)
    (receipt,) = ids(cli, "--event", str(event))
    assert ids(cli) == [receipt, bad, waiting]
    assert ids(cli, "--state", "failed") == [bad]
    assert ids(cli, "--state", "failed", "--state", "queued") == [receipt, bad, waiting]
    assert ids(cli, "--job", "payments.send_receipt") == ids(cli, "--queue", "email") == [receipt]
    assert ids(cli, "--application", "shop") == [bad, waiting]
    assert ids(cli, "--tag", "vip") == [waiting]
    assert ids(cli, "--signature", "abc") == ids(cli, "--text", "CARD was") == [bad]
    assert ids(cli, "--since", "1h") == ids(cli, "--until", "2999-01-01") == [receipt, bad, waiting]
    assert ids(cli, "--until", "1h") == ids(cli, "--since", "2999-01-01T00:00:00Z") == []


def test_jobs_are_found_by_a_search(cli: Cli, environ: dict[str, str]) -> None:
    """As in the console, beside the options; what may have been meant instead is said to people."""
    waiting, bad = str(submitted(environ, tags=("order:7",))), str(failed(environ))
    assert ids(cli, "state:failed") == ids(cli, 'state:failed error:"CARD was" since:1h') == [bad]
    assert ids(cli, "--", "-state:failed", "order:7") == ids(cli, "order:7", "--state", "queued") == [waiting]
    assert ids(cli, "order:7", "--state", "failed") == []
    assert "did you mean state:?" in cli("jobs", "list", "stat:failed").err
    refused = cli("jobs", "list", "state:faild")
    assert (refused.code, refused.err.count("did you mean failed?")) == (Exit.REFUSED, 1)


def test_what_looks_like_an_option_and_is_a_search_is_led_on(cli: Cli) -> None:
    """A minus says "not" in a search; a line that holds no search is refused as ever."""
    refused = cli("jobs", "list", "--limit", "5", "-state:failed")
    assert refused.code == Exit.USAGE
    assert "hub jobs list -- -state:failed" in refused.err
    assert cli("jobs", "list", "--", "-state:failed").code == Exit.OK
    assert "stands behind" not in cli("jobs", "list", "-x").err


def test_an_id_as_the_console_shortens_it_is_told_of(cli: Cli) -> None:
    """It says where the whole one is."""
    refused = cli("jobs", "show", "01a2…42dcca96")
    assert (refused.code, "the address of its page" in refused.err) == (Exit.USAGE, True)
    assert "the address of its page" not in cli("jobs", "show", "1").err


def test_a_long_list_goes_on_where_it_ended(cli: Cli, environ: dict[str, str]) -> None:
    """The cursor is told to people on standard error, to machines in the document."""
    first, second = str(submitted(environ)), str(submitted(environ))
    page = cli("jobs", "list", "--limit", "1", "--json").json
    assert [job["id"] for job in page["items"]] == [second]
    assert page["next_cursor"] in cli("jobs", "list", "--limit", "1").err
    assert ids(cli, "--cursor", page["next_cursor"]) == [first]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["--since", "yesterday"], Exit.USAGE),
        (["--state", "broken"], Exit.USAGE),
        (["--limit", "0"], Exit.USAGE),
        (["--cursor", "x"], Exit.REFUSED),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(cli: Cli, line: list[str], code: Exit) -> None:
    """With what may stand there."""
    assert cli("jobs", "list", *line).code == code


def test_what_strangers_wrote_cannot_move_the_cursor(cli: Cli, environ: dict[str, str]) -> None:
    """The error holds an escape sequence; it is shown as what it is not."""
    job = failed(environ)
    for line in (["jobs", "list"], ["jobs", "show", str(job)]):
        out = cli(*line).out
        assert "card_declined: stripe: Your card was declined" in out
        assert "\x1b" not in out


def test_a_job_is_shown_with_all_that_is_known_of_it(cli: Cli, environ: dict[str, str]) -> None:
    """What was asked, what went wrong, what comes next, and whether a retry is safe."""
    job = failed(environ)
    shown = cli("jobs", "show", str(job)).out
    for part in (
        "payments.charge",
        str(job),
        "failed (declined)",
        "a person decides",
        "nothing was done yet",
        "1999",
    ):
        assert part in shown
    assert cli("jobs", "show", str(job), "--json").json["args"] == CHARGE


def test_a_job_that_is_being_undone_says_so_and_how_far_it_is(cli: Cli, environ: dict[str, str]) -> None:
    """What it becomes, then that it was undone; progress in words, and of what is settled none."""
    job = str(submitted(environ))
    ending = '{"state": "cancelled", "reason": "by_operator", "failure": null}'
    progress = '{"done": 1, "total": 3, "note": "holds the money"}'
    url = environ["HUB_DATABASE_URL"]
    sql(url, "UPDATE jobs SET ending = $2::jsonb, progress = $3::jsonb WHERE id = $1", job, ending, progress)
    shown = " ".join(cli("jobs", "show", job).out.split())
    for part in (
        "undoing then cancelled (by_operator)",
        "next what it did is being undone: waits for a worker",
        "progress 1 of 3: holds the money",
    ):
        assert part in shown
    sql(
        url,
        "UPDATE jobs SET state = 'cancelled', reason = 'by_operator', settled_at = now(), undone_at = now(),"
        " dispatched_at = NULL WHERE id = $1",
        job,
    )
    shown = " ".join(cli("jobs", "show", job).out.split())
    assert "undone at 2" in shown
    assert "nothing: it was cancelled, and what it did was undone" in shown
    assert not {"undoing", "progress"} & set(shown.split())
    assert "may retry" not in cli("jobs", "list").out


def test_a_failed_job_is_retried_and_a_waiting_one_cancelled(cli: Cli, environ: dict[str, str]) -> None:
    """Both are audited with who did it, and why."""
    job = str(failed(environ))
    assert "is queued" in cli("jobs", "retry", job, "--reason", "card mended").out
    assert cli("jobs", "cancel", job, "--json").json["state"] == "cancelled"
    told = sql(
        environ["HUB_DATABASE_URL"],
        "SELECT string_agg(action || ' ' || split_part(actor, ':', 1) || ' ' || detail, '; ' ORDER BY id) FROM audit_log"
        " WHERE action LIKE 'job.%'",
    )
    assert told == 'job.retry cli {"reason": "card mended"}; job.cancel cli {}'


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_what_a_job_s_state_forbids_is_refused_with_the_reason(
    cli: Cli, environ: dict[str, str], verb: str
) -> None:
    """1, and nothing is changed."""
    job = failed(environ)
    sql(environ["HUB_DATABASE_URL"], "UPDATE jobs SET state = 'succeeded', reason = NULL WHERE id = $1", job)
    ended = cli("jobs", verb, str(job))
    assert ended.code == Exit.REFUSED
    assert "a job that is succeeded cannot be" in ended.err


def test_an_uncertain_effect_takes_a_reason(cli: Cli, environ: dict[str, str]) -> None:
    """The refusal says how to give one; with it the job runs again."""
    job = str(failed(environ, reason="uncertain"))
    refused = cli("jobs", "retry", job)
    assert refused.code == Exit.REFUSED
    assert f'hub jobs retry {job} --reason "what you found"' in refused.err
    assert cli("jobs", "retry", job, "--reason", "no charge at Stripe").code == Exit.OK


@pytest.mark.parametrize("verb", ["show", "retry", "cancel"])
def test_a_job_that_is_not_there_is_1(cli: Cli, verb: str) -> None:
    """The message names it."""
    unknown = str(uuid4())
    ended = cli("jobs", verb, unknown)
    assert (ended.code, ended.out) == (Exit.REFUSED, "")
    assert f"there is no job {unknown}" in ended.err


def test_why_a_job_waits_is_told(cli: Cli, environ: dict[str, str]) -> None:
    """The answer, and what to do; nobody serves its queue here."""
    job = str(submitted(environ))
    assert cli("jobs", "why", job, "--json").json["code"] == "no_worker"
    assert "hub worker" in cli("jobs", "why", job).out


def test_a_breaker_that_workers_have_opened_is_known_or_not_spoken_of_as_known(
    cli: Cli, environ: dict[str, str]
) -> None:
    """It stands in Redis: when that does not answer, nobody here can say whether it is still open."""
    job = submitted(environ)
    database = environ["HUB_DATABASE_URL"]
    sql(
        database,
        "UPDATE jobs SET state = 'retrying', run_at = now() + interval '1 hour', dispatched_at = NULL,"
        " error_code = 'breaker_open' WHERE id = $1",
        job,
    )
    sql(
        database,
        "INSERT INTO steps (job_id, position, name, effect, certainty, serial, generation, attempt, sends, digest,"
        " provider, error_code) VALUES ($1, 1, 's', 'money', 'not_sent', 0, 1, 1, 0, '', 'stripe', 'breaker_open')",
        job,
    )
    redis = Redis.from_url(environ["HUB_REDIS_URL"])
    redis.zadd("hub:breakers", {"stripe": (time.time() + 600) * 1000})
    redis.close()
    known = cli("jobs", "why", str(job), "--json").json
    assert known["code"] == "breaker_open"
    assert "a call is let through at" in known["text"]
    away = cli("jobs", "why", str(job), "--json", HUB_REDIS_URL="redis://127.0.0.1:1").json
    assert "whether it still is could not be looked at" in away["text"]


def test_a_job_is_told_whole_and_so_is_what_belongs_to_it(cli: Cli, environ: dict[str, str]) -> None:
    """By its id, and by a tag across jobs; one of the ways has to be given."""
    job = str(failed(environ))
    told = cli("jobs", "timeline", job, "--json").json
    assert told["items"][0]["kind"] == "submitted"
    assert "was submitted by shop" in cli("jobs", "timeline", job).out
    first, second = (str(submitted(environ, tags=("order:1",))) for _ in range(2))
    told = cli("timeline", "--tag", "order:1", "--json").json
    assert [one["id"] for one in told["jobs"]] == [second, first]
    assert "payments.charge" in cli("timeline", "--tag", "order:1").out
    assert cli("timeline").code == Exit.USAGE
    assert cli("timeline", "--tag", "a", "--subject", "b").code == Exit.USAGE
    page = cli("jobs", "timeline", job, "--limit", "1", "--json").json
    rest = cli("jobs", "timeline", job, "--cursor", page["next_cursor"], "--json").json
    assert page["items"][0] not in rest["items"]


def test_a_hidden_doubt_takes_the_word_that_it_was_looked_up(cli: Cli, environ: dict[str, str]) -> None:
    """The refusal says how; with it the job runs again."""
    job = str(failed(environ))
    sql(
        environ["HUB_DATABASE_URL"],
        """INSERT INTO steps (job_id, position, name, provider, effect, certainty, serial, generation, attempt, sends, digest,
               kind, first_sent_at) VALUES ($1, 1, 'email SEND mail', 'email', 'message', 'unknown', 0, 1, 1, 1, '', 'call', now())""",
        job,
    )
    refused = cli("jobs", "retry", job, "--reason", "the server is back")
    assert refused.code == Exit.REFUSED
    assert f'hub jobs retry {job} --decided --reason "what you found"' in refused.err
    assert cli("jobs", "retry", job, "--decided", "--reason", "not in the log").code == Exit.OK


def test_arguments_are_edited_when_the_difference_was_seen(
    cli: Cli, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown first, asked before it is done, and told; without a terminal to ask at, `--yes` is needed."""
    job = str(failed(environ))
    line = ("jobs", "edit", job, "--set", "/amount=500", "--reason", "a typing error")
    shown = cli(*line, "--dry-run", "--json").json
    assert [(one["pointer"], one["new"]) for one in shown["changes"]] == [("/amount", 500)]
    monkeypatch.setattr("sys.stdin", StringIO())
    unasked = cli(*line)
    assert (unasked.code, "it takes a person who says yes, or --yes" in unasked.err) == (Exit.REFUSED, True)
    assert cli("jobs", "show", job, "--json").json["state"] == "failed"
    wrong = cli("jobs", "edit", job, "--set", "/amount=abc", "--reason", "x", "--yes")
    assert (wrong.code, "     /amount: Input should be a valid integer" in wrong.err) == (Exit.REFUSED, True)
    assert "queued again with the new arguments (edit 1)" in cli(*line, "--yes").out
    assert cli("jobs", "show", job, "--json").json["args"]["amount"] == 500
    bad = cli("jobs", "edit", job, "--set", "amount=5", "--reason", "x")
    assert bad.code == Exit.USAGE
