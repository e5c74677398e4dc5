"""Bad input: each a clear problem, and nothing changed in any table."""

import gzip
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from hub.services.cursors import format_cursor
from hub.services.hub import Hub
from tests.web.client import Client
from tests.web.conftest import Query, Serve, Untouched, built_at
from tests.web.test_jobs import RECEIPT

ARGS = RECEIPT["args"]


@pytest.fixture(autouse=True)
async def unchanged(counts: Untouched, shop: Client, admin: Client) -> AsyncIterator[None]:
    """Whatever is refused in this file leaves no row behind."""
    before = await counts()
    yield
    assert await counts() == before


UNREADABLE = {
    "empty": (b"", "empty"),
    "broken": (b'{"job": ', "line 1, column"),
    "not utf-8": (b'{"job": "\xff"}', "UTF-8"),
    "lone surrogate": (b'{"job": "\\ud800"}', "not JSON"),
    "NaN": (b'{"job": "a", "args": {"x": NaN}}', "line 1"),
    "Infinity": (b'{"job": "a", "args": {"x": -Infinity}}', "line 1"),
    "two values": (b"{} {}", "line 1"),
    "deep": (b'{"args":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
    "very deep": (b"[" * 100_000, "not JSON"),
    "raw NUL": (b'{"job": "a\x00b"}', "not JSON"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_is_not_json_is_a_400_that_says_where(shop: Client, name: str) -> None:
    """Broken, too deep, not UTF-8, not numbers."""
    body, words = UNREADABLE[name]
    for path in ("/v1/jobs", "/v1/jobs/batch"):
        answer = await shop.post(path, body)
        assert answer.status == 400, answer.body
        assert words in answer.json["detail"]


UNFIT: dict[str, tuple[Any, str]] = {
    "not an object": ([1], ""),
    "a number": (7, ""),
    "no job": ({"args": ARGS}, "/job"),
    "job of another type": ({"job": 7, "args": ARGS}, "/job"),
    "unknown field": ({**RECEIPT, "prioritee": 1}, "/prioritee"),
    "args of another type": ({**RECEIPT, "args": [1]}, "/args"),
    "argument of another type": ({**RECEIPT, "args": {**ARGS, "amount": "many"}}, "/args/amount"),
    "argument missing": ({**RECEIPT, "args": {"to": "a"}}, "/args/amount"),
    "unknown argument": ({**RECEIPT, "args": {**ARGS, "x/y": 1}}, "/args/x~1y"),
    "priority too high": ({**RECEIPT, "priority": 10}, "/priority"),
    "priority a boolean": ({**RECEIPT, "priority": True}, "/priority"),
    "unknown queue": ({**RECEIPT, "queue": "nowhere"}, "/queue"),
    "queue with a space": ({**RECEIPT, "queue": "Robert'); DROP TABLE jobs"}, "/queue"),
    "run_at without offset": ({**RECEIPT, "run_at": "2027-01-01T00:00:00"}, "/run_at"),
    "run_at a number": ({**RECEIPT, "run_at": 1_800_000_000}, "/run_at"),
    "run_at digits": ({**RECEIPT, "run_at": "1800000000"}, "/run_at"),
    "run_at a date": ({**RECEIPT, "run_at": "2027-01-01"}, "/run_at"),
    "run_at on no day": ({**RECEIPT, "run_at": "2027-02-30T00:00:00Z"}, "/run_at"),
    "run_at before all time": ({**RECEIPT, "run_at": "0001-01-01T00:00:00+12:00"}, "/run_at"),
    "run_at in year 9999": ({**RECEIPT, "run_at": "9999-12-31T23:59:59-12:00"}, "/run_at"),
    "correlation id with a line break": ({**RECEIPT, "correlation_id": "a\nb"}, "/correlation_id"),
    "too many tags": ({**RECEIPT, "tags": ["t"] * 21}, "/tags"),
    "tag too long": ({**RECEIPT, "tags": ["t" * 65]}, "/tags/0"),
    "NUL in a value": ({**RECEIPT, "args": {**ARGS, "note": "a\0b"}}, "/args/note"),
    "NUL in a key": ({**RECEIPT, "args": {**ARGS, "a\0b": 1}}, "/args"),
    "NUL in a tag": ({**RECEIPT, "tags": ["ok", "a\0"]}, "/tags/1"),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_what_does_not_fit_is_a_422_that_points_at_it(shop: Client, name: str) -> None:
    """Each thing that is wrong has its pointer."""
    value, pointer = UNFIT[name]
    answer = await shop.post("/v1/jobs", value)
    assert answer.status == 422, answer.body
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert all(error["message"] for error in answer.json["errors"])


async def test_everything_that_is_wrong_is_told_at_once(shop: Client) -> None:
    """Three mistakes, one answer."""
    answer = await shop.post("/v1/jobs", {"job": "", "args": 1, "priority": -1})
    assert {error["pointer"] for error in answer.json["errors"]} == {"/job", "/args", "/priority"}


async def test_an_integer_beyond_64_bits_is_refused_and_not_rounded(shop: Client) -> None:
    """As a float it would be another number; as a string of digits it may pass."""
    answer = await shop.post(
        "/v1/jobs", b'{"job":"registry.send_receipt","args":{"to":"a","amount":123456789012345678901}}'
    )
    assert (answer.status, answer.json["code"]) == (422, "number_out_of_range")


async def test_absurdly_late_jobs_are_refused(shop: Client) -> None:
    """A year and a day ahead is a mistake in units."""
    far = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    answer = await shop.post("/v1/jobs", {**RECEIPT, "run_at": far})
    assert (answer.status, answer.json["code"]) == (422, "too_far_ahead")


async def test_an_unknown_job_is_a_404(shop: Client) -> None:
    """With the name that was asked for."""
    answer = await shop.post("/v1/jobs", {"job": "registry.nothing", "args": {}})
    assert (answer.status, answer.json["code"]) == (404, "unknown_job")


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256, "\t"])
async def test_an_idempotency_key_must_be_one(shop: Client, key: str) -> None:
    """1 to 255 visible ASCII characters."""
    answer = await shop.post("/v1/jobs", RECEIPT, Idempotency_Key=key)
    assert (answer.status, answer.json["code"]) == (422, "invalid_idempotency_key")


async def test_a_body_beyond_the_limit_is_a_413(shop: Client) -> None:
    """Whether its length is announced, or it just keeps coming."""
    large = b'"' + b"x" * (1024 * 1024) + b'"'

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65536

    assert (await shop.send("POST", "/v1/jobs", body=io.BytesIO(large))).status == 413
    assert (await shop.send("POST", "/v1/jobs", body=trickle())).status == 413
    assert (await shop.send("POST", "/webhooks/shop", body=io.BytesIO(large))).status == 413


async def test_arguments_have_a_limit_of_their_own(shop: Client) -> None:
    """256 KiB of JSON; the text limit of a field is the job's own."""
    answer = await shop.post("/v1/jobs", {**RECEIPT, "args": {**ARGS, "note": "x" * 262_144}})
    assert (answer.status, answer.json["code"]) == (422, "args_too_large")


async def test_a_compressed_bomb_is_a_413(shop: Client) -> None:
    """The limit is for what comes out of it."""
    body = gzip.compress(b" " * 50_000_000)
    assert len(body) < 1024 * 1024
    answer = await shop.send("POST", "/v1/jobs", headers={"Content-Encoding": "gzip"}, body=body)
    assert answer.status == 413


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer x",
        "Basic aHViOmh1Yg==",
        "Bearer hub_00000000000000000000000000000000_" + "A" * 43,
        "bearer hub_zz_" + "A" * 43,
        "Bearer " + "x" * 5000,
    ],
)
async def test_a_bad_key_is_a_401(anyone: Client, given: str) -> None:
    """Which part of it is bad is not told."""
    answer = await anyone.post("/v1/jobs", RECEIPT, Authorization=given)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_wrong_secret_of_a_right_key_is_a_401(shop: Client) -> None:
    """The id alone opens nothing."""
    assert shop.key is not None
    forged = shop.key[:-1] + ("A" if shop.key[-1] != "A" else "B")
    assert (await shop.with_key(forged).post("/v1/jobs", RECEIPT)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/queues/payments/pause", "jobs:operate"),
        ("POST", "/v1/jobs/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10/retry", "jobs:operate"),
        ("POST", "/v1/jobs/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10/cancel", "jobs:operate"),
        ("GET", "/v1/events", "events:list"),
        ("POST", "/v1/events/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10/replay", "events:operate"),
    ],
)
async def test_a_key_without_the_scope_is_a_403_that_names_it(
    shop: Client, method: str, path: str, scope: str
) -> None:
    """A key that writes and reads jobs does no more than that."""
    answer = await shop.send(method, path)
    assert answer.status == 403
    assert scope in answer.json["detail"]
    assert f'scope="{scope}"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "given",
    [
        "limit=0",
        "limit=201",
        "limit=ten",
        "state=asleep",
        "state=",
        "unknown=1",
        "cursor=abc",
        "cursor=%00",
        "tag=",
        "created_after=yesterday",
        "created_after=0001-01-01T00:00:00%2B14:00",
        "created_before=9999-12-31T23:59:59-14:00",
        "created_after=2027-01-02T00:00:00Z&created_before=2027-01-01T00:00:00Z",
        "limit=1&limit=2",
        "event_id=7",
        "text=%00",
    ],
)
async def test_a_query_that_does_not_fit_is_a_422(shop: Client, given: str) -> None:
    """Misspelt filters are not ignored: they would show too much."""
    answer = await shop.get(f"/v1/jobs?{given}")
    assert answer.status == 422, answer.body


async def test_a_cursor_of_another_list_is_refused(admin: Client, hub: Hub) -> None:
    """And so is one with a single bit turned."""
    cursor = format_cursor("events", uuid4())
    assert (await admin.get(f"/v1/jobs?cursor={cursor}")).status == 422
    assert (await admin.get(f"/v1/events?cursor={cursor}")).status == 200
    turned = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    assert (await admin.get(f"/v1/events?cursor={turned}")).status == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/queues"),
        ("GET", "/v1/providers"),
        ("GET", "/v1/events/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10"),
        ("POST", "/v1/queues/payments/pause"),
    ],
)
async def test_a_query_that_is_not_asked_for_is_a_422(
    admin: Client, query: Query, method: str, path: str
) -> None:
    """Where no parameter is known, none is ignored either, and nothing is done."""
    answer = await admin.send(method, f"{path}?state=paused")
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/query/state")
    assert await query("SELECT count(*) FROM audit_log WHERE action LIKE 'queue%'") == [(0,)]


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
async def test_waiting_has_bounds(shop: Client, wait: str) -> None:
    """No time that is none."""
    answer = await shop.get(f"/v1/jobs/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10?wait={wait}")
    assert answer.status == 422


@pytest.mark.parametrize(
    "path", ["/v1/jobs/7", "/v1/jobs/%00", "/v1/events/x", "/v1/jobs/01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10"]
)
async def test_what_is_not_there_is_a_404(admin: Client, path: str) -> None:
    """Whether the id is one or not."""
    assert (await admin.get(path)).status == 404


async def test_a_queue_that_is_not_there_cannot_be_paused(admin: Client) -> None:
    """And is not made by trying."""
    for name in ("nowhere", "No%20Queue"):
        assert (await admin.post(f"/v1/queues/{name}/pause")).status == 404


async def test_a_batch_must_be_one(shop: Client) -> None:
    """A list of 1 to 1,000 jobs; one idempotency key cannot stand for many."""
    wrong: list[Any] = [{"jobs": []}, [], {"jobs": [RECEIPT] * 1_001}, {"jobs": 1}, {"items": [RECEIPT]}, {}]
    for value in wrong:
        assert (await shop.post("/v1/jobs/batch", value)).status == 422
    answer = await shop.post("/v1/jobs/batch", [RECEIPT], Idempotency_Key="k")
    assert answer.status == 422


EVENT = {"id": "evt_1", "type": "order.paid"}


@pytest.mark.parametrize(
    ("signature", "status"), [("", 401), ("sha256=", 401), ("sha256=zz", 401), ("sha256=" + "00" * 32, 401)]
)
async def test_a_webhook_without_the_right_signature_is_a_401(
    anyone: Client, signature: str, status: int
) -> None:
    """Which part is wrong is not told to the sender."""
    answer = await anyone.webhook("shop", EVENT, X_Signature=signature)
    assert (answer.status, answer.json["detail"]) == (status, "the signature was not accepted")


async def test_a_source_without_a_secret_takes_nothing(anyone: Client) -> None:
    """Not even what is signed with an empty secret."""
    assert (await anyone.webhook("silent", EVENT, secret="")).status == 401


async def test_an_unknown_source_is_a_404(anyone: Client) -> None:
    """Before its body is looked at."""
    assert (await anyone.webhook("nobody", EVENT)).status == 404


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"id": 1}', b'{"id":"a","type":"\\ud800"}', b'{"id":"\\u0000","type":"t"}', b"\xff"],
)
async def test_a_webhook_that_cannot_be_read_is_a_400(anyone: Client, body: bytes) -> None:
    """Signed as it should be, and no event."""
    answer = await anyone.webhook("shop", body)
    assert answer.status == 400, answer.body


async def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(
    database_url: str, redis_url: str, serve: Serve
) -> None:
    """Nobody can be let in, and nothing is taken that could be lost."""
    async with built_at("postgresql://hub@127.0.0.1:1/none", redis_url) as away:
        client = await serve(away)
        key = "hub_" + "0" * 32 + "_" + "A" * 43
        for answer in (
            await client.with_key(key).post("/v1/jobs", RECEIPT),
            await client.webhook("shop", EVENT),
        ):
            assert (answer.status, answer.json["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
        assert (await client.get("/readyz")).status == 503
        assert (await client.get("/livez")).status == 200
