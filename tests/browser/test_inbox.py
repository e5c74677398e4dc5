"""The inbox, as an operator uses it."""

import pytest

from hub.domain.access import Role
from hub.domain.inbox import GroupState
from tests.browser.desk import Desk
from tests.browser.furniture import groups
from tests.browser.looks import Look


async def state_of(desk: Desk, signature: str) -> GroupState:
    return (await desk.hub.inbox.get_group(signature)).state


async def test_a_failure_is_found_and_its_retry_planned(desk: Desk) -> None:
    """From the first page to the group, to one of its jobs, or to a plan for all of them."""
    [signature, _] = await groups(desk.hub)
    page = await desk.open("/console", Look(script=False))
    await page.get_by_role("link", name="Your card was declined.").click()
    await page.get_by_role("heading", name="Your card was declined.").wait_for()
    plan = await page.get_by_role("link", name="Plan a retry").get_attribute("href")
    assert plan == f"/console/plans/new?q=signature%3A{signature}%20state%3Afailed"
    await page.get_by_text("order-1042").wait_for()
    desk.check()


async def test_groups_are_walked_and_planned_by_the_keys(desk: Desk) -> None:
    """`x` ticks the row one is at, which the bar below counts; `r` is for the group as a whole, from any of its jobs."""
    [signature, _] = await groups(desk.hub)
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
    [signature, _] = await groups(desk.hub)
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
    signatures = await groups(desk.hub, ["one", "two", "three"])
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


@pytest.mark.parametrize("button", ["Acknowledge", "Resolve", "Ignore"])
async def test_nothing_selected_is_said(desk: Desk, button: str) -> None:
    """Not that it was done: no group was ticked."""
    [signature, _] = await groups(desk.hub)
    page = await desk.open("/console/inbox", Look(script=False))
    await page.get_by_role("button", name=f"{button} selected").click()
    await page.get_by_text("Nothing was selected").wait_for()
    assert await state_of(desk, signature) is GroupState.OPEN
    # Nor is it carried on to what is done next.
    await page.get_by_label("card_declined: Your card").check()
    await page.get_by_role("button", name="Ignore selected").click()
    await page.get_by_text("Ignored, however often they happen.").wait_for()
    desk.check()


async def test_the_inbox_is_filtered_by_text(desk: Desk) -> None:
    """And says so where nothing fits."""
    await groups(desk.hub)
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
    [signature, _] = await groups(desk.hub)
    desk.visitors.role = Role.VIEWER
    for path in ("/console/inbox", f"/console/inbox/{signature}"):
        page = await desk.open(path)
        main = page.locator("main")
        assert await main.locator("form[method=post], input[type=checkbox]").count() == 0
        await desk.judge(page)
