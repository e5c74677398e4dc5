"""The questions that every webhook source must answer, found by discovery: a new source needs no edit here."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import Delivery, Refused, Sample, Source
from hub.domain.errors import Invalid, NotFound
from hub.domain.signatures import Verified
from hub.registry import load

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=3)
ID = "0198b2f4-6c5e-7d10-9a3b-5f0c2d1e4a77"
# Base64 behind `whsec_` is a secret that every scheme so far can read.
SECRET, OLD, OTHER = (f"whsec_{base64.b64encode(bytes([seed] * 32)).decode()}" for seed in (7, 8, 9))

SOURCES = load().sources
SAMPLES = [(source, event_type) for source in SOURCES.values() for event_type in sorted(source.samples)]

every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
every_sample = pytest.mark.parametrize(
    ("source", "event_type"), SAMPLES, ids=[f"{source.name}:{event_type}" for source, event_type in SAMPLES]
)


def any_sample(source: Source) -> Sample:
    """The first of a source's samples, at NOW."""
    return source.sample(min(source.samples), id=ID, at=NOW)


def received(delivery: Delivery) -> dict[str, str]:
    """The headers as the web layer hands them on: names in lower case."""
    return {name.lower(): value for name, value in delivery.headers.items()}


def verdict(
    source: Source,
    headers: dict[str, str],
    body: bytes,
    secrets: tuple[str, ...] = (SECRET,),
    now: datetime = NOW,
) -> Verified | Refused:
    """What the hub makes of a delivery."""
    return source.scheme.verify(headers, body, secrets, now)


def signing_headers(source: Source, delivery: Delivery) -> list[str]:
    """The headers without which a delivery is not accepted."""
    headers = received(delivery)
    without = {name: {other: headers[other] for other in headers if other != name} for name in headers}
    return [
        name for name, rest in without.items() if isinstance(verdict(source, rest, delivery.body), Refused)
    ]


def damaged(value: str) -> Iterator[str]:
    """A header's value with each of its characters changed in turn: its last bit, its case, and gone."""
    for position, character in enumerate(value):
        for other in {chr(ord(character) ^ 1), character.swapcase(), ""} - {character}:
            yield value[:position] + other + value[position + 1 :]


@every_source
def test_every_source_can_be_tried_out(source: Source) -> None:
    """A source brings at least one sample and can sign it, so that `hub webhooks send` works for it."""
    assert source.samples
    assert source.sign is not None


@every_sample
def test_a_signed_sample_is_accepted(source: Source, event_type: str) -> None:
    """What a source signs, it accepts."""
    delivery = source.deliver(source.sample(event_type, id=ID, at=NOW), SECRET)

    assert verdict(source, received(delivery), delivery.body) == Verified(0)


@every_sample
def test_a_sample_is_an_event_of_its_type(source: Source, event_type: str) -> None:
    """A sample parses, reads as the type it stands for, and happened when it was made."""
    delivery = source.deliver(source.sample(event_type, id=ID, at=NOW), SECRET)

    reading = source.read(received(delivery), json.loads(delivery.body))

    assert reading.type == event_type
    assert ID in reading.external_id
    assert b"{{" not in delivery.body
    assert source.occurred_at is None or reading.occurred_at == NOW


@every_sample
def test_each_sample_is_a_new_event(source: Source, event_type: str) -> None:
    """Two samples with ids of their own are two events, not a duplicate."""
    readings = [
        source.read(received(delivery), json.loads(delivery.body))
        for id_ in (ID, ID[::-1])
        for delivery in [source.deliver(source.sample(event_type, id=id_, at=NOW), SECRET)]
    ]

    assert readings[0].external_id != readings[1].external_id


@every_sample
def test_a_redelivery_is_the_same_event(source: Source, event_type: str) -> None:
    """The same event, signed anew hours later, keeps its id and is accepted then."""
    sample = source.sample(event_type, id=ID, at=NOW)
    first, again = source.deliver(sample, SECRET), source.deliver(replace(sample, at=LATER), SECRET)

    assert verdict(source, received(again), again.body, now=LATER) == Verified(0)
    readings = [source.read(received(sent), json.loads(sent.body)) for sent in (first, again)]
    assert readings[0] == readings[1]


@every_sample
def test_every_changed_byte_of_the_body_is_refused(source: Source, event_type: str) -> None:
    """One flipped bit anywhere in the body, or a byte more or less, and the signature does not hold."""
    delivery = source.deliver(source.sample(event_type, id=ID, at=NOW), SECRET)
    headers, body = received(delivery), delivery.body
    changed = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(len(body))]

    for tampered in [*changed, body[:-1], body + b"\n", b"\xef\xbb\xbf" + body, b""]:
        assert verdict(source, headers, tampered) is Refused.MISMATCH


@every_source
def test_every_changed_character_of_the_signature_is_refused(source: Source) -> None:
    """The headers that carry the signature bear no change either: there is one way to write what is accepted."""
    delivery = source.deliver(any_sample(source), SECRET)
    headers = received(delivery)

    for name in signing_headers(source, delivery):
        for value in damaged(headers[name]):
            assert isinstance(verdict(source, headers | {name: value}, delivery.body), Refused), (name, value)


@every_source
def test_a_missing_signature_is_refused(source: Source) -> None:
    """Without a header, or with an empty one, there is no signature; and there is at least one such header."""
    delivery = source.deliver(any_sample(source), SECRET)
    headers, needed = received(delivery), signing_headers(source, delivery)

    assert needed
    assert verdict(source, {}, delivery.body) is Refused.MISSING
    for name in needed:
        rest = {other: headers[other] for other in headers if other != name}
        assert verdict(source, rest, delivery.body) is Refused.MISSING
        assert verdict(source, rest | {name: ""}, delivery.body) is Refused.MISSING


@pytest.mark.parametrize("secrets", [(), ("",), ("", SECRET), (SECRET, "")])
@every_source
def test_an_empty_secret_verifies_nothing(source: Source, secrets: tuple[str, ...]) -> None:
    """A secret that was never set, or is empty, accepts nobody: not even who signs with the right one."""
    delivery = source.deliver(any_sample(source), SECRET)

    assert verdict(source, received(delivery), delivery.body, secrets) is Refused.NO_SECRET


@every_source
def test_another_secret_is_refused(source: Source) -> None:
    """A signature made with a secret that is not configured does not hold."""
    delivery = source.deliver(any_sample(source), OTHER)

    assert verdict(source, received(delivery), delivery.body) is Refused.MISMATCH
    assert verdict(source, received(delivery), delivery.body, (OLD, SECRET)) is Refused.MISMATCH


@every_source
def test_both_secrets_are_accepted_while_rotating(source: Source) -> None:
    """With the old and the new secret configured, either signs, and the verdict says which one did."""
    for index, secret in enumerate((OLD, SECRET)):
        delivery = source.deliver(any_sample(source), secret)

        assert verdict(source, received(delivery), delivery.body, (OLD, SECRET)) == Verified(index)


@every_source
def test_a_stale_or_future_timestamp_is_refused(source: Source) -> None:
    """Where deliveries are timestamped, one from outside the tolerance is refused, from the future as from the past."""
    delivery = source.deliver(any_sample(source), SECRET)
    headers, tolerance = received(delivery), source.scheme.tolerance
    allowed = tolerance or timedelta(days=30)
    beyond = allowed + timedelta(seconds=1)

    for now in (NOW - allowed, NOW + allowed):
        assert verdict(source, headers, delivery.body, now=now) == Verified(0)
    for now in (NOW - beyond, NOW + beyond):
        expected = Verified(0) if tolerance is None else Refused.STALE
        assert verdict(source, headers, delivery.body, now=now) == expected


@pytest.mark.parametrize("body", [b"\xff\xfe\x00\x80", b"", b"null", b"\x00" * 100])
@every_source
def test_a_body_is_bytes(source: Source, body: bytes) -> None:
    """The signature is judged over the bytes as received, whether or not they are UTF-8 or JSON."""
    headers = received(source.deliver(any_sample(source), SECRET))
    assert verdict(source, headers, body) is Refused.MISMATCH

    delivery = source.deliver(replace(any_sample(source), body=body), SECRET)
    assert verdict(source, received(delivery), body) == Verified(0)


@given(data=st.data())
@every_source
def test_nonsense_in_a_header_is_refused_and_never_raises(source: Source, data: st.DataObject) -> None:
    """Whatever text stands in the headers of the signature, surrogates (bytes that are no UTF-8) too, it is refused."""
    delivery = source.deliver(any_sample(source), SECRET)
    headers = received(delivery)
    name = data.draw(st.sampled_from(signing_headers(source, delivery)))
    value = data.draw(
        st.text(st.characters(exclude_categories=()), max_size=80)
        | st.from_regex(r"(t=|v1=|v1,|sha256=)[0-9a-f=, ]{0,70}", fullmatch=True)
    )

    if value != headers[name]:
        assert isinstance(verdict(source, headers | {name: value}, delivery.body), Refused)


@pytest.mark.parametrize(
    "payload",
    [{}, [], None, "x", 7, {"id": {}, "type": []}, {"id": True, "type": None}, {"id": "", "type": ""}],
)
@every_source
def test_what_is_no_event_is_invalid(source: Source, payload: Any) -> None:
    """JSON of any other shape, without headers that name it, is told to be no event; nothing else is raised."""
    with pytest.raises(Invalid):
        source.read({}, payload)


@pytest.mark.parametrize("name", ["x" * 256, "a\nb", "a\x00b", "\udcff"])
@every_source
def test_an_unusable_id_is_invalid(source: Source, name: str) -> None:
    """An id that is too long for its column, or holds what no id holds, is refused before anything is stored."""
    sample = replace(any_sample(source), id=name)
    headers = received(source.deliver(any_sample(source), SECRET))
    headers = {key: value.replace(ID, name) for key, value in headers.items()}
    payload = json.loads(sample.body.replace(ID.encode(), json.dumps(name)[1:-1].encode()))

    with pytest.raises(Invalid):
        source.read(headers, payload)


@every_source
def test_an_unknown_sample_names_those_there_are(source: Source) -> None:
    """Asking for a type without a sample tells which types have one."""
    with pytest.raises(NotFound, match=min(source.samples)):
        source.sample("no.such.event", id=ID, at=NOW)
