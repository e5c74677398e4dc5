"""Plans in a browser: from a search to the report, with and without a script."""

from uuid import UUID

import pytest
from playwright.async_api import expect
from sqlalchemy import text

from hub.domain.access import Role
from hub.domain.plans import Action, Command, Settings
from hub.infra.store.plan_ticks import PlanTickStore
from hub.services.plan_runner import PlanRunner
from hub.services.plan_views import PlanView
from hub.services.plans import PlanRequest
from tests.browser.desk import Desk
from tests.browser.looks import Look

_FAILED = """
INSERT INTO jobs (id, name, args, queue, priority, state, reason, run_at, correlation_id, settled_at, attempt, failures,
                  error_code, error_message, error_kind, error_signature)
SELECT uuidv7(), 'registry.send_receipt', '{}', 'payments', 7, 'failed',
       CASE WHEN number % 10 = 0 THEN 'uncertain' ELSE 'exhausted' END, now(), 'order-' || number, now(), 3, 3,
       'timeout', 'no answer within 20 s', 'NoAnswer', '9f2b6c1d04e7a853'
FROM generate_series(1, :count) number
"""
_SUCCEED = (
    "UPDATE jobs SET state = 'succeeded', settled_at = now(), dispatched_at = NULL WHERE state = 'queued'"
)
_DUE = (
    "UPDATE plans SET ticked_at = now() - interval '1 s', next_tick_at = now() WHERE next_tick_at IS NOT NULL"
)


async def sql(desk: Desk, statement: str, **values: object) -> None:
    await desk.hub.database.run(text(statement), values)


async def look(desk: Desk) -> None:
    """The runner looks once at every plan, a second after it did last."""
    await sql(desk, _DUE)
    hub = desk.hub
    runner = PlanRunner(
        PlanTickStore(hub.database, hub.registry.providers),
        hub.breakers,
        clock=hub.clock,
        released=lambda _count: None,
        moved=lambda _state, _count: None,
        turned=lambda _state: None,
    )
    await runner.tick()


async def made(desk: Desk, settings: Settings | None = None, *, start: bool = False) -> PlanView:
    """A plan over thirty jobs, of which three are uncertain."""
    await sql(desk, _FAILED, count=30)
    visitor = await desk.visitors.of(None)  # type: ignore[arg-type]  # it does not look
    assert visitor is not None
    wanted = PlanRequest(Action.RETRY, "state:failed", settings or Settings(canary=5, rate=1000))
    plan = await desk.hub.plans.create(visitor.principal, wanted)
    return await desk.hub.plans.command(visitor.principal, plan.id, Command.START) if start else plan


async def test_a_plan_that_tries_one_first_says_so(desk: Desk) -> None:
    """As one says it; and what may be done about it stands in a line."""
    plan = await made(desk, Settings(canary=1, rate=1))
    page = await desk.open(f"/console/plans/{plan.id}")
    await page.get_by_text("would be released, the first one to begin with, 1 a second").wait_for()
    middles = await page.locator(".actions :is(input:not([type=hidden]), button, a)").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).map((box) => box.top + box.height / 2)"
    )
    assert len(middles) == 4
    assert max(middles) - min(middles) < 1
    await page.get_by_role("button", name="Start").click()
    await page.get_by_role("heading", name="The first one is released and watched").wait_for()


@pytest.mark.parametrize("look_at", [Look(), Look(script=False)], ids=str)
async def test_what_failed_is_planned_seen_and_retried(desk: Desk, look_at: Look) -> None:
    """From a search: a dry run, its report, a start with a reason, and how it went."""
    await sql(desk, _FAILED, count=30)
    page = await desk.open("/console/plans/new?q=state:failed", look_at)
    await page.get_by_label("Try first").fill("5")
    await page.get_by_label("Jobs a second").fill("1000")
    await page.get_by_role("button", name="Make a dry run").click()
    await page.get_by_role("heading", name="Nothing was touched").wait_for()
    assert await page.get_by_text("27 safe", exact=True).count() == 1
    assert await page.get_by_text("3 uncertain", exact=True).count() == 1
    await page.get_by_placeholder("Reason").fill("the provider is back")
    await page.get_by_role("button", name="Start: retry 27 jobs").click()
    await page.get_by_text("The first jobs are released within a second").wait_for()
    plan = UUID(page.url.rpartition("/")[2].partition("?")[0])
    for _ in range(4):
        await look(desk)
        await sql(desk, _SUCCEED)
    assert (await desk.hub.plans.get(plan)).state == "finished"
    if not look_at.script:
        await page.get_by_role("link", name="Load the page again").click()
    await page.get_by_role("heading", name="Finished: 27 succeeded").wait_for()
    desk.check()


async def test_a_plan_is_paused_resumed_and_aborted(desk: Desk) -> None:
    """By its buttons, which are those that its state allows."""
    plan = await made(desk, start=True)
    page = await desk.open(f"/console/plans/{plan.id}")
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("heading", name="Paused by a person").wait_for()
    await page.get_by_role("button", name="Resume").click()
    await page.get_by_role("button", name="Pause").wait_for()
    await page.get_by_role("button", name="Abort").click()
    await page.get_by_role("heading", name="Aborted by a person").wait_for()
    assert await page.get_by_role("button", name="Resume").count() == 0
    desk.check()


async def test_progress_comes_by_itself(desk: Desk) -> None:
    """And the stop, with its reason, while the page is open."""
    plan = await made(desk, Settings(canary=5, rate=1000, stop_above=0.5), start=True)
    page = await desk.open(f"/console/plans/{plan.id}")
    await look(desk)
    await page.get_by_text("5 queued or running").wait_for()
    # So do the jobs and the numbers of their tabs, and the row one is at stays so.
    released = page.locator("#jobs ~ table tbody tr", has_text="released")
    await expect(released).to_have_count(5)
    await expect(page.locator("nav.tabs", has_text="Released").locator("a", has_text="Pending")).to_have_text(
        "Pending 22"
    )
    await page.locator("#jobs ~ table").get_by_role("link").first.focus()
    await sql(
        desk,
        "UPDATE jobs SET state = 'failed', reason = 'exhausted', settled_at = now(), dispatched_at = NULL WHERE state = 'queued'",
    )
    await look(desk)
    await page.get_by_role("heading", name="Stopped by itself: 5 of the first 5 jobs failed again").wait_for()
    await expect(page.locator("#jobs ~ table tbody tr", has_text="failed")).to_have_count(5)
    assert await page.evaluate("document.activeElement.closest('#jobs ~ table') !== null")
    desk.check()


async def test_a_dry_run_says_which_other_plan_has_its_jobs(desk: Desk) -> None:
    """And how many, until that one is over; of one that shares none there is no word."""
    plan = await made(desk)
    page = await desk.open(f"/console/plans/{plan.id}")
    assert await page.get_by_text("in another plan").count() == 0
    visitor = await desk.visitors.of(None)  # type: ignore[arg-type]  # it does not look
    assert visitor is not None
    some = PlanRequest(Action.RETRY, "correlation_id:order-1,order-2,order-3,order-10")
    other = await desk.hub.plans.create(visitor.principal, some)
    await page.reload()
    await page.get_by_text("3 of them are in another plan, too: a dry run that").wait_for()
    await page.get_by_role("link", name="a dry run", exact=True).click()
    await page.get_by_text("3 of them are in another plan").wait_for()
    assert str(other.id) in page.url
    await desk.judge(page)
    await desk.hub.plans.command(visitor.principal, plan.id, Command.ABORT)
    await page.reload()
    assert await page.get_by_text("in another plan").count() == 0


async def test_a_page_of_the_jobs_of_a_plan_is_followed_as_it_is(desk: Desk) -> None:
    """Those of one outcome, as their tab says; its links lead to pages and not to the stream."""
    plan = await made(desk, Settings(canary=0, rate=1000), start=True)
    page = await desk.open(f"/console/plans/{plan.id}?state=pending")
    rows = page.locator("#jobs ~ table tbody tr")
    await expect(rows).to_have_count(27)
    await look(desk)
    await page.get_by_text("None in this state.").wait_for()
    assert await page.locator("a[href*='/live']").count() == 0
    await page.get_by_role("link", name="All of its jobs").click()
    await expect(rows).to_have_count(30)
    desk.check()


async def test_what_is_wrong_stands_beside_the_field(desk: Desk) -> None:
    """With what was typed still there."""
    page = await desk.open("/console/plans/new?q=state:broken", Look(script=False))
    await page.get_by_role("button", name="Make a dry run").click()
    problem = page.get_by_role("alert")
    await problem.wait_for()
    assert "state" in (await problem.inner_text())
    assert await page.get_by_label("Which jobs").input_value() == "state:broken"


async def test_a_viewer_sees_and_changes_nothing(desk: Desk) -> None:
    """No button, and no form."""
    plan = await made(desk, start=True)
    desk.visitors.role = Role.VIEWER
    page = await desk.open(f"/console/plans/{plan.id}")
    assert await page.get_by_role("button", name="Pause").count() == 0
    desk.visitors.role = Role.OPERATOR
    page = await desk.open("/console/plans/new")
    assert await page.get_by_label("Include jobs that may have been done").count() == 0
