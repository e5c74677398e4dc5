"""One job whole, as an operator finds it, understands it and retries it."""

from uuid import UUID

import pytest
from playwright.async_api import expect
from sqlalchemy import text

from hub.domain.access import Principal, Role
from tests.browser.desk import Desk
from tests.browser.furniture import charge_in_doubt, refused
from tests.browser.looks import LOOKS, Look

PRINCIPAL = Principal.of_operator(UUID(int=7), "ada@example.com", Role.ADMIN)


async def test_a_charge_that_the_key_still_protects_is_retried_by_one_button(desk: Desk) -> None:
    """The verdict says so, names the key and until when, and takes no decision. Without a script."""
    job, _ = await charge_in_doubt(desk.hub)
    page = await desk.open(f"/console/jobs/{job}", Look(script=False))
    verdict = page.locator("#retry")
    assert "A retry is safe: the provider still knows the key" in await verdict.inner_text()
    assert f"hub-{job}-1-0" in await verdict.inner_text()
    await verdict.get_by_label("Reason").fill("stripe is back")
    await verdict.get_by_role("button", name="Retry").click()
    await page.get_by_text("It was queued again").wait_for()
    assert (await desk.hub.inspect.get_job(PRINCIPAL, job)).generation == 2
    await page.get_by_text("retried it: stripe is back").wait_for()
    desk.check()


async def test_an_uncertain_charge_takes_a_word_and_somebody_who_may_judge(desk: Desk) -> None:
    """An operator is told who may; an admin says what they found, and that they looked."""
    job, _ = await charge_in_doubt(desk.hub, hours=30)
    desk.visitors.role = Role.OPERATOR
    page = await desk.open(f"/console/jobs/{job}", Look(script=False))
    assert "Only somebody with jobs:decide" in await page.locator("#retry").inner_text()
    desk.visitors.role = Role.ADMIN
    await page.reload()
    verdict = page.locator("#retry")
    assert "It may have happened: look it up before you retry" in await verdict.inner_text()
    assert await verdict.get_by_role("link", name="Look it up at bank").get_attribute("href")
    await verdict.get_by_label("What did you find?").fill("no such payment")
    await verdict.get_by_label("I have looked up").check()
    await verdict.get_by_role("button", name="Retry").click()
    await page.get_by_text("It was queued again").wait_for()
    desk.check()


async def test_a_retry_from_a_page_of_before_leads_back_to_the_job(desk: Desk) -> None:
    """Somebody else was quicker: what has become of it is one link away."""
    job, _ = await charge_in_doubt(desk.hub)
    page = await desk.window(Look(script=False))
    await page.goto(f"/console/jobs/{job}")
    await desk.hub.operate.retry(PRINCIPAL, job)
    await page.locator("#retry").get_by_role("button", name="Retry").click()
    await page.get_by_role("heading", name="Conflict").wait_for()
    await page.get_by_role("link", name="Back to the page, as it is now").click()
    await page.wait_for_url(f"{desk.url}/console/jobs/{job}")
    assert "queued" in await page.locator("h1").inner_text()


async def test_why_a_job_waits_stands_on_its_page(desk: Desk) -> None:
    """No worker serves its queue here, and the page says what to do."""
    job, _ = await charge_in_doubt(desk.hub)
    await desk.hub.operate.retry(PRINCIPAL, job)
    page = await desk.open(f"/console/jobs/{job}")
    told = await page.locator("#why").inner_text()
    assert "No worker that is alive serves the queue payments" in told
    assert "hub worker" in told
    await desk.judge(page)
    await desk.hub.operate.pause(PRINCIPAL, "payments")
    await page.reload()
    await page.locator("#why").get_by_role("link", name="Resume the queue payments").click()
    await page.get_by_role("button", name="Resume payments").wait_for()
    desk.check()


async def test_what_waits_without_having_failed_leads_to_its_like(desk: Desk) -> None:
    """No group is made where no attempt has failed, as of a breaker that is open: the link leads to the jobs instead."""
    job, _ = await charge_in_doubt(desk.hub)
    parked = (
        "UPDATE jobs SET error_signature = 'b0b0', error_code = 'breaker_open' WHERE id = :id RETURNING 1"
    )
    await desk.hub.database.run(text(parked), {"id": job})
    page = await desk.open(f"/console/jobs/{job}", Look(script=False))
    await page.get_by_role("link", name="All jobs with this error").click()
    await page.locator("table").get_by_role("link", name="payments.charge", exact=True).wait_for()
    desk.check()


async def test_the_page_of_a_job_follows_it_to_its_end(desk: Desk) -> None:
    """Nobody who has retried has to load the page again to learn what came of it."""
    job, _ = await charge_in_doubt(desk.hub)
    await desk.hub.operate.retry(PRINCIPAL, job)
    page = await desk.open(f"/console/jobs/{job}?notice=retried")
    await page.locator("#why").wait_for()
    await desk.hub.operate.cancel(PRINCIPAL, job)
    await page.locator("h1", has_text="cancelled").wait_for()
    # The rest of the page has come along, and what was said about the retry is gone.
    await page.locator("#retry").wait_for()
    assert "notice" not in page.url
    desk.check()


async def test_a_page_has_a_place_for_what_it_will_say(desk: Desk) -> None:
    """Empty and there before anything is said, or else screen readers do not read it out."""
    job, _ = await charge_in_doubt(desk.hub)
    await desk.hub.operate.retry(PRINCIPAL, job)
    page = await desk.open(f"/console/jobs/{job}")
    await expect(page.locator("[role=status]:has(+ [data-live])")).to_have_text("")


async def test_times_of_a_timeline_stay_exact(desk: Desk) -> None:
    """While those that say how long ago something was go on."""
    job, _ = await charge_in_doubt(desk.hub)
    page = await desk.window()
    await page.clock.install()
    await page.goto(f"/console/jobs/{job}")
    entry, accepted = page.locator(".story-at time").first, page.locator("time[data-ago]").first
    said, ago = await entry.inner_text(), await accepted.inner_text()
    assert (await entry.get_attribute("title")) == (await entry.get_attribute("datetime"))
    await page.clock.run_for(86_400_000)
    await expect(accepted).not_to_have_text(ago)
    assert await entry.inner_text() == said


async def test_what_a_timeline_says_stands_in_columns(desk: Desk) -> None:
    """Whatever the words before it: it is read from top to bottom."""
    job, _ = await charge_in_doubt(desk.hub)
    page = await desk.open(f"/console/jobs/{job}")
    said = page.locator(".story-what > p > span:not(.badge, .soft)")
    lefts = await said.evaluate_all("(all) => all.map((one) => Math.round(one.getBoundingClientRect().left))")
    assert len(lefts) > 3
    assert len(set(lefts)) == 1


async def test_a_page_beyond_those_that_are_followed_says_so(desk: Desk) -> None:
    """And is all there, as it was when it was loaded."""
    job, _ = await charge_in_doubt(desk.hub)
    await desk.hub.operate.retry(PRINCIPAL, job)
    for _ in range(5):
        await desk.open(f"/console/jobs/{job}")
    page = await desk.open(f"/console/jobs/{job}")
    await page.get_by_text("does not update by itself").wait_for()
    assert await page.locator("#why").count() == 1
    await desk.judge(page)


async def test_a_viewer_sees_no_secret_and_no_button(desk: Desk) -> None:
    """Of the job all but what changes it; of the webhook nothing that looks like a secret."""
    job, event = await charge_in_doubt(desk.hub)
    desk.visitors.role = Role.VIEWER
    page = await desk.open(f"/console/jobs/{job}")
    assert await page.locator("main form").count() == 0
    assert "An operator or an admin can retry it" in await page.locator("#retry").inner_text()
    page = await desk.open(f"/console/events/{event}")
    assert "pi_1_secret" not in await page.content()
    assert await page.locator("main form").count() == 0
    desk.visitors.role = Role.OPERATOR
    page = await desk.open(f"/console/events/{event}")
    assert "pi_1_secret" in await page.content()


async def test_all_that_belongs_to_an_order_is_found_from_the_job(desk: Desk) -> None:
    """By its business key, to the timeline across jobs, and back."""
    job, _ = await charge_in_doubt(desk.hub)
    page = await desk.open(f"/console/jobs/{job}", Look(script=False))
    await page.get_by_role("link", name="order:1042").click()
    await page.get_by_role("heading", name="All of order:1042").wait_for()
    await page.locator("table").get_by_role("link", name="payments.charge").click()
    await page.get_by_role("heading", name="payments.charge").wait_for()
    desk.check()


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[-1]], ids=str)
async def test_arguments_are_edited_by_a_form(desk: Desk, look: Look) -> None:
    """As text; what does not fit is pointed at, the difference is shown, and confirmed."""
    job = await refused(desk.hub)
    page = await desk.open(f"/console/jobs/{job}", Look(script=False, scheme=look.scheme, size=look.size))
    await page.get_by_role("link", name="Edit and retry").click()
    await page.get_by_label("Arguments, JSON").fill('{"to": "jenny@example.com"}')
    await page.get_by_label("Reason").fill("a typing error")
    await page.get_by_role("button", name="Show what changes").click()
    assert "/args/amount" in await page.locator("#refused").inner_text()
    await page.get_by_label("Arguments, JSON").fill('{"to": "jenny@example.com", "amount": 5}')
    await page.get_by_role("button", name="Show what changes").click()
    assert "jenny@exmaple.com" in await page.locator("#difference").inner_text()
    # What is shown is what is meant: there is nothing beside it that could say something else.
    assert await page.locator("textarea").count() == 0
    await page.get_by_role("button", name="Change it again").click()
    assert await page.get_by_label("Reason").input_value() == "a typing error"
    assert "jenny@example.com" in await page.get_by_label("Arguments, JSON").input_value()
    await page.get_by_label("Arguments, JSON").fill('{"to": "jenny@example.com", "amount": 77}')
    await page.get_by_role("button", name="Show what changes").click()
    assert "77" in await page.locator("#difference").inner_text()
    desk.troubles = [trouble for trouble in desk.troubles if "422" not in trouble]
    desk.check()
    await page.get_by_role("button", name="Put it in place and retry").click()
    await page.get_by_text("Edited, and queued again").wait_for()
    desk.check()
    args = (await desk.hub.inspect.get_job(PRINCIPAL, job)).args
    assert (args["to"], args["amount"]) == ("jenny@example.com", 77)
