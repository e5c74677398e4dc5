"""Logging in, one's account, operators and the audit log, in a real browser."""

import pytest

from hub.domain.access import Role
from tests.browser.desk import Desk
from tests.browser.looks import LOOKS, NARROW, Look
from tests.services.people import PASSWORD, somebody


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_the_way_in_can_be_read_by_everyone(door: Desk, look: Look) -> None:
    """The login page with and without operators, and a link that is good."""
    await door.judge_at("/console/login", look)
    ada = await somebody(door.hub, role=Role.ADMIN)
    link = await door.hub.operators.login_link(ada.id, actor="test")
    await door.judge_at("/console/login", look)
    await door.judge_at(link.path, look)


async def test_an_operator_logs_in_and_out_without_a_script(door: Desk) -> None:
    """A wrong password first; then on to the page that was asked for."""
    await somebody(door.hub)
    page = await door.open("/console/queues?x=1", Look(script=False))
    await page.get_by_label("E-mail address").fill("ada@example.com")
    await page.get_by_label("Password").fill("wrong password")
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("alert").wait_for()
    door.troubles.clear()  # the browser notes the 401
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/console/queues?x=1")
    await page.get_by_text("Ada", exact=True).click()
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_text("You are logged out").wait_for()
    await page.goto(f"{door.url}/console/queues")
    await page.get_by_role("heading", name="Log in").wait_for()
    door.check()


async def test_an_admin_invites_somebody_who_sets_a_password(door: Desk) -> None:
    """From the form to the other's account, with what was done in the audit log."""
    await somebody(door.hub, "root@example.com", Role.ADMIN)
    admin = await door.open("/console/people")
    await admin.get_by_label("E-mail address").fill("root@example.com")
    await admin.get_by_label("Password").fill(PASSWORD)
    await admin.get_by_role("button", name="Log in").click()
    await admin.get_by_label("E-mail address").fill("ada@example.com")
    await admin.get_by_label("Name").fill("Ada Lovelace")
    await admin.get_by_role("button", name="Make the operator").click()
    link = await admin.get_by_role("region", name="One-time link").inner_text()
    other = await door.open(link.strip().removeprefix(door.url))
    await other.get_by_role("button", name="Log in").click()
    await other.get_by_label("New password", exact=True).fill(PASSWORD)
    await other.get_by_label("New password, again").fill(PASSWORD)
    await other.get_by_role("button", name="Set password").click()
    await other.get_by_text("The password is set").wait_for()
    assert await other.get_by_role("link", name="Operators").count() == 0, "a viewer sees no such entry"
    await admin.goto(f"{door.url}/console/audit?actor=ada@example.com")
    await admin.get_by_role("cell", name="operator.password").wait_for()
    door.check()


async def test_on_a_phone_no_button_leaves_its_card(desk: Desk) -> None:
    """Its words take two lines where they do not fit one."""
    page = await desk.open("/console/people", Look(size=NARROW))
    button = await page.get_by_role("button", name="Make the operator").bounding_box()
    card = await page.locator(".card", has_text="New operator").bounding_box()
    assert button
    assert card
    assert button["x"] + button["width"] < card["x"] + card["width"]
