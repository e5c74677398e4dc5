"""Overview, queues, providers, workers and alerts in a browser: with something to show, and what a person does there."""

import asyncpg
import pytest

from hub.domain.overrides import Forced
from tests.browser.desk import Desk
from tests.browser.looks import LOOKS, Look

PAGES = (
    "/console/overview",
    "/console/overview?since=30d",
    "/console/queues",
    "/console/queues/payments",
    "/console/providers",
    "/console/providers/bank",
    "/console/workers",
    "/console/alerts",
    "/console/alerts?view=past",
)
# A day of work: attempts, calls and depths by the hour, a worker that lives and one that is silent, alerts of every kind.
FILL = """
INSERT INTO attempt_statistics
SELECT 'hour', date_trunc('hour', now()) - n * interval '1 hour', queue, outcome, 100 + n * 7, 12.5,
       ARRAY[0, 0, 1, 5, 20 + n, 9, 4, 3, 1, 0, 0, 1, 0, 0, 0, 0]
FROM generate_series(0, 23) n, unnest(ARRAY['default', 'payments']) queue, unnest(ARRAY['succeeded', 'failed', 'snoozed']) outcome;
INSERT INTO call_statistics
SELECT grain, date_trunc(grain, now()) - n * ('1 ' || grain)::interval, 'bank', 100 + n, n, 2, 1, 12.5,
       ARRAY[0, 0, 1, 5, 20, 9, 4, 3, 1, 0, 0, 1, 0, 0, 0, 0]
FROM generate_series(0, 23) n, unnest(ARRAY['minute', 'hour']) grain;
INSERT INTO queue_statistics
SELECT 'hour', date_trunc('hour', now()) - n * interval '1 hour', queue, n * n, n * 1.5
FROM generate_series(0, 23) n, unnest(ARRAY['default', 'payments']) queue WHERE n % 5 <> 0;
INSERT INTO queues (name) VALUES ('reports-of-the-night-for-those-who-add-up-what-was-taken-and-given-back');
INSERT INTO marks VALUES ('attempt_statistics', now() - interval '1 minute');
INSERT INTO workers (id, host, pid, release, queues, concurrency, lease_until)
SELECT gen_random_uuid(), 'hub-worker-' || n, n, '2027.1', '{default,payments}', 100, now() + n * interval '1 minute'
FROM generate_series(0, 2) n;
INSERT INTO alerts (id, kind, subject, key, title, detail, path, resolved_at)
SELECT gen_random_uuid(), kind, 'subject', kind || over, 'what has happened to ' || kind, 'and a sentence more about it; see there',
       '/console/providers/bank', CASE WHEN over THEN now() END
FROM unnest(ARRAY['new_error', 'error_came_back', 'uncertain_payment', 'breaker_open', 'work_waits']) kind,
     unnest(ARRAY[true, false]) over;
"""


@pytest.fixture
async def filled(desk: Desk, database_url: str) -> Desk:
    """The console of a hub that has worked for a day, and whose provider is held."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(FILL)
    await connection.close()
    circuit = desk.hub.breakers.of("bank")
    circuit.open_until(desk.hub.breakers.clock() + 60)
    principal = (await desk.visitors.of(None)).principal  # type: ignore[arg-type, union-attr]  # it looks at nothing
    await desk.hub.fleet.force(principal, "bank", Forced.OPEN, reason="announced maintenance")
    return desk


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_pages_about_health_can_be_read_by_everyone(filled: Desk, look: Look) -> None:
    """With a day's work to show."""
    for path in PAGES:
        await filled.judge_at(path, look)


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
    filled.check()
