"""Addresses with several hosts."""

import pytest

from hub.urls import check_postgres, each_host, session_attributes


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
