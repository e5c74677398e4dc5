"""`make demo`, and what its visitor does: find the payment that failed, understand it, retry it, and see it succeed."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.simulators.processes import ROOT, Child, free_port, start

_LINK = re.compile(r"http://\S+/console/login/link\?\S+")
_READY = 60_000  # milliseconds for what a worker has to do first


@pytest.fixture
def demo(var_dir: Path) -> Iterator[Child]:
    """The demonstration, once it has said how to get in."""
    environ = {"HUB_VAR_DIR": str(var_dir), "HUB_PORT": str(free_port())}
    child = start([sys.executable, "-m", "tests.demo"], env=environ, cwd=ROOT)
    try:
        child.wait_for_line("In another terminal", within=100)
        yield child
    finally:
        child.stop(grace=60)


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """The browser of a visitor."""
    async with async_playwright() as driver:
        connected = await driver.chromium.connect_over_cdp(chromium)
        yield connected
        await connected.close()


@pytest.mark.parametrize(
    "script", [True, pytest.param(False, marks=pytest.mark.long)], ids=["script", "plain"]
)
async def test_a_visitor_finds_the_failed_payment_and_retries_it(
    demo: Child, browser: Browser, tmp_path: Path, *, script: bool
) -> None:
    """From the one-time link to the payment, with and without a script."""
    link = _LINK.search(demo.output())
    assert link is not None
    context = await browser.new_context(java_script_enabled=script, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    await page.goto(link[0])
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("link", name="Inbox", exact=True).click()
    await expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    await _picture(page, "console-inbox", tmp_path, wanted=script)
    await page.get_by_role("link", name="Your card was declined").click()
    await page.locator("main table a[href^='/console/jobs/']").first.click()
    await expect(page.get_by_role("heading", name="A retry is safe")).to_be_visible()
    await _picture(page, "console-job", tmp_path, wanted=script)
    await page.get_by_label("Reason").first.fill("the customer has a new card")
    await page.get_by_role("button", name="Retry").click()
    if script:
        # The page follows the job by itself, to its end.
        await expect(page.locator("h1")).to_contain_text("succeeded", timeout=_READY)
    else:
        async with asyncio.timeout(_READY / 1000):
            while not await page.locator("h1").get_by_text("succeeded").is_visible():
                await page.reload()
    await expect(page.get_by_text("retried it: the customer has a new card")).to_be_visible()
    # The link let one person in, once.
    stranger = await (await browser.new_context()).new_page()
    await stranger.goto(link[0])
    await expect(stranger.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    await context.close()


async def _picture(page: Page, name: str, elsewhere: Path, *, wanted: bool) -> None:
    """For the documentation where it is asked for, and for whoever looks why a test failed."""
    if wanted:
        folder = Path(os.environ.get("SCREENSHOTS") or elsewhere)
        await page.screenshot(path=folder / f"{name}.png")
