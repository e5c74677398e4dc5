"""Every scheme accepts what was signed and nothing else. The providers' own libraries judge where there is one."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from hypothesis import assume, given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from hub.domain.signatures import (
    HmacScheme,
    Refused,
    Verified,
    parse_timestamp,
    prefixed_hex,
    standard_key,
    standard_webhooks,
    timestamped_hex,
    unbase64,
    unhex,
    utf8_key,
)

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
TOLERANCE = timedelta(minutes=5)
UNIX = int(NOW.timestamp())


@dataclass(frozen=True)
class Family:
    """A scheme together with the one who signs."""

    name: str
    scheme: HmacScheme
    sign: Callable[[bytes, str, int], dict[str, str]]
    timestamped: bool

    def verify(
        self, headers: Mapping[str, str], body: bytes, *secrets: str, now: datetime = NOW
    ) -> Verified | Refused:
        return self.scheme.verify(headers, body, secrets, now)


STAMPED = timestamped_hex("Stripe-Signature", tolerance=TOLERANCE)
PREFIXED = prefixed_hex("X-Hub-Signature-256")
STANDARD = standard_webhooks(tolerance=TOLERANCE)


def sign_stamped(body: bytes, secret: str, at: int) -> dict[str, str]:
    return {"stripe-signature": f"t={at},v1={STAMPED.sign(b'%d.%s' % (at, body), secret).hex()}"}


def sign_prefixed(body: bytes, secret: str, _at: int) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={PREFIXED.sign(body, secret).hex()}"}


def sign_standard(body: bytes, secret: str, at: int) -> dict[str, str]:
    signature = base64.b64encode(STANDARD.sign(b"msg_1.%d.%s" % (at, body), secret)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


FAMILIES = [
    Family("timestamped", STAMPED, sign_stamped, timestamped=True),
    Family("prefixed", PREFIXED, sign_prefixed, timestamped=False),
    Family("standard", STANDARD, sign_standard, timestamped=True),
]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
every_timestamped = pytest.mark.parametrize(
    "family", [f for f in FAMILIES if f.timestamped], ids=lambda family: family.name
)
# One spelling that is a secret for every scheme.
secrets = st.binary(min_size=1).map(lambda key: "whsec_" + base64.b64encode(key).decode())
SECRET, OTHER = "whsec_c2VjcmV0", "whsec_b3RoZXI="


@every_family
@given(body=st.binary(), secret=secrets)
def test_what_was_signed_is_accepted(family: Family, body: bytes, secret: str) -> None:
    """Any bytes at all, UTF-8 or not, NUL or not, under any secret."""
    assert family.verify(family.sign(body, secret, UNIX), body, secret) == Verified(0)


@every_family
@given(body=st.binary(), secret=secrets, other=secrets)
def test_another_secret_is_refused(family: Family, body: bytes, secret: str, other: str) -> None:
    """A signature holds for its own secret only."""
    assume(family.scheme.key(secret).rstrip(b"\0") != family.scheme.key(other).rstrip(b"\0"))

    assert family.verify(family.sign(body, secret, UNIX), body, other) is Refused.MISMATCH


@every_family
@given(body=st.binary(min_size=1), data=st.data())
def test_one_flipped_bit_of_the_body_is_refused(family: Family, body: bytes, data: st.DataObject) -> None:
    """Wherever it is."""
    where = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[where] ^= 1 << data.draw(st.integers(0, 7))

    assert family.verify(family.sign(body, SECRET, UNIX), bytes(changed), SECRET) is Refused.MISMATCH


@every_family
@given(body=st.binary(), tail=st.binary(min_size=1))
def test_a_longer_or_shorter_body_is_refused(family: Family, body: bytes, tail: bytes) -> None:
    """What was signed in part was not signed."""
    whole, part = family.sign(body + tail, SECRET, UNIX), family.sign(body, SECRET, UNIX)

    assert family.verify(whole, body, SECRET) is Refused.MISMATCH
    assert family.verify(part, body + tail, SECRET) is Refused.MISMATCH


@every_family
@pytest.mark.parametrize("body", [b"{}", b"\xff\xfe\x00", b""])
def test_any_changed_character_of_any_header_is_refused(family: Family, body: bytes) -> None:
    """Every character of the signature, timestamp and id, changed in every bit: there is no second spelling."""
    headers = family.sign(body, SECRET, UNIX)
    assert family.verify(headers, body, SECRET) == Verified(0)

    for name, value in headers.items():
        for where, character in enumerate(value):
            for bit in range(8):
                changed = value[:where] + chr(ord(character) ^ 1 << bit) + value[where + 1 :]
                verdict = family.verify({**headers, name: changed}, body, SECRET)
                assert isinstance(verdict, Refused), (name, changed)


@every_family
@given(data=st.data(), text=st.text(max_size=80))
def test_no_header_makes_verification_fail_or_succeed(family: Family, data: st.DataObject, text: str) -> None:
    """Any text in any header, other scripts and lone surrogates included: refused, and nothing is raised."""
    headers = family.sign(b"{}", SECRET, UNIX)
    name = data.draw(st.sampled_from(sorted(headers)))
    assume(text != headers[name])

    assert isinstance(family.verify({**headers, name: text}, b"{}", SECRET), Refused)


@every_family
@pytest.mark.parametrize(
    "text", ["é", "\ud800", chr(0xDCE9), "\0", "٣", "a" * 1_000_000, "x," * 100_000, "v1=" * 99_999]
)
def test_hostile_headers_are_refused(family: Family, text: str) -> None:
    """Alone, and in front of what is good."""
    headers = family.sign(b"{}", SECRET, UNIX)
    for name, value in headers.items():
        for hostile in (text, text + value):
            assert isinstance(family.verify({**headers, name: hostile}, b"{}", SECRET), Refused)


@every_family
def test_a_missing_or_empty_header_is_missing(family: Family) -> None:
    """Each of a scheme's headers is needed."""
    headers = family.sign(b"{}", SECRET, UNIX)
    for name in headers:
        without = {key: value for key, value in headers.items() if key != name}
        assert family.verify(without, b"{}", SECRET) is Refused.MISSING
        assert family.verify({**headers, name: ""}, b"{}", SECRET) is Refused.MISSING


@every_family
@pytest.mark.parametrize("configured", [(), ("",), ("", SECRET), (SECRET, "")])
def test_an_empty_secret_accepts_nothing(family: Family, configured: tuple[str, ...]) -> None:
    """Not even with the good one beside it: the configuration is wrong, and that is what is said."""
    for headers in (family.sign(b"{}", SECRET, UNIX), {}):
        assert family.verify(headers, b"{}", *configured) is Refused.NO_SECRET


@pytest.mark.parametrize("family", FAMILIES[:2], ids=lambda family: family.name)
def test_what_was_signed_with_nothing_is_refused(family: Family) -> None:
    """Where the secret's text is the key, anyone could sign with an empty one."""
    forged = family.sign(b"{}", "", UNIX)

    assert family.verify(forged, b"{}", "") is Refused.NO_SECRET
    assert family.verify(forged, b"{}", SECRET) is Refused.MISMATCH


@every_family
@given(body=st.binary(), before=st.lists(secrets, max_size=3), after=st.lists(secrets, max_size=3))
def test_every_secret_that_is_configured_is_tried(
    family: Family, body: bytes, before: list[str], after: list[str]
) -> None:
    """While one is rotated, either signs; the first one that matches is named."""
    configured = [*before, SECRET, *after]
    verdict = family.verify(family.sign(body, SECRET, UNIX), body, *configured)

    assert isinstance(verdict, Verified)
    assert verdict.secret <= len(before)
    assert family.scheme.key(configured[verdict.secret]).rstrip(b"\0") == family.scheme.key(SECRET)


@every_family
def test_the_first_secret_that_matches_is_named(family: Family) -> None:
    """A secret that was configured twice is the same secret, not a newer one."""
    assert family.verify(family.sign(b"{}", SECRET, UNIX), b"{}", OTHER, SECRET, SECRET) == Verified(1)


def test_an_id_that_is_not_utf8_is_signed_as_the_bytes_it_came_in() -> None:
    """A server hands on such bytes as surrogates; the provider signed the bytes."""
    signature = base64.b64encode(STANDARD.sign(b"msg_\xff.%d.{}" % UNIX, SECRET)).decode()
    headers = {
        "webhook-id": b"msg_\xff".decode("utf-8", "surrogateescape"),
        "webhook-timestamp": str(UNIX),
        "webhook-signature": f"v1,{signature}",
    }

    assert STANDARD.verify(headers, b"{}", [SECRET], NOW) == Verified(0)


@every_timestamped
@given(late=st.integers(-400, 400))
def test_a_timestamp_holds_for_five_minutes_either_way(family: Family, late: int) -> None:
    """Neither a stale delivery nor one from the future is accepted, not by a second."""
    verdict = family.verify(family.sign(b"{}", SECRET, UNIX + late), b"{}", SECRET)

    assert verdict == (Verified(0) if abs(late) <= 300 else Refused.STALE)


@every_timestamped
@pytest.mark.parametrize("years", [-50, -1, 1, 1000])
def test_far_away_timestamps_are_stale(family: Family, years: int) -> None:
    """A time far off is stale, and does not overflow."""
    headers = family.sign(b"{}", SECRET, max(0, UNIX + years * 31_557_600))

    assert family.verify(headers, b"{}", SECRET) is Refused.STALE


@every_timestamped
@pytest.mark.parametrize(
    "spelling", ["+{}", "-{}", "{} 0", "{}.0", "{}e0", "0x{:x}", "{:_}", "", "nan", "9" * 5000]
)
def test_only_plain_digits_are_a_timestamp(family: Family, spelling: str) -> None:
    """What int() or float() would also take is malformed, and never signed for."""
    headers = {
        name: value.replace(str(UNIX), spelling.format(UNIX))
        for name, value in family.sign(b"{}", SECRET, UNIX).items()
    }

    assert family.verify(headers, b"{}", SECRET) in {Refused.MALFORMED, Refused.MISSING, Refused.MISMATCH}


def test_parsing_a_timestamp_takes_ascii_digits_only() -> None:
    """Other scripts' digits, signs, underscores and endless numbers are none."""
    assert parse_timestamp(str(UNIX)) == UNIX
    assert [parse_timestamp(t) for t in ("", "٣", "1_0", "+1", "-1", "1.0", " 1", "1\n", "²", "9" * 13)] == [
        None
    ] * 10


@pytest.mark.parametrize("version", ["v0", "V1", "v1a", "v", "", "v11", "v1\t"])
def test_only_the_named_version_counts(version: str) -> None:
    """A signature under another version's name is none, however good it is."""
    stamped = sign_stamped(b"{}", SECRET, UNIX)["stripe-signature"].replace("v1=", f"{version}=")
    standard = sign_standard(b"{}", SECRET, UNIX)
    standard["webhook-signature"] = standard["webhook-signature"].replace("v1,", f"{version},")

    assert STANDARD.verify(standard, b"{}", [SECRET], NOW) is Refused.MALFORMED
    assert STAMPED.verify({"stripe-signature": stamped}, b"{}", [SECRET], NOW) is Refused.MALFORMED


@pytest.mark.parametrize(
    "spelling",
    [
        "{}",
        "sha1={}",
        "SHA256={}",
        "sha256= {}",
        "sha256={} ",
        "sha256=sha256={}",
        "sha256=0x{}",
        "sha256={}00",
        "x{}",
    ],
)
def test_the_prefix_is_exact(spelling: str) -> None:
    """No prefix, another, twice, or with anything around it."""
    good = PREFIXED.sign(b"{}", SECRET).hex()

    assert isinstance(
        PREFIXED.verify({"x-hub-signature-256": spelling.format(good)}, b"{}", [SECRET], NOW), Refused
    )
    assert isinstance(
        PREFIXED.verify({"x-hub-signature-256": f"sha256={good.upper()}"}, b"{}", [SECRET], NOW), Refused
    )


@pytest.mark.parametrize("length", range(32))
def test_a_part_of_a_signature_is_none(length: int) -> None:
    """A prefix of the right bytes is refused at every length, none included."""
    short = PREFIXED.sign(b"{}", SECRET)[:length]

    assert isinstance(
        PREFIXED.verify({"x-hub-signature-256": f"sha256={short.hex()}"}, b"{}", [SECRET], NOW), Refused
    )


def test_what_is_signed_cannot_be_shifted_between_the_fields() -> None:
    """Moving the dot between timestamp and body gives a timestamp that is not fresh."""
    body = b"5.{}"
    headers = sign_stamped(body, SECRET, UNIX)
    shifted = {"stripe-signature": headers["stripe-signature"].replace(f"t={UNIX}", f"t={UNIX}.5")}

    assert STAMPED.verify(shifted, b"{}", [SECRET], NOW) is Refused.MALFORMED


def test_several_signatures_may_stand_in_one_header() -> None:
    """One good one among bad ones is enough, in any place; sixteen are looked at."""
    good = sign_stamped(b"{}", SECRET, UNIX)["stripe-signature"].partition("v1=")[2]
    bad = ["v1=" + "0" * 64] * 3

    for place in range(4):
        items = [f"t={UNIX}", *bad[:place], f"v1={good}", *bad[place:]]
        assert STAMPED.verify({"stripe-signature": ",".join(items)}, b"{}", [SECRET], NOW) == Verified(0)
    flood = ",".join([f"t={UNIX}", *["v1=" + "0" * 64] * 1000, f"v1={good}"])
    assert STAMPED.verify({"stripe-signature": flood}, b"{}", [SECRET], NOW) is Refused.MISMATCH


# Stripe's library takes a secret of nothing but blanks for none.
@given(body=st.text(), secret=st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_stripes_library_accepts_what_we_sign_and_we_what_it_signs(body: str, secret: str) -> None:
    """Both ways, for any text and any secret that is one."""
    now = datetime.now(UTC)
    ours = sign_stamped(body.encode(), secret, int(now.timestamp()))
    theirs = stripe.WebhookSignature.generate_signature_header(body, secret, int(now.timestamp()))

    assert stripe.WebhookSignature.verify_header(body, ours["stripe-signature"], secret, 300)
    assert STAMPED.verify({"stripe-signature": theirs}, body.encode(), [secret], now) == Verified(0)


@pytest.mark.parametrize("padding", ["", "=", "=="])
@given(body=st.text(), key=st.binary(min_size=1))
def test_the_standards_library_accepts_what_we_sign_and_we_what_it_signs(
    padding: str, body: str, key: bytes
) -> None:
    """Both ways, and with a secret that lost its padding, as some dashboards show it."""
    secret = "whsec_" + base64.b64encode(key).decode().rstrip("=")
    secret += padding if len(secret.removeprefix("whsec_")) % 4 == 4 - len(padding) else ""
    now = datetime.now(UTC).replace(microsecond=0)
    theirs = Webhook(secret).sign("msg_1", now, body)
    stamp = str(int(now.timestamp()))

    Webhook(secret).verify(body, sign_standard(body.encode(), secret, int(stamp)), json_parse=False)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": theirs}
    assert STANDARD.verify(headers, body.encode(), [secret], now) == Verified(0)


def test_the_standards_own_example_is_accepted() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, the example of its specification and libraries."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verdict = STANDARD.verify(
        headers,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        datetime.fromtimestamp(1614265330, UTC),
    )

    assert verdict == Verified(0)


@pytest.mark.parametrize(
    "secret", ["whsec_", "", "whsec_!!", "whsec_é", "whsec_a", "whsec_YQ==YQ==", "whsec_ YQ=="]
)
def test_what_cannot_be_a_key_is_refused_in_words(secret: str) -> None:
    """So that the start can say what is wrong with the configuration."""
    with pytest.raises(ValueError, match="the secret is"):
        standard_key(secret)


@given(raw=st.binary(min_size=1))
def test_hex_and_base64_have_one_spelling(raw: bytes) -> None:
    """What is written is read back; nothing else gives the same bytes."""
    assert unhex(raw.hex()) == raw
    assert unbase64(base64.b64encode(raw).decode()) == raw
    assert utf8_key("é") == "é".encode()


@given(text=st.text(st.characters(max_codepoint=127)))
def test_what_is_read_is_what_would_be_written(text: str) -> None:
    """Blanks, capitals, missing padding and stray bits are nothing."""
    assert (raw := unhex(text)) is None or raw.hex() == text
    assert (raw := unbase64(text)) is None or base64.b64encode(raw).decode() == text


@pytest.mark.parametrize("text", ["", "A", "AB", "a b", "ab\n", "\tab", "abc", "٣٣"])
def test_what_is_not_lower_case_hex_is_nothing(text: str) -> None:
    """bytes.fromhex alone would take capitals and blanks."""
    assert unhex(text) is None


@pytest.mark.parametrize("text", ["QR==", "QQ", "QQ=", "QQ===", "Q Q==", "QQ==\n", "é", "-_=="])
def test_what_is_not_canonical_base64_is_nothing(text: str) -> None:
    """b64decode alone would take 'QR==' for 'QQ=='."""
    assert unbase64(text) is None
