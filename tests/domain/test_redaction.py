"""What is never written down."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from hub.domain.redaction import MAX_TEXT, REDACTED, Redactor, Secret, is_secret_name

REDACTOR = Redactor()
KEY = "hub_" + "0" * 32 + "_" + "s" * 43


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "rk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        KEY,
        "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",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "Bearer abcdef0123456789",
        "Basic dXNlcjpwYXNzd29yZA==",
        "postgresql://hub:pa55-word@db/hub",
        "password=pa55-word",
        "'client_secret': 'abc123def'",
        "Stripe-Signature: t=1,v1=5257a869e7eceb",
        "4242 4242 4242 4242",
        "4242424242424242",
        "378282246310005",
    ],
)
def test_a_secret_is_blotted_out_by_its_look_wherever_it_stands(secret: str) -> None:
    """In the middle of a sentence, in a list, in a mapping, and as a mapping's key."""
    telling = secret.rpartition("@")[0][-8:] or secret[-8:].strip("'")
    sentence = f"the provider said: {secret} is no good"
    for written in (sentence, [sentence], {"note": (sentence,)}, {sentence: 1}, ValueError(sentence)):
        clean = repr(REDACTOR.value(written))
        assert REDACTED in clean
        assert telling not in clean


@pytest.mark.parametrize(
    "text",
    [
        "stripe answered 402",
        "job 0198f3a2-7c1e-7b3a-9f00-123456789012 took 1234567890123456 ns",
        "2026-11-05T12:00:00.123456Z",
        "payment intent pi_3MtwBwLkdIwHu7ix28a3tqPa declined",
        "basic authentication is not enough",
        "ch_4242",
        "order 4242424242424241",  # one digit off: no card
        "http://127.0.0.1:8080/v1/jobs",
        "key: value",
    ],
)
def test_what_an_operator_needs_stays_readable(text: str) -> None:
    """Ids, times, addresses and ordinary words."""
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "webhook_secret",
        "PASSWORD",
        "x-api-key",
        "apiKey",
        "set-cookie",
        "csrf_token",
        "cvc",
        "DSN",
    ],
)
def test_a_field_is_blotted_out_by_its_name(name: str) -> None:
    """Whatever it holds."""
    assert is_secret_name(name)
    assert REDACTOR.value({"a": [{name: ["x", 1]}]}) == {"a": [{name: REDACTED}]}


@pytest.mark.parametrize("name", ["idempotency_key", "key", "author", "span", "company", "job"])
def test_a_harmless_name_is_left_alone(name: str) -> None:
    """Names that only look a little like a secret's."""
    assert not is_secret_name(name)


def test_configured_secrets_are_known_whatever_they_look_like() -> None:
    """A password has no look of its own."""
    redactor = Redactor.knowing(["correct horse", "correct horse battery", "ab"])
    assert redactor.text("it is correct horse battery, ab") == f"it is {REDACTED}, ab"


def test_plain_values_keep_their_type() -> None:
    """So that logs stay searchable by number and time."""
    now = datetime.now(UTC)
    value: dict[str, Any] = {"n": 1, "f": 0.5, "b": True, "none": None, "at": now, "id": UUID(int=1)}
    assert REDACTOR.value(value) == value
    assert REDACTOR.value({"card": 4242424242424242, "ns": 1234567890123456789}) == {
        "card": REDACTED,
        "ns": 1234567890123456789,
    }


def test_bytes_are_never_written_down() -> None:
    """A body may hold anything."""
    assert REDACTOR.value(b"12345") == "<5 bytes>"


def test_something_that_cannot_be_written_down_stops_nothing() -> None:
    """An object whose text cannot be made, a loop, a crowd."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    loop: list[Any] = []
    loop.append(loop)
    assert REDACTOR.value(Broken()) == "<Broken>"
    assert "too deep" in repr(REDACTOR.value(loop))
    assert REDACTOR.value(list(range(1000)))[-1] == "800 more"


def test_a_long_text_is_cut_and_its_cost_is_bounded() -> None:
    """However it was made up to be slow: no pattern backtracks without bound."""
    for piece in ("a", "1 ", "://a:", "secret", "bearer ", "4242", "eyJaaaaaaaa.", " \t=", "token="):
        began = time.process_time()
        clean = REDACTOR.text(piece * 1_000_000)
        assert time.process_time() - began < 1
        assert len(clean) <= 2 * MAX_TEXT


def test_a_secret_cut_in_two_leaves_no_piece_behind() -> None:
    """The end of what is kept is thrown away with it."""
    text = "x " * (MAX_TEXT // 2 - 5) + "4242 4242 4242 4242 and more"
    assert "4242" not in REDACTOR.text(text)


def test_a_secret_never_shows_itself() -> None:
    """Neither as text, nor in another text, nor in what holds it."""
    secret = Secret("correct horse")
    assert "horse" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "correct horse"
