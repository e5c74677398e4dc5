"""What the hub reads of an event, from payloads of any shape."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.errors import Invalid, NotFound
from hub.domain.signatures import prefixed_hex
from hub.domain.sources import MAX_IDENTIFIER, Source, field, header, joined

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    leaves,
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "at", "data", "x"]), v, max_size=4)
    ),
)


def source(**changes: Any) -> Source:
    shape: dict[str, Any] = {
        "scheme": prefixed_hex("X-Signature"),
        "event_id": field("data.id"),
        "event_type": field("type"),
        "occurred_at": field("at"),
    }
    return Source("shop", **(shape | changes))


def event(**changes: Any) -> dict[str, Any]:
    return {"data": {"id": "evt_1"}, "type": "order.paid", "at": 1793707200} | changes


def test_an_event_is_read() -> None:
    """Id, type and time, wherever the source says they stand."""
    reading = source().read({}, event())

    assert (reading.external_id, reading.type, reading.occurred_at) == ("evt_1", "order.paid", NOW)


@given(payload=values)
def test_any_payload_is_read_or_refused(payload: Any) -> None:
    """Lists, numbers, nothing, wrong types in every place: a usable reading, or Invalid, and nothing else."""
    try:
        reading = source().read({}, payload)
    except Invalid:
        return
    for text in (reading.external_id, reading.type):
        assert 0 < len(text) <= MAX_IDENTIFIER
        assert text.isprintable()
    assert reading.occurred_at is None or reading.occurred_at.tzinfo is UTC


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "a\0b",
        "\ud800",
        "a\nb",
        "\u202eevil",
        "x" * 256,
        "x" * 10_000_000,
        None,
        True,
        1.5,
        [],
        ["evt_1"],
        {"id": "evt_1"},
        b"evt_1",
    ],
    ids=lambda hostile: f"{hostile!r:.20}",
)
def test_a_hostile_id_or_type_is_refused(hostile: object) -> None:
    """NUL, control characters, lone surrogates, huge, or not a text at all."""
    with pytest.raises(Invalid) as no_id:
        source().read({}, event(data={"id": hostile}))
    with pytest.raises(Invalid) as no_type:
        source().read({}, event(type=hostile))

    assert (no_id.value.code, no_type.value.code) == ("no_event_id", "no_event_type")


def test_depth_is_no_way_to_break_reading() -> None:
    """A payload a hundred thousand levels deep is looked into as far as the path goes."""
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"data": deep}

    with pytest.raises(Invalid):
        source().read({}, deep)


@pytest.mark.parametrize("given_", [0, 42, -1, 2**63, 10**200])
def test_a_number_is_an_id(given_: int) -> None:
    """Written in full, so that no two numbers are one id."""
    assert source().read({}, event(data={"id": given_})).external_id == str(given_)


def test_a_number_that_lost_its_digits_is_no_id() -> None:
    """What a JSON parser turned into a float could stand for two events."""
    with pytest.raises(Invalid):
        source().read({}, json.loads('{"data": {"id": 1e30}, "type": "t"}'))


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        (1793707200, NOW),
        ("1793707200", NOW),
        ("2026-11-03T12:00:00Z", NOW),
        ("2026-11-03T14:00:00+02:00", NOW),
        ("2026-11-03T12:00:00", NOW),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, None),
        (True, None),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("٣", None),
        (1793707200000000, None),
        ("9" * 5000, None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ({}, None),
    ],
    ids=lambda given_: f"{given_!r:.30}",
)
def test_a_time_is_read_or_left_out(given_: object, read: datetime | None) -> None:
    """Unix seconds or ISO 8601; what is neither, or has no UTC, never stops the event."""
    assert source().read({}, event(at=given_)).occurred_at == read


def test_a_source_without_times_reads_none() -> None:
    """Where the provider does not say when."""
    assert source(occurred_at=None).read({}, event()).occurred_at is None


def test_headers_are_read_in_lower_case() -> None:
    """As the server gives them."""
    assert header("X-Event-Id")({"x-event-id": "1"}, {}) == "1"
    assert header("X-Event-Id")({}, {}) is None


@given(first=st.none() | st.text(), second=st.none() | st.text())
def test_joining_never_starts_in_the_middle(first: str | None, second: str | None) -> None:
    """Without its first part there is nothing; later parts may be missing."""
    headers = {name: value for name, value in (("a", first), ("b", second)) if value is not None}
    value = joined(header("a"), header("b"))(headers, {})

    assert value == (f"{first}.{second}" if first and second else first or None)


def test_what_a_source_cannot_make_up_it_says() -> None:
    """No sample of this type, or no way to sign one."""
    mute = source(samples={"order.paid": b"{}"})

    with pytest.raises(NotFound, match=r"order\.paid"):
        mute.sample("order.lost", id="1", at=NOW)
    with pytest.raises(NotFound, match="signed"):
        mute.deliver(mute.sample("order.paid", id="1", at=NOW), "secret")
