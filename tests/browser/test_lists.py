"""Lists at the console: searched with and without a script, by mouse and by keyboard."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from hub.domain.access import Principal, Role
from hub.domain.plans import Action, Settings
from hub.services.plans import PlanRequest
from tests.browser.desk import Desk
from tests.browser.looks import NARROW, WIDE, Look

# The oldest first: one that succeeded, two that failed, one that is queued and has a business key.
_JOBS = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, tags, settled_at, attempt, failures,
                  error_code, error_message, error_kind, error_signature)
SELECT uuidv7(), 'registry.send_receipt', '{}', 'payments', 7, state, CASE state WHEN 'failed' THEN 'declined' END, now(),
       'c-' || number, tags, CASE WHEN state <> 'queued' THEN now() END, 1, 0,
       code, CASE WHEN code IS NOT NULL THEN 'Your card was declined.' END, code, code
FROM (VALUES (1, 'succeeded', jsonb_build_array('campaign:' || repeat('an-endless-name-', 12)), NULL), (2, 'failed', '[]', 'card_declined'), (3, 'failed', '[]', 'card_declined'),
             (4, 'queued', '["order:1234"]', NULL)) AS made (number, state, tags, code)
ORDER BY number RETURNING id
"""
_EVENTS = """
INSERT INTO events (id, source, external_id, type, headers, secret_index, correlation_id)
SELECT uuidv7(), 'shop', 'evt_' || number, 'order.paid', '{}', 0, 'c-1' FROM generate_series(1, 3) number
"""
_BOTH = [Look(), Look(script=False)]


@pytest.fixture
async def jobs(desk: Desk) -> list[UUID]:
    """Their ids."""
    await desk.hub.database.run(text(_EVENTS))
    return [row[0] for row in await desk.hub.database.run(text(_JOBS))]


async def listed(page: Page) -> int:
    """How many rows there are."""
    return await page.locator(".list tbody tr").count()


def asked(page: Page) -> str:
    """The search in the address."""
    return parse_qs(urlsplit(page.url).query).get("q", [""])[0]


@pytest.mark.parametrize("look", _BOTH, ids=str)
async def test_a_search_narrows_the_list_and_stands_in_the_address(
    desk: Desk, jobs: list[UUID], look: Look
) -> None:
    """Whoever is sent the address sees the same."""
    page = await desk.open("/console/jobs", look)
    assert await listed(page) == 4
    box = page.get_by_label("Search jobs")
    await box.fill("state:failed code:card_declined")
    await box.press("Enter")
    await page.wait_for_url("**/console/jobs?q=state*")
    assert (asked(page), await listed(page)) == ("state:failed code:card_declined", 2)
    await page.get_by_role("link", name="Queued").click()
    await page.wait_for_url("**queued**")
    assert (asked(page), await listed(page)) == ("state:queued code:card_declined", 0)
    await page.get_by_role("link", name="Show all jobs").click()
    await page.get_by_role("link", name="order:1234").click()
    await page.wait_for_url("**1234**")
    assert await listed(page) == 1
    await page.get_by_role("link", name="Timeline of order:1234").click()
    await page.get_by_role("heading", name="All of order:1234").wait_for()
    desk.check()


async def test_a_search_that_cannot_be_read_is_pointed_at(desk: Desk, jobs: list[UUID]) -> None:
    """With what to write instead, and the text still in the box."""
    page = await desk.open("/console/jobs")
    await page.get_by_label("Search jobs").fill("state:faild")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_text("did you mean failed?").wait_for()
    assert await page.locator("mark").inner_text() == "f"
    assert await page.get_by_label("Search jobs").input_value() == "state:faild"


@pytest.mark.parametrize("look", _BOTH, ids=str)
async def test_a_selection_becomes_the_search_of_a_plan(desk: Desk, jobs: list[UUID], look: Look) -> None:
    """By its ids, and nothing has happened to the jobs yet."""
    page = await desk.open("/console/jobs?q=state:failed", look)
    boxes = page.get_by_label("Select registry.send_receipt")
    for number in range(await boxes.count()):
        await boxes.nth(number).check()
    await page.get_by_role("button", name="Retry selected").click()
    await page.wait_for_url("**/console/plans/new**")
    assert asked(page) == f"id:{jobs[2]},{jobs[1]}"
    desk.check()


async def test_nothing_selected_is_said(desk: Desk, jobs: list[UUID]) -> None:
    """And leads nowhere."""
    page = await desk.open("/console/jobs?q=state:failed", Look(script=False))
    await page.get_by_role("button", name="Cancel selected").click()
    await page.get_by_text("Nothing was selected").wait_for()
    assert asked(page) == "state:failed"


async def test_a_viewer_sees_the_list_and_no_buttons(desk: Desk, jobs: list[UUID]) -> None:
    """Nothing is offered that would be refused."""
    desk.visitors.role = Role.VIEWER
    page = await desk.open("/console/jobs?q=state:failed")
    assert await listed(page) == 2
    assert await page.locator("main form").count() == 0
    desk.check()


@pytest.mark.parametrize("look", _BOTH, ids=str)
async def test_a_search_is_kept_used_changed_and_deleted(desk: Desk, jobs: list[UUID], look: Look) -> None:
    """It stands in the side bar, and a page can begin with it."""
    page = await desk.open("/console/jobs?q=state:failed", look)
    await page.get_by_text("Keep this search").click()
    await page.get_by_label("Name").fill("Declined")
    await page.get_by_role("button", name="Keep").click()
    await page.get_by_text("It stands in the side bar of this list").wait_for()
    side = page.get_by_role("navigation", name="Console").get_by_role("link", name="Declined")
    assert await side.get_attribute("aria-current") == "page"
    await page.get_by_role("link", name="Change views").click()
    await page.get_by_role("button", name="Begin jobs with it").click()
    await page.get_by_text("first", exact=True).wait_for()
    await page.goto("/console/jobs")
    assert (asked(page), await listed(page)) == ("state:failed", 2)
    await page.goto("/console/views")
    await page.get_by_label("Name").fill("Refused")
    await page.get_by_role("button", name="Change").click()
    await page.get_by_role("link", name="Refused").wait_for()
    await page.get_by_role("button", name="Delete Refused").click()
    await page.get_by_text("No search is kept yet").wait_for()
    desk.check()


async def test_the_search_box_offers_how_to_go_on(desk: Desk, jobs: list[UUID]) -> None:
    """Fields, then values; taken with the keys, and closed with Escape."""
    page = await desk.open("/console/jobs")
    box = page.get_by_label("Search jobs")
    await box.press_sequentially("sta")
    await page.get_by_role("option", name="state:").wait_for()
    await box.press("ArrowDown")
    await desk.judge(page)
    await box.press("Enter")
    assert await box.input_value() == "state:"
    await page.get_by_role("option", name="failed").wait_for()
    await box.press_sequentially("fa")
    await expect(page.get_by_role("option")).to_have_count(1)
    await box.press("ArrowDown")
    await box.press("Tab")
    assert await box.input_value() == "state:failed "
    await expect(box).to_be_focused()
    await box.press_sequentially("pro")
    await page.get_by_role("option", name="provider:").wait_for()
    await box.press("Escape")
    await expect(page.get_by_role("option")).to_have_count(0)
    await box.press("Enter")
    await page.wait_for_url("**/console/jobs?q=**")
    desk.check()


async def test_rows_are_walked_selected_and_opened_by_the_keys(desk: Desk, jobs: list[UUID]) -> None:
    """And screen readers are told; nothing is ever done by a key alone."""
    page = await desk.open("/console/jobs")
    await page.keyboard.press("j")
    await page.get_by_text("Row 1 of 4").wait_for(state="attached")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    assert await page.locator("tr.here [data-select]").is_checked()
    await page.get_by_text("1 selected").wait_for()
    await desk.judge(page)
    await page.keyboard.press("k")
    await page.keyboard.press("o")
    await page.wait_for_url(f"**/console/jobs/{jobs[3]}")
    await page.goto("/console/jobs")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("r")
    await page.wait_for_url(f"**/console/jobs/{jobs[2]}#retry")
    assert (await desk.hub.inspect.find_jobs(await admin(desk), [jobs[2]]))[jobs[2]].state == "failed"
    await page.keyboard.press("g")
    await page.keyboard.press("j")
    await page.wait_for_url("**/console/jobs")
    for key in "jjxjxkkr":
        await page.keyboard.press(key)
    # What is selected, wherever one is: the page that says what would become of them.
    await page.wait_for_url("**/console/plans/new?**")
    assert asked(page) == f"id:{jobs[2]},{jobs[1]}"
    desk.check()


async def test_rows_that_lead_nowhere_are_walked_as_well(desk: Desk) -> None:
    """The row that is said is the one that has the focus."""
    page = await desk.open("/console/people")
    for number in (1, 2):
        await page.keyboard.press("j")
        await page.get_by_text(f"Row {number} of").wait_for(state="attached")
        await expect(page.locator("tr.here")).to_be_focused()
        assert (
            await page.evaluate(
                "[...document.querySelectorAll('.list tbody tr')].indexOf(document.activeElement)"
            )
            == number - 1
        )
    await desk.judge(page)


async def test_on_a_phone_it_stays_in_sight_how_many_are_selected(desk: Desk, jobs: list[UUID]) -> None:
    """Beside all that can be done to them, at the foot of the window."""
    page = await desk.open("/console/jobs?q=state:failed", Look(size=NARROW))
    await page.locator("[data-select]").first.check()
    await expect(page.get_by_text("1 selected")).to_be_in_viewport(ratio=1)
    for action in ("Retry", "Run now"):
        await expect(page.locator(".bulk").get_by_role("button", name=action)).to_be_in_viewport(ratio=1)
    await desk.judge(page)


async def test_on_a_phone_every_value_says_its_column(desk: Desk, jobs: list[UUID]) -> None:
    """Where that can be seen from the value, for those alone who cannot."""
    page = await desk.open("/console/jobs", Look(size=NARROW))
    label = """([name]) => {
        const cell = [...document.querySelectorAll(".list tbody td")].find((one) => one.dataset.label === name);
        const style = getComputedStyle(cell, "::before");
        return [style.content, style.width === "1px"];
    }"""
    assert await page.evaluate(label, ["State"]) == ['"State"', True]
    assert await page.evaluate(label, ["Queue"]) == ['"Queue"', False]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_who_did_something_is_shown_whole(desk: Desk, size: tuple[int, int]) -> None:
    """No page has the rest of the name."""
    name = "somebody-with-a-long-address-" * 4 + "@example.com"
    await desk.hub.operate.pause(replace(await admin(desk), acts_as=name), "default")
    page = await desk.open("/console/audit", Look(size=size))
    cut = "(cell) => [...cell.querySelectorAll('*')].some((one) => one.scrollWidth > one.clientWidth && one.clientWidth)"
    assert not await page.locator("td[data-label=By]").evaluate(cut)
    await desk.judge(page)


async def test_a_usual_address_is_not_broken(desk: Desk) -> None:
    """Neither in the audit nor among plans, where the other columns would take its room."""
    principal = replace(await admin(desk), acts_as="ada.lovelace@example.com")
    await desk.hub.operate.pause(principal, "default", reason="a long reason for the record " * 9)
    await desk.hub.plans.create(principal, PlanRequest(Action.RETRY, "state:failed", Settings()))
    for path in ("/console/audit", "/console/plans"):
        page = await desk.open(path)
        lines = "(cell) => { const all = document.createRange(); all.selectNodeContents(cell); return all.getClientRects().length; }"
        told = page.get_by_text("ada.lovelace@example.com", exact=True).last
        assert await told.evaluate(lines) == 1


async def test_keys_that_are_typed_are_left_alone(desk: Desk, jobs: list[UUID]) -> None:
    """`/` goes to the search box, where `j` is a letter; Escape leaves it; `?` says what there is."""
    page = await desk.open("/console/jobs")
    await page.keyboard.press("/")
    await page.keyboard.type("j?x")
    assert await page.get_by_label("Search jobs").input_value() == "j?x"
    assert await page.locator("tr.here").count() == 0
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    assert await page.get_by_label("Search jobs").input_value() == "j?x"
    await page.keyboard.press("?")
    await page.get_by_role("dialog", name="Keys").wait_for()
    await desk.judge(page)
    await page.keyboard.press("j")
    assert await page.locator("tr.here").count() == 0
    await page.keyboard.press("Escape")
    await page.get_by_role("dialog", name="Keys").wait_for(state="hidden")
    desk.check()


async def admin(desk: Desk) -> Principal:
    """Who looks."""
    visitor = await desk.visitors.of(None)  # type: ignore[arg-type]  # it does not look
    assert visitor is not None
    return visitor.principal
