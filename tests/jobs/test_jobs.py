"""What the jobs do with what providers answer. Every step goes through the real sender, to stand-ins that count."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from hub import Call, CallError, Declined, Operation, Rejected
from hub.domain.specs import JobSpec
from hub.infra.sender import Sender
from hub.registry import load
from integrations import http
from jobs import github, payments
from jobs import http as http_job
from tests.infra.calls import sending
from tests.simulators.faulty import faulty
from tests.simulators.mailbox import RunningMailbox
from tests.simulators.mailbox import running as running_mailbox
from tests.simulators.stripe import RunningStripe
from tests.simulators.stripe import running as running_stripe

T = TypeVar("T")
GITHUB = load().sources["github"]


def opened() -> dict[str, Any]:
    """The event that GitHub sends."""
    payload: dict[str, Any] = json.loads(
        GITHUB.sample("issues.opened", id="1", at=datetime(2026, 11, 20, tzinfo=UTC)).body
    )
    return payload


class Log:
    def info(self, event: str, **fields: Any) -> None: ...
    def warning(self, event: str, **fields: Any) -> None: ...


class Context:
    """A JobContext that sends, and keeps no ledger: that has tests of its own."""

    job_id = "0198b2f4-6c5e-7d10-9a3b-5f0c2d1e4a77"
    attempt = 1
    correlation_id = "request-1"
    log = Log()

    def __init__(self, sender: Sender, urls: dict[str, str], credentials: dict[str, str]) -> None:
        self.sender = sender
        self.urls = urls
        self.credentials = credentials
        self.called: list[str] = []

    async def call(self, operation: Operation[Any, Any], /, **args: Any) -> Any:
        self.called.append(operation.name)
        call = Call(
            self.urls.get(operation.provider.name, operation.provider.base_url),
            self.credentials,
            f"hub-{self.job_id}-{len(self.called)}-0",
            self.correlation_id,
        )
        return await self.sender.send(operation, operation.args(**args), call)

    async def step(self, _name: str, work: Callable[[], Awaitable[T]], /) -> T:
        return await work()


@pytest.fixture
async def stripe() -> AsyncIterator[RunningStripe]:
    async with running_stripe() as stripe:
        yield stripe


@pytest.fixture
async def mailbox() -> AsyncIterator[RunningMailbox]:
    async with running_mailbox() as mailbox:
        yield mailbox


@pytest.fixture
async def ctx(stripe: RunningStripe, mailbox: RunningMailbox) -> AsyncIterator[Context]:
    async with sending() as sender:
        urls = {"stripe": stripe.url, "email": f"smtp://127.0.0.1:{mailbox.smtp_port}"}
        credentials = {
            "secret_key": "sk_test_x",
            "from": "shop@example.org",
            "notify_to": "ops@example.org",
            "allow_private": "1",
        }
        yield Context(sender, urls, credentials)


async def run(spec: JobSpec, ctx: Context, **args: Any) -> Any:
    return await spec.function(ctx, spec.args.model_validate(args))


async def test_a_charge_is_made_and_confirmed_in_one_step(ctx: Context, stripe: RunningStripe) -> None:
    """One call, so that there is no half-made payment to clean up."""
    paid = await run(payments.charge, ctx, amount=1999, currency="EUR", payment_method="pm_card_visa")
    assert (paid.status, paid.amount, paid.currency) == ("succeeded", 1999, "eur")
    assert ctx.called == ["stripe POST /v1/payment_intents"]
    assert stripe.simulator.account.counts["payment_intent.succeeded.amount"] == 1999


async def test_a_declined_charge_stays_the_providers_word(ctx: Context) -> None:
    """The job leaves it alone: the hub decides."""
    with pytest.raises(Declined):
        await run(payments.charge, ctx, amount=1999, currency="eur", payment_method="pm_card_chargeDeclined")


async def test_a_payment_can_be_given_back(ctx: Context, stripe: RunningStripe) -> None:
    """In part."""
    paid = await run(payments.charge, ctx, amount=1999, currency="eur", payment_method="pm_card_visa")
    refunded = await run(payments.refund, ctx, payment_intent=paid.id, amount=500)
    assert (refunded.status, refunded.amount) == ("succeeded", 500)
    assert stripe.simulator.account.counts["refund.created"] == 1


def event(payment: str, receipt_email: str | None = None) -> dict[str, Any]:
    return {"id": "evt_1", "data": {"object": {"id": payment, "receipt_email": receipt_email}}}


async def test_a_receipt_goes_to_the_address_that_the_payment_names(
    ctx: Context, mailbox: RunningMailbox
) -> None:
    """Asked for at Stripe, and written as people write money."""
    paid = await run(
        payments.charge,
        ctx,
        amount=1999,
        currency="eur",
        payment_method="pm_card_visa",
        receipt_email="jenny@example.com",
    )
    receipt = await run(payments.send_receipt, ctx, **event(paid.id, "old@example.com"))
    [mail] = mailbox.mails.kept
    assert receipt.status == "sent"
    assert receipt.message_id == mail.message_id
    assert mail.to == ("jenny@example.com",)
    assert mail.subject == "Your receipt for 19.99 EUR"
    assert paid.id in mail.text


async def test_without_an_address_there_is_no_receipt(ctx: Context, mailbox: RunningMailbox) -> None:
    """Which is told, and is no failure."""
    paid = await run(payments.charge, ctx, amount=1999, currency="eur", payment_method="pm_card_visa")
    receipt = await run(payments.send_receipt, ctx, **event(paid.id))
    assert (receipt.status, receipt.message_id) == ("skipped", None)
    assert "no address" in receipt.reason
    assert not mailbox.mails.kept


async def test_a_payment_that_did_not_succeed_gets_no_receipt(ctx: Context, stripe: RunningStripe) -> None:
    """Events can be forged by an operator's replay, or be old; Stripe knows."""
    with pytest.raises(Declined):
        await run(payments.charge, ctx, amount=1999, currency="eur", payment_method="pm_card_chargeDeclined")
    [payment] = stripe.simulator.account.payment_intents
    receipt = await run(payments.send_receipt, ctx, **event(payment, "jenny@example.com"))
    assert receipt.status == "skipped"
    assert "requires_payment_method" in receipt.reason


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1999, "eur", "19.99 EUR"),
        (5, "usd", "0.05 USD"),
        (1999, "jpy", "1999 JPY"),
        (1999, "kwd", "1.999 KWD"),
    ],
)
def test_money_is_written_with_as_many_places_as_it_has(amount: int, currency: str, text: str) -> None:
    """https://docs.stripe.com/currencies#zero-decimal"""
    assert payments.money_text(amount, currency) == text


async def test_an_issue_is_announced(ctx: Context, mailbox: RunningMailbox) -> None:
    """To whoever watches the hub, from the very event that GitHub sends."""
    sample = opened()
    announced = await run(github.announce_issue, ctx, **sample)
    [mail] = mailbox.mails.kept
    assert announced.status == "sent"
    assert mail.to == ("ops@example.org",)
    assert sample["issue"]["title"] in mail.subject
    assert sample["issue"]["html_url"] in mail.text


async def test_a_hostile_title_is_still_announced(ctx: Context, mailbox: RunningMailbox) -> None:
    """Anybody may open an issue."""
    sample = opened()
    sample["issue"]["title"] = "a\r\nBcc: all@example.com\r\n\0" + "ß" * 1000
    await run(github.announce_issue, ctx, **sample)
    [mail] = mailbox.mails.kept
    assert mail.to == ("ops@example.org",)
    assert "Bcc" not in mail.headers


@pytest.mark.parametrize("missing", ["notify_to", "from"])
async def test_without_mail_an_issue_is_skipped_with_the_reason(ctx: Context, missing: str) -> None:
    """The least that has to be configured is nothing."""
    del ctx.credentials[missing]
    sample = opened()
    announced = await run(github.announce_issue, ctx, **sample)
    assert announced.status == "skipped"
    assert f"HUB_EMAIL_{missing.upper()} must be set" in announced.reason


async def test_a_mail_server_that_refuses_an_announcement_is_no_reason_to_skip(
    ctx: Context, mailbox: RunningMailbox
) -> None:
    """Only what is not configured is skipped; the rest is for the hub to judge."""
    mailbox.mails.order({"fault": {"code": 550, "stage": "rcpt"}})
    with pytest.raises(Rejected):
        await run(github.announce_issue, ctx, **opened())


@pytest.mark.parametrize(
    ("args", "operation", "method"),
    [
        ({"method": "GET"}, http.fetch, "GET"),
        ({"body": {"a": 1}}, http.send, "POST"),
        ({"method": "PUT", "body": "text", "repeatable": True}, http.send_repeatable, "PUT"),
    ],
)
async def test_a_request_goes_where_it_is_told(
    ctx: Context, args: dict[str, Any], operation: Operation[Any, Any], method: str
) -> None:
    """As a read, as a write, or as a write that may be repeated."""
    async with faulty() as server:
        answer = await run(
            http_job.request, ctx, url=f"{server.url}/ok", headers={"X-Shop": "berlin"}, **args
        )
    assert ctx.called == [operation.name]
    assert json.loads(answer.body)["method"] == method
    assert server.requests[0].headers["x-shop"] == "berlin"


async def test_a_request_to_a_receiver_that_fails_stays_an_error(ctx: Context) -> None:
    """The hub decides about a retry."""
    async with faulty() as server:
        with pytest.raises(CallError):
            await run(http_job.request, ctx, url=f"{server.url}/status?code=503")


def test_a_read_carries_no_body() -> None:
    """Which would be dropped on the way."""
    with pytest.raises(ValueError, match="carry no body"):
        http_job.Request.model_validate({"method": "GET", "url": "https://example.com", "body": {"a": 1}})
