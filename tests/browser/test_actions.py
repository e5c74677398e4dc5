"""Every button there is, pressed in a browser: with and without a script, in the dark, on a telephone."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pytest
from aiohttp import web
from playwright.async_api import Locator, Page, Request, expect

from hub.web.console.notices import NOTICES
from hub.web.console.table import pages
from tests.browser.desk import Desk
from tests.browser.house import House
from tests.browser.looks import LOOKS, Look

ANOTHER = "staple battery horse"


@dataclass(frozen=True, slots=True)
class Press:
    """A button, where it is, what is filled in first, and what the page says afterwards.

    Attributes:
        at: the page; its places are filled with the ids of what is in the house.
        button: its words.
        told: words of the next page, or the name of a notice.
        typed: by the field's name in the form: text, an option's value, or True for a tick.
    """

    at: str
    button: str
    told: str
    typed: Mapping[str, str | bool] = field(default_factory=dict)


HELD: Mapping[str, str | bool] = {"reason": "announced maintenance", "confirmed": True}
WHY = {"reason": "they are on leave"}
FORTH = '{"to": "jenny@example.com", "amount": 7}'
# In this order: some make what others need.
PRESSES = (
    Press("/console/inbox", "Acknowledge selected", "errors_acknowledged", {"signature": True}),
    Press("/console/inbox/{signature}", "Resolve", "error_resolved"),
    Press("/console/jobs?q=state:failed", "Retry selected…", "Which jobs", {"job": True}),
    Press("/console/jobs?q=state:failed", "Keep", "view_kept", {"name": "What has failed"}),
    Press("/console/views", "Change", "view_changed", {"name": "Cards that were declined"}),
    Press("/console/views", "Begin jobs with it", "view_changed"),
    Press("/console/views", "Delete Cards that were declined", "view_deleted"),
    Press("/console/plans/new?q=state:failed", "Make a dry run", "Nothing was touched"),
    Press("/console/plans/{draft}", "Throw it away", "plan_abort"),
    Press("/console/plans/{running}", "Pause", "plan_pause"),
    Press("/console/queues", "Pause payments", "paused"),
    Press("/console/queues", "Resume payments", "resumed"),
    Press("/console/providers/carrier", "Probe it", "Answered well"),
    Press("/console/providers/carrier", "Hold its breaker open", "breaker-open", HELD),
    Press("/console/providers/carrier", "Give it back to itself", "breaker-auto"),
    Press("/console/alerts", "Send a test message to each", "alerts-tested"),
    Press("/console/jobs/{covered}", "Retry", "retried"),
    Press("/console/jobs/{queued}", "Cancel", "cancelled"),
    Press("/console/jobs/{edited}", "Approve edit 1", "edited"),
    Press("/console/jobs/{rejected}", "Reject edit 1", "edit_rejected"),
    Press("/console/jobs/{rejected}/edit", "Show what changes", "What changes", {"args": FORTH, "reason": "a new price"}),
    Press("/console/events/{delivery}", "Replay: make its jobs anew", "replayed"),
    Press("/console/people", "Make the operator and a one-time link", "One-time link", {"email": "edsger@example.com", "name": "Edsger"}),
    Press("/console/people/{other}", "Set role", "role-set", {"role": "viewer"}),
    Press("/console/people/{other}", "Make a one-time link", "One-time link"),
    Press("/console/people/{other}", "Take password and sessions away", "operator-reset", WHY),
    Press("/console/people/{other}", "Shut out", "operator-disabled", WHY),
    Press("/console/people/{other}", "Let in again", "operator-enabled"),
    Press("/console/account", "End", "session-ended"),
    Press("/console/account", "Set password", "password-set", {"password": ANOTHER, "again": ANOTHER}),
    Press("/console/queues", "Dark", "Queues"),
    Press("/console/queues", "Log out", "logged-out"),
    Press("/console/login", "Log in", "Inbox", {"email": "ada@example.com", "password": ANOTHER}),
)  # fmt: skip


@pytest.mark.parametrize("look", LOOKS, ids=str)
async def test_every_button_does_what_it_says(
    door: Desk, house: House, look: Look, subtests: pytest.Subtests
) -> None:
    """And none is left out: the forms that were sent are all that the console takes."""
    sent: set[str] = set()
    other = await door.window(look)
    await door.enter(other, house.admin)
    page = await door.window(look)
    page.on("request", lambda request: sent.update(posted(request)))
    await door.enter(page, house.admin)
    for press in PRESSES:
        with subtests.test(press.button, at=press.at):
            door.troubles.clear()
            await do(page, press, house)
            door.check()
    assert sent == {one.path for one in pages() if one.method == "POST"}


def posted(request: Request) -> list[str]:
    """Which form of the table was sent, if one was."""
    path = request.url.partition("//")[2].partition("/")[2].partition("?")[0]
    return [
        one.path
        for one in pages()
        if one.method == request.method == "POST" and re.fullmatch(expression(one.path), f"/{path}")
    ]


def expression(path: str) -> str:
    """What fits a path of the table, as the router reads it."""
    return str(
        web.UrlDispatcher().add_resource(path).get_info().get("pattern", re.compile(re.escape(path))).pattern
    )


async def do(page: Page, press: Press, house: House) -> None:
    """Fill a form in and send it, as a person does: what is folded up is unfolded first."""
    await page.goto(press.at.format(**asdict(house)))
    form = await unfolded(page, press.button)
    for name, value in press.typed.items():
        await fill(form, name, value)
    await form.get_by_role("button", name=press.button, exact=True).first.click()
    told = NOTICES.get(press.told, press.told)
    await expect(page.get_by_text(told).locator("visible=true").first).to_be_visible()


async def unfolded(page: Page, button: str) -> Locator:
    """The form that the button belongs to."""
    wanted = page.get_by_role("button", name=button, exact=True, include_hidden=True)
    form = page.locator("form", has=wanted).first
    folded = page.locator("details:not([open])", has=form)
    if await folded.count():
        await folded.locator("> summary").first.click()
    return form


async def fill(form: Locator, name: str, value: str | bool) -> None:  # noqa: FBT001 - a value
    """One field of it."""
    fields = form.locator(f'[name="{name}"]').first
    if value is True:
        await fields.check()
    elif await form.locator(f'select[name="{name}"]').count():
        await fields.select_option(str(value))
    else:
        await fields.fill(str(value))
