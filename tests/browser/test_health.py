"""Overview, queues, providers, workers and alerts in a browser: with something to show, and what a person does there."""

import asyncpg
import pytest

from hub.domain.access import Role
from hub.domain.overrides import Forced
from tests.browser.desk import Desk
from tests.browser.furniture import A_DAY
from tests.browser.looks import Look


@pytest.fixture
async def filled(desk: Desk, database_url: str) -> Desk:
    """The console of a hub that has worked for a day, and whose provider is held."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(A_DAY)
    await connection.close()
    circuit = desk.hub.breakers.of("bank")
    circuit.open_until(desk.hub.breakers.clock() + 60)
    principal = (await desk.visitors.of(None)).principal  # type: ignore[arg-type, union-attr]  # it looks at nothing
    await desk.hub.fleet.force(principal, "bank", Forced.OPEN, reason="announced maintenance")
    return desk


async def test_charts_show_what_was_counted(filled: Desk) -> None:
    """As drawings with a name, and as tables with the numbers."""
    page = await filled.open("/console/overview")
    assert await page.locator("svg[role=img]").count() == 3
    await page.get_by_text("As a table").first.click()
    rows = page.locator(".chart-table").first.locator("tbody tr")
    assert await rows.count() == 24
    assert "200" in await rows.last.inner_text()
    assert await page.get_by_text("held open").count() == 1
    filled.check()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_a_breaker_is_held_with_a_reason_and_given_back(desk: Desk, script: bool) -> None:  # noqa: FBT001 - a case
    """Who confirms it; the page says who holds it and why."""
    page = await desk.open("/console/providers/bank", Look(script=script))
    await page.get_by_text("Hold its breaker open").first.click()
    await page.locator("#open-reason").fill("announced maintenance")
    await page.locator("#open-until").select_option("1h")
    await page.locator("#open-confirmed").check()
    await page.get_by_role("button", name="Hold its breaker open").click()
    await page.get_by_text("Nothing is sent: its breaker is held open").wait_for()
    assert await page.get_by_text("announced maintenance").count() == 1
    forced = (await desk.hub.fleet.provider("bank")).forced
    assert forced
    assert (forced.by, forced.state, forced.until is not None) == ("ada@example.com", "open", True)
    await page.get_by_role("button", name="Give it back to itself").click()
    await page.get_by_text("The breaker decides for itself again").wait_for()
    assert (await desk.hub.fleet.provider("bank")).forced is None
    desk.check()


async def test_a_queue_says_how_it_goes_and_is_paused_with_a_reason(filled: Desk, database_url: str) -> None:
    """The reason is in the audit log."""
    page = await filled.open("/console/queues")
    await page.get_by_role("link", name="payments").click()
    await page.get_by_role("heading", name="payments").wait_for()
    await page.locator("#queue-reason").fill("the bank is down")
    await page.get_by_role("button", name="Pause payments").click()
    await page.get_by_text("Nothing more is started from this queue").wait_for()
    connection = await asyncpg.connect(database_url)
    reason = await connection.fetchval(
        "SELECT detail ->> 'reason' FROM audit_log WHERE action = 'queue.pause'"
    )
    await connection.close()
    assert reason == "the bank is down"
    page = await filled.open("/console/queues/payments")
    await page.get_by_role("link", name="Who did it, and why").click()
    await page.get_by_text("the bank is down").wait_for()
    filled.visitors.role = Role.VIEWER
    page = await filled.open("/console/queues/payments")
    await page.get_by_text("It was paused").wait_for()
    assert await page.get_by_role("link", name="Who did it, and why").count() == 0
    filled.check()
