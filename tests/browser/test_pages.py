"""Every page, in every look: nothing overflows, axe has nothing to say, and the browser neither."""

from collections.abc import Mapping
from dataclasses import asdict

import pytest

from hub.web.console.table import pages
from tests.browser.desk import Desk
from tests.browser.house import House
from tests.browser.looks import LOOKS, Look

# Without having logged in: these are looked at where people come in.
OPEN = {page.path for page in pages() if page.open}
# No page: what a script asks for, and what is downloaded.
OTHERS = {
    "/console/search/{listed}/suggestions",
    "/console/plans/{id}/report.csv",
    "/console/plans/{id}/report.ndjson",
} | {page.path for page in pages() if page.streams}
# What is looked at where an address has places, or takes searches; all others are looked at as they stand.
FILLED: Mapping[str, tuple[str, ...]] = {
    "/console/inbox": ("", "?view=resolved"),
    "/console/inbox/{signature}": ("/console/inbox/{signature}",),
    "/console/jobs": ("", "?q=stat:failed", "?q=state:held"),
    "/console/jobs/{id}": ("/console/jobs/{covered}", "/console/jobs/{doubted}", "/console/jobs/{queued}", "/console/jobs/{edited}"),
    "/console/jobs/{id}/edit": ("/console/jobs/{covered}/edit",),
    "/console/events": ("", "?q=source:stripe"),
    "/console/events/{id}": ("/console/events/{event}",),
    "/console/plans/new": ("?q=state:failed",),
    "/console/plans/{id}": ("/console/plans/{draft}", "/console/plans/{running}?state=excluded", "/console/plans/{over}"),
    "/console/overview": ("", "?since=30d"),
    "/console/queues/{name}": ("/console/queues/payments",),
    "/console/providers/{provider}": ("/console/providers/bank", "/console/providers/carrier"),
    "/console/alerts": ("", "?view=past"),
    "/console/people/{id}": ("/console/people/{other}",),
    "/console/timeline": ("?tag=order:1042", "?correlation_id=nothing", ""),
}  # fmt: skip


def addresses(path: str, house: House) -> list[str]:
    """Where a page of the table is looked at."""
    if "{" not in path:
        return [path + search for search in FILLED.get(path, ("",))]
    return [address.format(**asdict(house)) for address in FILLED[path]]


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_pages_can_be_read_by_everyone(door: Desk, house: House, look: Look) -> None:
    """With something to show on each; found by discovery, so that none that is added later can be forgotten."""
    page = await door.window(look, judged=True)
    await door.enter(page, house.admin)
    for one in pages():
        if one.method != "GET" or one.path in OPEN | OTHERS:
            continue
        for address in addresses(one.path, house):
            await page.goto(address)
            await door.judge(page)


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_empty_pages_can_be_read_by_everyone(desk: Desk, look: Look) -> None:
    """With nothing in the hub yet, which is how everybody sees it first."""
    page = await desk.window(look, judged=True)
    for one in pages():
        if one.method == "GET" and "{" not in one.path and one.path not in OPEN:
            await page.goto(one.path)
            await desk.judge(page)


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
