"""A browser for the run, and a desk for each test."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from hub.services.hub import Hub
from hub.web.server import running
from tests.browser.desk import Desk, Known
from tests.browser.house import House, built, furnished
from tests.web.conftest import hub_at

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
)
_LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


@pytest.fixture(scope="session")
def chromium(run_dir: Path, worker_id: str) -> Iterator[str]:
    """A Chromium for all the tests of this worker; its address for the tools."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(
            f"there is no browser to try the console in: install Chromium (looked for {', '.join(_NAMES)})"
        )
    profile = run_dir / f"chromium-{worker_id}"
    command = [found, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own words
        try:
            assert process.stderr is not None
            address = next(filter(None, map(_LISTENING.search, process.stderr)))[1]
            yield address
        finally:
            process.terminate()


@asynccontextmanager
async def desk_of(hub: Hub, chromium: str, visitors: Known | None = None) -> AsyncIterator[Desk]:
    """The console of a hub in a browser; without visitors who are known, one has to log in."""
    async with AsyncExitStack() as stack:
        host, port = await stack.enter_async_context(running(hub, "127.0.0.1", 0, visitors=visitors))
        driver = await stack.enter_async_context(async_playwright())
        browser = await driver.chromium.connect_over_cdp(chromium)
        stack.push_async_callback(browser.close)
        made = Desk(hub, f"http://{host}:{port}", visitors or Known(), browser)
        stack.push_async_callback(made.close)
        yield made


@pytest.fixture
async def desk(chromium: str, database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    """The console of a hub of this test's own, looked at by an admin who need not log in."""
    async with hub_at(database_url, redis_url) as hub, desk_of(hub, chromium, Known()) as made:
        yield made


@pytest.fixture
async def door(chromium: str, database_url: str, redis_url: str) -> AsyncIterator[Desk]:
    """A console at which one has to log in, with nothing in it yet."""
    async with built(database_url, redis_url) as hub, desk_of(hub, chromium) as made:
        yield made


@pytest.fixture
async def house(door: Desk, database_url: str) -> House:
    """What there is behind that door."""
    return await furnished(door.hub, database_url)
