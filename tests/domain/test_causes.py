"""What two failures have in common: what tells causes apart, and what does not."""

import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.causes import MOST_OF_A_JOB, Cause, Place, normalise, rest_of

CALL = Place("stripe POST /v1/charges", "stripe", "stripe.create_charge")


def signature(message: str) -> str:
    return Cause.of("payments.charge", "NoAnswer", "timeout", message, CALL).signature


@given(ids=st.tuples(st.uuids(), st.uuids()), numbers=st.tuples(st.integers(0), st.integers(0)))
def test_failures_of_one_cause_share_a_signature(ids: tuple[UUID, UUID], numbers: tuple[int, int]) -> None:
    """Ids, numbers, quoted values, addresses and times do not tell causes apart."""

    def made(which: int) -> str:
        uuid, number = ids[which], numbers[which]
        ulid = f"01J9ZK{number % 10**8:08d}ABCDEF7890"[:26]
        return signature(
            f"charge {uuid} ({uuid.hex}, cus_Q{uuid.hex[:13]}, {ulid}) of {number} for 'shop {number}' and "
            f"buyer.{number}@example.com failed at 2026-11-03T12:00:{number % 60:02d}"
        )

    assert made(0) == made(1)


# What providers and libraries say, twice each: Stripe, SendGrid, Gmail, Outlook, Postfix, aiohttp, httpx, asyncpg, Kubernetes.
SAME = [
    ("No such payment_intent: 'pi_3MtwBwLkdIwHu7ix28a3tqPa'", "No such payment_intent: 'pi_1Gt0582eZvKYlo2C'"),
    ("Amount must be at least $0.50 usd", "Amount must be at least $1 usd"),
    (
        "Try using a key other than '0199-1-0' if you meant to execute a different request.",
        "Try using a key other than '01aa-2-1' if you meant to execute a different request.",
    ),
    ("request req_8sPwbNJqCkRmyZ failed", "request req_W2wz5QfyMRWYb0 failed"),
    (
        "email replied 550: 5.1.1 <bob@example.com>: Recipient address rejected: User unknown",
        "email replied 550: 5.1.1 <eve@example.org>: Recipient address rejected: User unknown",
    ),
    (
        "550 5.1.1 The email account does not exist. d2e1a72fcca58-72a1b2c3d4esi123456b3a.123 - gsmtp",
        "550 5.1.1 The email account does not exist. 5614622812f47-3eb00c0ffeesi987b2f.7 - gsmtp",
    ),
    (
        "550 5.5.0 mailbox unavailable [BN8NAM11FT012.eop-nam11.prod.protection.outlook.com 2026-01-01T00:00:00.000Z 08DC0A1B2C3D4E5F]",
        "550 5.5.0 mailbox unavailable [DB5EUR03FT064.eop-EUR03.prod.protection.outlook.com 2026-12-24T18:30:12.345Z 08DD1A1B2C3D4E6A]".replace("EUR03.p", "nam11.p"),
    ),
    ("421 4.7.0 [TSS04] Messages from 10.2.3.4 deferred", "421 4.7.0 [TSS04] Messages from 192.168.7.1 deferred"),
    (
        "Client error '404 Not Found' for url 'https://api.example.com/orders/17'",
        "Client error '404 Not Found' for url 'https://api.example.com/orders/a-b'",
    ),
    ("GET https://api.example.com/o?id=abc&x=def failed", "GET https://api.example.com/o?id=zz failed"),
    ("[Errno 111] Connect call failed ('127.0.0.1', 5432)", "[Errno 111] Connect call failed ('::1', 5432, 0, 0)"),
    (
        'duplicate key value violates unique constraint "users_email_key" (email)=(a@example.com)',
        'duplicate key value violates unique constraint "users_email_key" (email)=(b@example.org)',
    ),
    ("retry after Mon, 23 Nov 2026 07:05:02 GMT", "retry after Tue, 01 Dec 2026 17:15:22 GMT"),
    ("ids 1, 2 and 3 are missing", "ids 4, 5, 6, 7 and 8 are missing"),
    ("pod web-7d9f8b6c5-x2x4z is gone", "pod web-5c4d3b2a19-abcde is gone"),
    ("<Order object at 0x7f12ab34cd>", "<Order object at 0x10>"),
    ("card [redacted] was not taken", "card 4000056655665556 was not taken"),
    ("the balance is -5", "the balance is 5"),
    ("off by 1e-05", "off by 0.25"),
    ("at 2026-11-03T12:00:00+00:00", "at 2026-11-04T12:00:00Z"),
    ("token eyJhbGciOi1I2NiJ9 expired", "token c2lnbmF0dXJ1MQ expired"),
]  # fmt: skip
DIFFERENT = [
    ("no_such_column is missing", "no_such_table is missing"),
    ("can't connect, won't retry", "can't read, won't retry"),
    ("the card was declined", "the card has expired"),
    ("stripe answered 503", "stripe answered 500"),
    ("email replied 550: 5.1.1 no", "email replied 550: 5.7.1 no"),
    ("email replied 450: later", "email replied 451: later"),
    ("Client error '404 Not Found' for url 'x'", "Client error '403 Forbidden' for url 'x'"),
    ("HTTP 502", "HTTP 504"),
    ("/v1/orders is gone", "/v2/orders is gone"),
    ("[Errno 111] failed", "[Errno 113] failed"),
    ("the process was killed by signal 9", "the process was killed by signal 11"),
    ("'customer'", "'amount'"),
    ("'NoneType' object has no attribute 'id'", "'NoneType' object has no attribute 'name'"),
    ('relation "orders" does not exist', 'relation "users" does not exist'),
    ('violates unique constraint "a_key"', 'violates unique constraint "b_key"'),
    ("Missing required param: 'amount'", "Missing required param: 'currency'"),
    ("PaymentIntentStatusUnexpected", "PaymentIntentAlreadyConfirmed"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_messages_of_one_cause_are_normalised_alike(one: str, other: str) -> None:
    """What differs from one failure to the next is taken out."""
    assert one != other
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_messages_of_different_causes_stay_apart(one: str, other: str) -> None:
    """Words, names that code gives, and numbers with a meaning tell causes apart."""
    assert signature(one) != signature(other)


_TEXT = st.text(string.ascii_letters + string.digits + " _", max_size=20)


@given(parts=st.lists(_TEXT, min_size=6, max_size=6), place=st.integers(0, 5))
def test_each_part_of_a_cause_counts(parts: list[str], place: int) -> None:
    """Job, step, provider, operation, class and code are part of the cause."""

    def made(job: str, step: str, provider: str, operation: str, kind: str, code: str) -> str:
        return Cause.of(job, kind, code, "message", Place(step, provider, operation)).signature

    other = [part + "x" * (place == index) for index, part in enumerate(parts)]
    assert len(made(*parts)) == 16
    assert made(*parts) != made(*other)


@given(parts=st.lists(st.text(max_size=5), min_size=2, max_size=2))
def test_what_stands_at_the_end_of_one_part_is_not_taken_for_the_next(parts: list[str]) -> None:
    """A boundary moved is another cause, whatever the characters."""
    one, other = parts
    moved = Cause.of(one + other, "", "", "").signature == Cause.of(one, other, "", "").signature
    assert moved is (other == "")


@given(st.text())
def test_normalising_is_bounded_and_stable(message: str) -> None:
    """No more than 200 characters, which can be stored; the same every time."""
    cause = Cause.of("job", "Kind", "code", message)

    assert len(cause.message) <= 200
    assert "\0" not in cause.message
    assert cause.message.encode().decode() == cause.message
    assert cause == Cause.of("job", "Kind", "code", message)


@given(st.integers(0), st.integers(0))
def test_a_number_without_a_meaning_is_taken_out(one: int, other: int) -> None:
    """However long, and wherever it stands."""
    assert normalise(f"order {one} of {one}x") == normalise(f"order {other} of {other}x")


@given(st.integers(0, 190), st.text(string.ascii_letters + string.digits, min_size=12, max_size=24))
def test_an_id_at_the_end_is_never_cut_in_two(before: int, name: str) -> None:
    """A message is cut after it was normalised: half an id would tell two failures apart."""
    assert normalise("a " * before + f"cus_Q1{name}") == normalise("a " * before + "cus_Q1abcdefghijkl")


@pytest.mark.parametrize(
    "piece",
    [
        "'a", "a_", "ab_c", "deadbeef", "1:", '"', "a@", "A1", "a.", "'", "\0", "a?a=", "mon ", "1 jan ", "a:",
        "answered ", "key '", "[Errno ", "-a1b2c3d4", "…", "… ", "550 ", "0x", "`",
    ],
)  # fmt: skip
def test_normalising_a_huge_message_takes_no_time(piece: str) -> None:
    """No message, however made, is slow to normalise; quadratic work here would take minutes, and time the test out."""
    assert len(normalise(piece * 200_000)) <= 200


def test_the_rest_of_a_job_is_one_cause_of_its_own() -> None:
    """Beyond the bound each job has one group more."""
    assert MOST_OF_A_JOB > 1
    assert rest_of("a.b").signature == rest_of("a.b").signature != rest_of("a.c").signature
