"""What the jobs that tell alerts say, to real receivers."""

import json
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from integrations import slack
from jobs import alerts
from jobs.alerts import Item, MailNotice, Notice, WebhookNotice
from tests.infra.calls import sending
from tests.jobs.test_jobs import Context
from tests.simulators.mailbox import running as running_mailbox

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
NEW = Item(
    kind="breaker_open",
    standing="new",
    title="stripe <is> not called",
    detail="it has been failing & waits",
    url="https://hub.example.com/console/providers/stripe",
)
OVER = Item(kind="work_waits", standing="over", title="due work of email waits")
FIELDS: dict[str, Any] = {
    "title": "stripe is not called; over: due work of email waits",
    "items": [NEW, OVER],
    "more": 3,
    "url": "https://hub.example.com/console/alerts",
    "at": "2027-01-31T09:00:00Z",
}


async def test_a_webhook_is_signed_so_that_the_standard_library_verifies_it(unused_tcp_port: int) -> None:
    """The body is what was found, without where it goes; a changed one is refused by the same library."""
    received: list[tuple[dict[str, str], bytes]] = []

    async def receive(request: web.Request) -> web.Response:
        received.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/hooks", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    url = f"http://127.0.0.1:{unused_tcp_port}/hooks"
    try:
        async with sending() as sender:
            context = Context(sender, {}, {"signing_secret": SECRET, "allow_private": "1"})
            answer = await alerts.to_webhook.function(
                context, WebhookNotice.model_validate({**FIELDS, "to": url})
            )
    finally:
        await runner.cleanup()
    assert getattr(answer, "status", None) == 204
    [(headers, body)] = received
    event = Webhook(SECRET).verify(body, headers)
    assert (event["type"], event["timestamp"]) == ("alert", "2027-01-31T09:00:00Z")
    assert [item["standing"] for item in event["data"]["items"]] == ["new", "over"]
    assert "to" not in event["data"]
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(body.replace(b"stripe", b"paypal"), headers)


async def test_a_mail_says_everything_in_plain_words() -> None:
    """One mail to one address, with the links."""
    async with running_mailbox() as mailbox, sending() as sender:
        context = Context(
            sender, {"email": f"smtp://127.0.0.1:{mailbox.smtp_port}"}, {"from": "hub@example.org"}
        )
        await alerts.to_email.function(context, MailNotice(to="oncall@example.org", **FIELDS))
        [mail] = mailbox.mails.kept
    assert mail.subject == "[hub] stripe is not called; over: due work of email waits"
    for words in (
        NEW.title,
        NEW.detail,
        NEW.url,
        "over: due work of email waits",
        "and 3 more",
        FIELDS["url"],
    ):
        assert words in mail.text


def test_slack_is_told_in_its_own_language() -> None:
    """Links, and nothing that could call somebody or begin a link of its own."""
    text = alerts.in_slack(Notice(**FIELDS))
    assert text.endswith(f"<{FIELDS['url']}>")
    assert "<https://hub.example.com/console/providers/stripe|stripe &lt;is&gt; not called>" in text
    assert "failing &amp; waits" in text
    assert "*over: due work of email waits*" in text


def test_a_message_for_slack_is_never_too_long() -> None:
    """Whole items are left out, not half of them."""
    items = [NEW.model_copy(update={"title": "x" * 400, "detail": "y" * 500}) for _ in range(10)]
    text = alerts.in_slack(Notice(**{**FIELDS, "items": items}))
    assert len(text) <= 3000
    slack.Post(title="t", text=text)
    assert text.count("<https://hub.example.com/console/providers/stripe|") == text.count(">*")


def test_a_notice_without_items_is_its_title() -> None:
    """As a test message is."""
    assert alerts.in_words(Notice(title="This is a test")) == "This is a test\n"
    assert alerts.in_slack(Notice(title="This is a <test>")) == "*This is a &lt;test&gt;*"


def test_what_is_told_is_json() -> None:
    """As the hub makes the jobs."""
    assert (
        Notice.model_validate_json(
            json.dumps({**FIELDS, "items": [NEW.model_dump(), OVER.model_dump()]})
        ).more
        == 3
    )
