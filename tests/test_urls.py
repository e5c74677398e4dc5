"""Addresses with several hosts."""

import pytest

from hub.urls import (
    check_postgres,
    check_redis,
    each_host,
    passwords_in,
    sentinel_url,
    session_attributes,
    shown,
)


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://hub@one/hub", ["postgresql://hub@one/hub"]),
        (
            "postgresql://hub:p%40w@one:5433,[::1],two/hub?sslmode=require",
            [
                "postgresql://hub:p%40w@one:5433/hub?sslmode=require",
                "postgresql://hub:p%40w@[::1]/hub?sslmode=require",
                "postgresql://hub:p%40w@two/hub?sslmode=require",
            ],
        ),
        ("postgresql://hub@/hub?host=/run/pg", ["postgresql://hub@/hub?host=/run/pg"]),
        (
            "postgresql:///hub?host=one,two&port=5433,5434",
            ["postgresql:///hub?host=one&port=5433", "postgresql:///hub?host=two&port=5434"],
        ),
        (
            "postgresql:///hub?host=one,two&port=5433",
            ["postgresql:///hub?host=one&port=5433", "postgresql:///hub?host=two&port=5433"],
        ),
    ],
)
def test_each_host_of_a_url_has_one_of_its_own(url: str, each: list[str]) -> None:
    """With everything else as it was."""
    check_postgres(url)
    assert list(each_host(url)) == each
    for one in each:
        check_postgres(one)


@pytest.mark.parametrize("wanted", ["standby", "read-only", "prefer-standby"])
def test_a_replica_is_no_place_to_write(wanted: str) -> None:
    """The hub would start and be able to do nothing."""
    url = f"postgresql://one,two/hub?target_session_attrs={wanted}"
    assert session_attributes(url) == wanted
    with pytest.raises(ValueError, match="primary or read-write"):
        check_postgres(url)


def test_a_url_of_sentinels_says_everything() -> None:
    """The user and the password are the servers'; the Sentinels' own are options."""
    url = "rediss+sentinel://hub:p%40w@one:26380,two/main/3?sentinel_username=watch&sentinel_password=s%2Bw"
    check_redis(url)
    found = sentinel_url(url)
    assert found is not None
    assert found.sentinels == (("one", 26380), ("two", 26379))
    assert (found.master, found.database, found.tls) == ("main", 3, True)
    assert (found.username, found.password) == ("hub", "p@w")
    assert (found.sentinel_username, found.sentinel_password) == ("watch", "s+w")
    assert passwords_in(url) >= {"p@w", "p%40w", "s+w", "s%2Bw"}
    assert shown(url) == "rediss+sentinel://one:26380,two/main/3"
    assert "p@w" not in repr(found)
    assert "s+w" not in repr(found)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis+sentinel:///mymaster", "name the Sentinels"),
        ("redis+sentinel://one", "the master's name"),
        ("redis+sentinel://one/mymaster/x", "the master's name"),
        ("redis+sentinel://one:99999/mymaster", "host or port"),
        ("redis+sentinel://one/mymaster?db=1", "unknown option, db"),
        ("redis://one,two/0", "at most 1 host"),
    ],
)
def test_what_is_wrong_with_a_url_of_redis_is_said(url: str, problem: str) -> None:
    """In words that show nothing of it."""
    with pytest.raises(ValueError, match=problem):
        check_redis(url)


def test_no_other_url_is_one_of_sentinels() -> None:
    """A single server has no Sentinels."""
    assert sentinel_url("redis://one:6379/0") is None
