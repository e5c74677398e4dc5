"""`hub check`."""

from pathlib import Path

import pytest
from redis import Redis

from hub.cli.errors import Exit
from hub.infra import migrate
from tests.cli.conftest import Cli, Ended
from tests.cli.content import sql


def verdicts(ended: Ended) -> dict[str, str]:
    """What was found, by what was looked at; the worst where there are several."""
    return {finding["what"]: finding["verdict"] for finding in ended.json["findings"]}


def test_a_hub_that_can_be_used_is_0(cli: Cli) -> None:
    """With a line for each thing that was looked at, and warnings of what is not configured."""
    ended = cli("check", "--json", HUB_STRIPE_SECRET_KEY="sk_test_1", HUB_WEBHOOK_STRIPE_SECRET="whsec_1")
    assert ended.code == Exit.OK
    assert ended.json["usable"]
    found = verdicts(ended)
    ok = ("configuration", "PostgreSQL", "schema", "Redis", "webhooks of stripe", "provider stripe")
    assert {found[what] for what in ok} == {"ok"}
    assert found["workers"] == found["settings"] == "warning"
    people = cli("check")
    assert people.code == Exit.OK
    assert "HUB_STRIPE_SECRET_KEY is not set: stripe cannot be called" in people.out


def test_no_secret_is_shown(cli: Cli) -> None:
    """Neither of a provider nor of a database."""
    ended = cli(
        "check",
        HUB_STRIPE_SECRET_KEY="sk_test_hunter2222",
        HUB_REDIS_URL="redis://:hunter2222@127.0.0.1:1",
        HUB_DATABASE_URL="postgresql://u:hunter2222@127.0.0.1:1/hub",
    )
    assert ended.code == Exit.REFUSED
    assert "hunter2222" not in ended.out + ended.err


def test_every_problem_of_the_configuration_is_listed(cli: Cli) -> None:
    """And the hub cannot be used."""
    ended = cli("check", "--json", HUB_PORT="x", HUB_LOG_LEVEL="loud")
    assert ended.code == Exit.REFUSED
    assert [finding["verdict"] for finding in ended.json["findings"]] == ["wrong", "wrong"]


def test_both_servers_are_looked_at_though_one_is_away(cli: Cli) -> None:
    """One start, one list, one repair."""
    away = {"HUB_DATABASE_URL": "postgresql://127.0.0.1:1/hub", "HUB_REDIS_URL": "redis://127.0.0.1:1"}
    ended = cli("check", "--json", **away)
    assert ended.code == Exit.REFUSED
    found = verdicts(ended)
    assert found["PostgreSQL"] == found["Redis"] == "wrong"
    assert all(finding["todo"] for finding in ended.json["findings"] if finding["verdict"] == "wrong")


def test_a_database_that_is_behind_is_wrong(cli: Cli, database_url: str) -> None:
    """`hub migrate` is what to do."""
    migrate.downgrade(database_url, "base")
    ended = cli("check", "--json")
    assert ended.code == Exit.REFUSED
    (schema,) = [finding for finding in ended.json["findings"] if finding["what"] == "schema"]
    assert (schema["verdict"], schema["todo"]) == ("wrong", "hub migrate")


def test_a_newer_database_can_be_used(cli: Cli, database_url: str) -> None:
    """As while a release is rolled out."""
    sql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    ended = cli("check", "--json")
    assert ended.code == Exit.OK
    assert verdicts(ended)["schema"] == "ok"


def test_a_redis_that_forgets_when_it_is_full_is_warned_of(cli: Cli, redis_url: str) -> None:
    """Jobs would start late, each by the relay's grace."""
    with Redis.from_url(redis_url) as redis:
        redis.config_set("maxmemory", "100mb")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        try:
            ended = cli("check", "--json")
        finally:
            redis.config_set("maxmemory", "0")
            redis.config_set("maxmemory-policy", "noeviction")
    assert ended.code == Exit.OK
    assert verdicts(ended)["Redis"] == "warning"


@pytest.mark.parametrize(
    ("url", "allowed", "warnings"),
    [
        ("http://localhost:9000/hook", "", 1),
        ("http://10.0.0.7/hook", "", 1),
        ("http://[::1]/hook", "no", 1),
        ("http://10.0.0.7/hook", "1", 0),
        ("https://93.184.215.14/hook", "", 0),
        ("https://hooks.internal/hook", "", 0),
    ],
)
def test_alerts_that_would_be_refused_their_address_are_warned_of(
    cli: Cli, url: str, allowed: str, warnings: int
) -> None:
    """With the setting that allows it; a name is not looked up."""
    more = {"HUB_HTTP_ALLOW_PRIVATE": allowed} if allowed else {}
    ended = cli("check", HUB_ALERTS_WEBHOOK_URL=url, HUB_HTTP_SIGNING_SECRET="whsec_c2VjcmV0", **more)
    assert ended.code == Exit.OK
    assert ended.out.count("set HUB_HTTP_ALLOW_PRIVATE=1") == warnings


def test_embedded_servers_are_started_to_be_looked_at(bare_cli: Cli, var_dir: Path) -> None:
    """An empty database of the hub's own is no problem: whoever starts next migrates it."""
    ended = bare_cli("check", "--json", HUB_VAR_DIR=str(var_dir))
    assert ended.code == Exit.OK
    assert verdicts(ended)["schema"] == "warning"


def test_embedded_servers_that_do_not_start_are_wrong(bare_cli: Cli, var_dir: Path) -> None:
    """With the end of their log."""
    (var_dir / "postgres").mkdir()
    ended = bare_cli("check", "--json", HUB_VAR_DIR=str(var_dir))
    assert ended.code == Exit.REFUSED
    assert verdicts(ended)["embedded servers"] == "wrong"
