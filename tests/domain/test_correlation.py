"""What ties a request to everything that follows from it."""

import pytest

from hub.domain.correlation import TraceParent, correlation_id, is_request_id, parse_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize("given", ["a", "order/17:2026-01-01T00:00:00+00:00", "a@b.c", "x=y", "a" * 128])
def test_a_caller_s_own_id_is_kept_as_it_is(given: str) -> None:
    """It can then be searched for in both systems."""
    assert correlation_id({"x-request-id": given}, "new") == given


@pytest.mark.parametrize(
    "given", ["", "a" * 129, "a b", "a\nb", "a,b", 'a"b', "ä", "a\x00", "a\n", "<b>", "\u0661"]
)
def test_an_id_that_could_forge_a_log_line_or_a_header_is_passed_over(given: str) -> None:
    """It is not repaired either, as nobody would look for the repaired one."""
    assert not is_request_id(given)
    assert correlation_id({"x-request-id": given}, "new") == "new"


def test_the_trace_id_serves_where_there_is_no_request_id() -> None:
    """A traceparent alone is enough to be found again."""
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    assert correlation_id(headers, "new") == TRACE
    assert correlation_id({**headers, "x-request-id": "mine"}, "new") == "mine"
    assert correlation_id({**headers, "x-request-id": "not mine"}, "new") == TRACE


def test_a_traceparent_is_read_and_written_alike() -> None:
    """What comes in can go on to the next hop."""
    parent = parse_traceparent(f"00-{TRACE}-{SPAN}-00")
    assert parent == TraceParent(TRACE, SPAN, sampled=False)
    assert str(parent) == f"00-{TRACE}-{SPAN}-00"
    assert str(TraceParent(TRACE, SPAN, sampled=True)).endswith("-01")


def test_a_later_version_s_traceparent_is_read_as_far_as_it_is_known() -> None:
    """https://www.w3.org/TR/trace-context/#versioning-of-traceparent"""
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-comes-later") == TraceParent(
        TRACE, SPAN, sampled=True
    )


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
    ],
)
def test_a_traceparent_that_the_specification_says_to_ignore_is_ignored(given: str | None) -> None:
    """Zeroes, capitals, missing and surplus fields."""
    assert parse_traceparent(given) is None
