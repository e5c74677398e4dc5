"""Every way an order can go, through a real hub, to stand-ins that count what they did."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from hub.registry import load
from tests.jobs.checkout import ASKING, REFUSED, Checkout, open_checkout

THANKS, SORRY = "Your receipt for", "We could not complete"
AT_ONCE = {"confirm_within": "PT0.05S"}


@pytest.fixture
async def checkout(database_url: str, redis_url: str) -> AsyncIterator[Checkout]:
    """Open for orders."""
    async with open_checkout(load(), database_url, redis_url) as made:
        yield made


async def paid(checkout: Checkout, order: UUID) -> None:
    """The money was held and taken once, the receipt was sent once, and the question waits for its day."""
    assert (await checkout.engine.job(order)).state == "succeeded"
    happened = checkout.happened(order)
    assert (happened["held"], happened["captured"], happened["canceled"]) == (1, 1, 0)
    assert checkout.mails(order) == [THANKS]
    receipt, later = await checkout.letters(order)
    assert (receipt.state, later.state) == ("succeeded", "scheduled")


async def taken_back(checkout: Checkout, order: UUID, state: str = "failed") -> Any:
    """Nothing was taken, nothing is held, and the customer was told once, after that. Gives the job."""
    row = await checkout.engine.job(order)
    assert row.state == state
    happened = checkout.happened(order)
    assert (happened["captured"], happened["canceled"]) == (0, 1)
    assert checkout.mails(order) == [SORRY]
    assert not await checkout.letters(order)
    return row


async def test_an_order_is_paid_at_once_where_the_bank_asks_nothing(checkout: Checkout) -> None:
    """Held, taken, and a receipt; the mail that asks how it was is due in a week."""
    order = await checkout.order()
    await checkout.work()
    await paid(checkout, order)
    row = await checkout.engine.job(order)
    receipt, later = await checkout.letters(order)
    assert row.result == {
        "payment": checkout.payment(order)["id"],
        "amount": 1999,
        "currency": "eur",
        "receipt": str(receipt.id),
    }
    assert (later.run_at - row.settled_at).days in {6, 7}


async def test_an_order_waits_for_its_customer_without_a_worker(checkout: Checkout) -> None:
    """The bank asks: the job waits, whoever looks sees for what, and goes on when the webhook comes."""
    order = await checkout.order(ASKING)
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.worker_id) == ("waiting", None)
    assert checkout.payment(order)["id"] in row.progress["note"]
    await checkout.customer_says(order, yes=True)
    await checkout.work()
    await paid(checkout, order)


async def test_a_webhook_that_comes_before_the_wait_is_not_missed(checkout: Checkout) -> None:
    """The customer is faster than the hub, whose first request got no answer."""
    checkout.fault({"reset": "after"}, "")
    order = await checkout.order(ASKING)
    await checkout.work()
    assert (await checkout.engine.job(order)).state == "retrying"
    await checkout.customer_says(order, yes=True)
    await checkout.engine.pass_time()
    await checkout.work()
    await paid(checkout, order)


async def test_a_webhook_that_is_lost_does_not_lose_the_order(checkout: Checkout) -> None:
    """When the time is over, Stripe is asked before anything is given up."""
    checkout.unplug_webhooks()
    checkout.have_a_quick_customer()
    order = await checkout.order(ASKING, **AT_ONCE)
    await until_over(checkout, order)
    await paid(checkout, order)


async def test_a_declined_card_is_told_to_the_customer(checkout: Checkout) -> None:
    """Nothing was held, so there is nothing to let go of."""
    order = await checkout.order(REFUSED)
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.reason, row.error_code) == ("failed", "declined", "card_declined")
    assert checkout.happened(order) == {"created": 1, "payment_failed": 1}
    assert checkout.mails(order) == [SORRY]


async def test_a_customer_who_says_no_is_let_go(checkout: Checkout) -> None:
    """The job fails with the bank's word for it."""
    order = await checkout.order(ASKING)
    await checkout.work()
    await checkout.customer_says(order, yes=False)
    await checkout.work()
    row = await taken_back(checkout, order)
    assert (row.reason, row.error_code) == ("stopped", "payment_intent_authentication_failure")


async def test_a_customer_who_says_nothing_is_let_go(checkout: Checkout) -> None:
    """When the time is over, and Stripe does not know better."""
    order = await checkout.order(ASKING, **AT_ONCE)
    await until_over(checkout, order)
    assert (await taken_back(checkout, order)).error_code == "wait_timed_out"


async def test_an_order_can_be_cancelled_while_it_waits(checkout: Checkout) -> None:
    """By an operator: everything is taken back, and it stays cancelled even if the customer says yes at last."""
    order = await checkout.order(ASKING)
    await checkout.work()
    await checkout.engine.hub.operate.cancel(checkout.engine.principal, order)
    await checkout.work()
    await taken_back(checkout, order, "cancelled")


async def test_a_declined_capture_lets_go_of_the_money(checkout: Checkout) -> None:
    """The card was blocked since; what was held is voided, and only then the customer is told."""
    order = await checkout.order(ASKING)
    await checkout.work()
    await checkout.customer_says(order, yes=True)
    checkout.block_card(ASKING)
    await checkout.work()
    row = await taken_back(checkout, order)
    assert (row.reason, row.error_code) == ("declined", "card_declined")
    assert checkout.happened(order)["held"] == 1


async def test_a_hold_that_lapsed_needs_no_voiding(checkout: Checkout) -> None:
    """The capture is refused, the void finds it done, and the customer is told."""
    order = await checkout.order(ASKING)
    await checkout.work()
    await checkout.customer_says(order, yes=True)
    await checkout.hold_lapses(order)
    await checkout.work()
    row = await taken_back(checkout, order)
    assert (row.reason, row.error_code) == ("rejected", "payment_intent_unexpected_state")


async def test_a_void_is_repeated_until_it_is_done(checkout: Checkout) -> None:
    """Stripe is away when the order is to be taken back: once it is there again, there is one void and one apology."""
    order = await checkout.order(ASKING)
    await checkout.work()
    checkout.fault({"reset": "after"}, "/[^/]+/cancel")
    checkout.fault({"status": 503}, "/[^/]+/cancel")
    await checkout.customer_says(order, yes=False)
    await until_over(checkout, order)
    await taken_back(checkout, order)


async def test_a_sale_that_may_stand_is_not_apologised_for(checkout: Checkout) -> None:
    """Money was taken, the answer was lost, and the operator cancelled: the void is refused, and a person must look."""
    order = await checkout.order(ASKING)
    await checkout.work()
    checkout.fault({"reset": "after"}, "/[^/]+/capture")
    await checkout.customer_says(order, yes=True)
    await checkout.work()
    assert (await checkout.engine.job(order)).state == "retrying"
    await checkout.engine.hub.operate.cancel(checkout.engine.principal, order)
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.reason) == ("failed", "compensation_failed")
    assert checkout.happened(order)["captured"] == 1
    assert checkout.mails(order) == []


async def test_a_hold_that_may_stand_is_told(checkout: Checkout) -> None:
    """Stripe was asked and never answered, and the operator cancelled: nobody knows which payment to void."""
    checkout.fault({"reset": "after"}, "")
    order = await checkout.order()
    await checkout.work()
    await checkout.engine.hub.operate.cancel(checkout.engine.principal, order)
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert "stripe POST /v1/payment_intents was sent at" in row.error_message
    assert checkout.happened(order)["held"] == 1


async def test_a_receipt_that_is_refused_does_not_undo_the_sale(checkout: Checkout) -> None:
    """The order stands; the receipt is a failure of its own, for a person to see."""
    checkout.mailbox.mails.order({"times": 1, "fault": {"code": 550, "stage": "rcpt"}})
    order = await checkout.order()
    await checkout.work()
    receipt, _ = await checkout.letters(order)
    assert (await checkout.engine.job(order)).state == "succeeded"
    assert (receipt.state, receipt.reason) == ("failed", "declined")
    assert (checkout.happened(order)["captured"], checkout.happened(order)["canceled"]) == (1, 0)


async def test_an_apology_that_may_have_been_sent_is_not_sent_again(checkout: Checkout) -> None:
    """SMTP knows no keys: the money is let go, and a person is told that nobody knows about the mail."""
    checkout.mailbox.mails.order({"times": 1, "fault": {"drop": "after"}})
    order = await checkout.order(ASKING)
    await checkout.work()
    await checkout.customer_says(order, yes=False)
    await checkout.work()
    row = await checkout.engine.job(order)
    assert (row.state, row.reason) == ("failed", "uncertain")
    assert checkout.happened(order)["canceled"] == 1
    assert checkout.mails(order) == [SORRY]
    [letter] = [step for step in await checkout.engine.steps(order) if step.name == "email SEND mail"]
    assert (letter.certainty, letter.sends) == ("unknown", 1)


async def until_over(checkout: Checkout, order: UUID) -> None:
    """Work, letting retries be due at once, until the order has come to its end."""
    while (await checkout.engine.job(order)).settled_at is None:
        await checkout.work()
        await checkout.engine.pass_time()
