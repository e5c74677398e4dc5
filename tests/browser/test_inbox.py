"""The inbox, as an operator uses it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.domain.access import Role
from hub.domain.inbox import GroupState
from hub.services.hub import Hub
from tests.browser.desk import Desk
from tests.browser.looks import LOOKS, Look

GROUP = """
INSERT INTO error_groups (signature, job, step, provider, operation, kind, code, message, state, attempts, lost,
                          first_seen_at, last_seen_at, first_release, last_release, example_id, reopened)
VALUES (:signature, 'payments.charge', 'stripe POST /v1/payment_intents', 'stripe', 'stripe.create_payment_intent', 'Declined',
        'card_declined', :message, :state, 21, 21, :first, now(), '1.4.0', '1.4.1', :example, 1)
RETURNING 1
"""
FAILED = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, attempt, error_code, error_message,
                  error_kind, error_signature, settled_at)
VALUES (:id, 'payments.charge', '{}', 'payments', 5, 'failed', 'declined', now(), 'order-1042', 1, 'card_declined',
        'Your card was declined.', 'Declined', :signature, now())
RETURNING 1
"""
HOURS = """
INSERT INTO error_hours SELECT :signature, date_trunc('hour', now()) - n * interval '1 hour', n + 1, n FROM generate_series(0, 40, 2) n
RETURNING 1
"""


async def fill(
    hub: Hub, messages: Sequence[str] = ("Your card was declined.", "No such customer: …")
) -> list[str]:
    """Groups of failures with a job each; gives their signatures."""
    signatures = []
    for number, message in enumerate(messages):
        job, signature = hub.new_id(), f"{number:016x}"
        first = hub.clock() - timedelta(days=3)
        group = {"signature": signature, "message": message, "state": "open", "example": job, "first": first}
        await hub.database.run(text(GROUP), group)
        await hub.database.run(text(FAILED), {"id": job, "signature": signature})
        await hub.database.run(text(HOURS), {"signature": signature})
        signatures.append(signature)
    return signatures


async def state_of(desk: Desk, signature: str) -> GroupState:
    return (await desk.hub.inbox.get_group(signature)).state


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_the_inbox_and_a_group_can_be_read_by_everyone(desk: Desk, look: Look) -> None:
    """In every look, with words that do not fit on a line."""
    long = "the_endless_name_of_something_" * 6
    [signature, *_] = await fill(desk.hub, ["Your card was declined.", long])
    for path in ("/console/inbox", f"/console/inbox/{signature}"):
        await desk.judge_at(path, look)


async def test_a_failure_is_found_and_its_retry_planned(desk: Desk) -> None:
    """From the first page to the group, to one of its jobs, or to a plan for all of them."""
    [signature, _] = await fill(desk.hub)
    page = await desk.open("/console", Look(script=False))
    await page.get_by_role("link", name="Your card was declined.").click()
    await page.get_by_role("heading", name="Your card was declined.").wait_for()
    plan = await page.get_by_role("link", name="Plan a retry").get_attribute("href")
    assert plan == f"/console/plans/new?q=signature%3A{signature}%20state%3Afailed"
    await page.get_by_text("order-1042").wait_for()
    desk.check()


async def test_groups_are_walked_and_planned_by_the_keys(desk: Desk) -> None:
    """`x` ticks the row one is at, which the bar below counts; `r` is for the group as a whole, from any of its jobs."""
    [signature, _] = await fill(desk.hub)
    page = await desk.open("/console/inbox")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await page.get_by_text("1 selected").wait_for()
    await page.goto(f"/console/inbox/{signature}")
    await page.keyboard.press("j")
    await page.keyboard.press("r")
    await page.wait_for_url("**/console/plans/new?**")
    desk.check()


async def test_groups_are_moved_one_by_one_without_a_script(desk: Desk) -> None:
    """Each button says what becomes of the group; who and why stand there."""
    [signature, _] = await fill(desk.hub)
    page = await desk.open(f"/console/inbox/{signature}", Look(script=False))
    await page.get_by_label("Reason").fill("the bank is down")
    await page.get_by_role("button", name="Acknowledge").click()
    await page.get_by_text("others see that somebody looks at it").wait_for()
    await page.get_by_text("the bank is down").wait_for()
    assert await state_of(desk, signature) is GroupState.ACKNOWLEDGED
    await page.get_by_role("button", name="Resolve").click()
    await page.get_by_text("opens again by itself if it comes back").first.wait_for()
    await page.get_by_role("button", name="Reopen").click()
    await page.get_by_text("Open again.").wait_for()
    assert await state_of(desk, signature) is GroupState.OPEN
    desk.check()


async def test_many_groups_are_moved_at_once(desk: Desk) -> None:
    """Those that are selected, and no other; they are found in the tab of their state."""
    signatures = await fill(desk.hub, ["one", "two", "three"])
    page = await desk.open("/console/inbox")
    for message in ("one", "three"):
        await page.get_by_label(f"card_declined: {message}").check()
    await page.get_by_role("button", name="Ignore selected").click()
    await page.get_by_text("Ignored, however often they happen.").wait_for()
    assert [await state_of(desk, one) for one in signatures] == ["ignored", "open", "ignored"]
    await page.get_by_role("link", name="Ignored").click()
    await page.get_by_role("link", name="three").wait_for()
    assert await page.get_by_role("link", name="two").count() == 0
    await desk.judge(page)


async def test_the_inbox_is_filtered_by_text(desk: Desk) -> None:
    """And says so where nothing fits."""
    await fill(desk.hub)
    page = await desk.open("/console/inbox", Look(script=False))
    await page.get_by_label("Text").fill("CUSTOMER")
    await page.get_by_role("button", name="Filter").click()
    await page.get_by_role("link", name="No such customer").wait_for()
    assert await page.locator("tbody tr").count() == 1
    await page.get_by_label("Text").fill("nothing like it")
    await page.get_by_role("button", name="Filter").click()
    await page.get_by_text("No group fits.").wait_for()
    await page.get_by_role("link", name="Clear").click()
    assert await page.locator("tbody tr").count() == 2


async def test_a_viewer_sees_everything_and_changes_nothing(desk: Desk) -> None:
    """No box to tick, no button to press."""
    [signature, _] = await fill(desk.hub)
    desk.visitors.role = Role.VIEWER
    for path in ("/console/inbox", f"/console/inbox/{signature}"):
        page = await desk.open(path)
        main = page.locator("main")
        assert await main.locator("form[method=post], input[type=checkbox]").count() == 0
        await desk.judge(page)
