"""The mailbox, judged by smtplib, which is how a mail really arrives."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import httpx
import pytest

from tests.simulators.mailbox import RunningMailbox, running
from tests.simulators.processes import simulator


@pytest.fixture
async def mailbox() -> AsyncIterator[RunningMailbox]:
    """An empty mailbox in this loop."""
    async with running() as empty:
        yield empty


@pytest.fixture
async def view(mailbox: RunningMailbox) -> AsyncIterator[httpx.AsyncClient]:
    """Its HTTP view."""
    async with httpx.AsyncClient(base_url=mailbox.url, trust_env=False) as client:
        yield client


def mail(**changes: str) -> EmailMessage:
    """A receipt."""
    message = EmailMessage()
    headers = {
        "From": "shop@example.com",
        "To": "ada@example.com",
        "Subject": "Your receipt",
        "Message-ID": "<order-7@example.com>",
    }
    for name, value in {**headers, **changes}.items():
        message[name] = value
    message.set_content("Thank you: 19.99 €")
    return message


def deliver(port: int, message: EmailMessage) -> None:
    """One SMTP transaction."""
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.send_message(message)


async def send(mailbox: RunningMailbox, message: EmailMessage | None = None) -> None:
    """The same, beside the mailbox's own loop."""
    await asyncio.to_thread(deliver, mailbox.smtp_port, message or mail())


async def order(view: httpx.AsyncClient, fault: dict[str, Any], **more: Any) -> None:
    """Order a fault."""
    assert (await view.post("/_control/faults", json={"fault": fault, **more})).status_code == 201


async def test_a_mail_arrives_with_its_envelope_headers_and_text(
    mailbox: RunningMailbox, view: httpx.AsyncClient
) -> None:
    """The JSON view tells what a test of an e-mail provider asks for."""
    await send(mailbox)
    (kept,) = (await view.get("/messages")).json()["messages"]
    assert (kept["from"], kept["to"]) == ("shop@example.com", ["ada@example.com"])
    assert (kept["subject"], kept["message_id"]) == ("Your receipt", "<order-7@example.com>")
    assert kept["text"].strip() == "Thank you: 19.99 €"
    assert kept["received_at"] > 0


async def test_messages_are_narrowed_and_thrown_away(
    mailbox: RunningMailbox, view: httpx.AsyncClient
) -> None:
    """By recipient or Message-ID; a second mail with one Message-ID is counted as a duplicate."""
    await send(mailbox)
    await send(mailbox)
    await send(mailbox, mail(**{"To": "bob@example.com", "Message-ID": "<order-8@example.com>"}))
    to_ada = (await view.get("/messages", params={"to": "ada@example.com"})).json()["messages"]
    by_id = (await view.get("/messages", params={"message_id": "<order-8@example.com>"})).json()["messages"]
    assert (len(to_ada), len(by_id)) == (2, 1)
    assert (await view.get("/_control/counts")).json() == {"accepted": 3, "duplicates": 1}
    await view.delete("/messages")
    assert (await view.get("/messages")).json() == {"messages": []}


async def test_the_page_escapes_what_it_shows(mailbox: RunningMailbox, view: httpx.AsyncClient) -> None:
    """A mail is a stranger's text."""
    await send(mailbox, mail(Subject="<script>alert(1)</script>"))
    page = await view.get("/")
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert "19.99 €" in page.text


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        ("mail", smtplib.SMTPSenderRefused),
        ("rcpt", smtplib.SMTPRecipientsRefused),
        ("data", smtplib.SMTPDataError),
    ],
)
async def test_a_mail_is_refused_at_each_stage_and_taken_the_next_time(
    mailbox: RunningMailbox, view: httpx.AsyncClient, stage: str, error: type[Exception]
) -> None:
    """451 passes, and nothing was kept."""
    await order(view, {"code": 451, "stage": stage})
    with pytest.raises(error, match="451"):
        await send(mailbox)
    assert mailbox.mails.kept == []
    await send(mailbox)
    assert len(mailbox.mails.kept) == 1


async def test_a_refusal_may_be_for_one_recipient_and_for_good(
    mailbox: RunningMailbox, view: httpx.AsyncClient
) -> None:
    """550 for a mailbox that does not exist, as often as it is tried."""
    fault = {"code": 550, "stage": "rcpt", "text": "5.1.1 No such mailbox"}
    await order(view, fault, match={"to": "bob@example.com"}, times=None)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="No such mailbox"):
            await send(mailbox, mail(To="bob@example.com"))
    await send(mailbox)
    assert mailbox.mails.counts == {"refused": 2, "accepted": 1}


@pytest.mark.parametrize(("moment", "kept"), [("before", 0), ("after", 1)])
async def test_a_connection_dropped_before_the_reply_hides_whether_the_mail_was_kept(
    mailbox: RunningMailbox, view: httpx.AsyncClient, moment: str, kept: int
) -> None:
    """The uncertain case: the sender sees the same error either way."""
    await order(view, {"drop": moment})
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
        await send(mailbox)
    assert len(mailbox.mails.kept) == kept


async def test_a_stalled_mail_is_kept_and_never_acknowledged(
    mailbox: RunningMailbox, view: httpx.AsyncClient
) -> None:
    """The sender's own time limit ends it."""
    await order(view, {"stall": True})

    def deliver_impatiently() -> None:
        client = smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=0.5)
        try:
            client.send_message(mail())
        finally:
            client.close()

    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        await asyncio.to_thread(deliver_impatiently)
    assert len(mailbox.mails.kept) == 1


async def test_a_bad_order_is_refused(view: httpx.AsyncClient) -> None:
    """A misspelt order must not pass for one that stands."""
    documents: tuple[object, ...] = (
        {},
        {"fault": {"code": 451, "stage": "quit"}},
        {"fault": {"drop": "never"}},
        [],
    )
    for document in documents:
        assert (await view.post("/_control/faults", json=document)).status_code == 400
    assert (await view.get("/_control/faults")).json() == {"faults": []}


def test_the_mailbox_runs_as_a_process() -> None:
    """The ready line tells both ports."""
    with simulator("mailbox") as ready:
        deliver(ready["smtp_port"], mail())
        assert len(httpx.get(ready["url"] + "/messages", trust_env=False).json()["messages"]) == 1
