"""Every page that needs no id, in every look: nothing overflows, axe has nothing to say, and the browser neither."""

import pytest

from hub.web.console.table import pages
from tests.browser.desk import Desk
from tests.browser.looks import LOOKS, Look

PATHS = sorted(
    page.path
    for page in pages()
    if page.method == "GET" and not page.open and not page.streams and "{" not in page.path
)


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_pages_can_be_read_by_everyone(desk: Desk, look: Look) -> None:
    """With nothing in the hub yet, which is how everybody sees it first."""
    for path in PATHS:
        await desk.judge_at(path, look)


async def test_a_queue_is_paused_and_resumed_without_a_script(desk: Desk) -> None:
    """Plain forms do everything."""
    page = await desk.open("/console/queues", Look(script=False))
    await page.get_by_role("button", name="Pause payments").click()
    await page.get_by_text("Nothing more is started from this queue").wait_for()
    assert (await desk.hub.inspect.queue("payments")).paused
    await page.get_by_role("button", name="Resume payments").click()
    await page.get_by_text("What was held for the pause goes on").wait_for()
    assert not (await desk.hub.inspect.queue("payments")).paused
    desk.check()


async def test_what_was_done_is_said_once(desk: Desk) -> None:
    """Not again when the page is loaded anew, nor to whoever is sent its address."""
    page = await desk.open("/console/queues?notice=paused")
    await page.get_by_text("Nothing more is started from this queue").wait_for()
    assert page.url == f"{desk.url}/console/queues"
    await page.reload()
    assert await page.get_by_role("status").filter(has_text="Nothing more is started").count() == 0


async def test_the_theme_is_chosen_and_kept(desk: Desk) -> None:
    """It is a cookie of the browser's own."""
    page = await desk.open("/console/queues")
    await page.get_by_text("Ada Lovelace").click()
    await page.get_by_role("button", name="Dark").click()
    await page.wait_for_url("**/console/queues")
    assert await page.locator("html").get_attribute("data-theme") == "dark"
    await desk.judge(page)
