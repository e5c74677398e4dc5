"""Mail out, against a real SMTP dialogue: what is known of a mail after each way it can go wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from hub import Call, CallError, Declined, NoAnswer, Rejected
from hub.domain.effects import Certainty
from hub.domain.errors import NotSent, Unauthorized
from hub.infra.breakers import counts
from integrations import email
from tests.infra.calls import sending
from tests.simulators.mailbox import RunningMailbox, running

ARGS = email.Send(to="jenny@example.com", subject="Your order", text="It is on its way.\n")


@pytest.fixture
async def mailbox() -> AsyncIterator[RunningMailbox]:
    async with running() as mailbox:
        yield mailbox


def call(base_url: str, **credentials: str) -> Call:
    return Call(base_url, {"from": "shop@example.org", **credentials}, "hub-key-1", "request-1")


def at(mailbox: RunningMailbox) -> str:
    return f"smtp://127.0.0.1:{mailbox.smtp_port}"


async def sent(mailbox: RunningMailbox, args: email.Send = ARGS, **credentials: str) -> email.Sent:
    async with sending() as sender:
        return await sender.send(email.send, args, call(at(mailbox), **credentials))


async def failure(mailbox: RunningMailbox, fault: dict[str, Any]) -> CallError:
    """The error of a mail for which this fault was ordered."""
    mailbox.mails.order({"fault": fault, "times": None})
    with pytest.raises(CallError) as caught:
        await sent(mailbox)
    return caught.value


@asynccontextmanager
async def saying(
    *lines: bytes, dialogue: bool = False, greeted: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """A server that says these lines whatever it hears; with `dialogue` one for each line, then it waits for the end."""
    connections: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        for line in lines:
            writer.write(line)
            await writer.drain()
            if greeted:
                greeted.set()
            if dialogue and line[:3] == b"354":
                await reader.readuntil(b"\r\n.\r\n")
            elif dialogue:
                await reader.readline()
        if dialogue:
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*connections)


async def test_a_mail_arrives_as_it_was_meant(mailbox: RunningMailbox) -> None:
    """Envelope, headers, text and html; the reply says that it was taken."""
    args = email.Send(to="jenny@example.com", subject="Größe", text="Grüße\n.\nEnde\n", html="<p>Grüße</p>")
    result = await sent(mailbox, args)
    [mail] = mailbox.mails.kept
    assert (mail.sender, mail.to) == ("shop@example.org", ("jenny@example.com",))
    assert (mail.subject, mail.html.strip()) == ("Größe", "<p>Grüße</p>")
    assert mail.text.splitlines() == ["Grüße", ".", "Ende"]
    assert mail.message_id == result.id == "<hub-key-1@example.org>"
    assert mail.headers["X-Request-Id"] == "request-1"
    written = parsedate_to_datetime(mail.headers["Date"])
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert result.reply == "OK"


async def test_a_repeat_is_the_same_mail(mailbox: RunningMailbox) -> None:
    """Same key, same Message-ID: a recipient's server can tell, and so can a person."""
    await sent(mailbox)
    await sent(mailbox)
    assert [mail.message_id for mail in mailbox.mails.kept] == ["<hub-key-1@example.org>"] * 2
    assert mailbox.mails.counts["duplicates"] == 1


@pytest.mark.parametrize(("stage", "kind"), [("mail", Rejected), ("rcpt", Declined), ("data", Rejected)])
async def test_a_5xx_is_a_definite_no(mailbox: RunningMailbox, stage: str, kind: type[CallError]) -> None:
    """The mail was not taken, and will not be."""
    error = await failure(mailbox, {"code": 550, "stage": stage, "text": "5.1.1 No such user"})
    assert type(error) is kind
    assert error.certainty is Certainty.REJECTED
    assert (error.code, error.status) == ("smtp_550", 550)
    assert "No such user" in str(error)
    assert not mailbox.mails.kept


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_a_4xx_is_not_taken_and_may_pass(mailbox: RunningMailbox, stage: str) -> None:
    """Greylisting: certain that nothing was delivered, and no sign that the server is unwell."""
    error = await failure(mailbox, {"code": 451, "stage": stage})
    assert isinstance(error, NotSent)
    assert error.certainty is Certainty.NOT_SENT
    assert (error.code, error.status) == ("smtp_451", 451)
    assert not counts(error)
    # And nobody is asked again within the same moment.
    assert mailbox.mails.counts["refused"] == 1


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_connection_lost_after_the_message_is_unknown(mailbox: RunningMailbox, moment: str) -> None:
    """Kept or not kept: the sender cannot tell, and must not pretend."""
    error = await failure(mailbox, {"drop": moment})
    assert isinstance(error, NoAnswer)
    assert error.certainty is Certainty.UNKNOWN
    assert len(mailbox.mails.kept) == (moment == "after")
    assert mailbox.mails.counts["dropped"] == 1


async def test_no_reply_to_the_message_is_unknown(mailbox: RunningMailbox) -> None:
    """The deadline ends a dialogue that stands still after the message."""
    mailbox.mails.order({"fault": {"stall": True}})
    async with sending() as sender:
        mail = email.send.request(ARGS, call(at(mailbox)))
        deadline = asyncio.get_running_loop().time() + 0.3
        with pytest.raises(NoAnswer) as caught:
            await sender._mailer.send("email", mail, call(at(mailbox)), deadline)  # type: ignore[arg-type]
    assert caught.value.code == "timeout"


async def test_a_server_that_refuses_connections_is_not_sent(unused_tcp_port: int) -> None:
    """Nothing can have left."""
    async with sending() as sender:
        with pytest.raises(NotSent) as caught:
            await sender.send(email.send, ARGS, call(f"smtp://127.0.0.1:{unused_tcp_port}"))
    assert caught.value.code == "connect"
    assert counts(caught.value)


@pytest.mark.parametrize(
    ("greeting", "kind", "code"),
    [
        (b"421 4.3.2 too busy\r\n", NotSent, "smtp_421"),
        (b"554 5.3.2 no SMTP here\r\n", Rejected, "smtp_554"),
        (b"", NotSent, "connect"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", NotSent, "unreadable_answer"),
    ],
)
async def test_a_greeting_that_is_none(greeting: bytes, kind: type[CallError], code: str) -> None:
    """A server that is too busy, is none, hangs up, or speaks something else."""
    async with saying(greeting) as url, sending() as sender:
        with pytest.raises(CallError) as caught:
            await sender.send(email.send, ARGS, call(url))
    assert type(caught.value) is kind
    assert caught.value.code == code


async def test_a_reply_to_the_message_that_is_none_is_unknown() -> None:
    """Only a 4xx or 5xx is a no; anything but 250 is no yes either."""
    replies = [b"220 hi", b"250 hi", b"250 sender", b"250 recipient", b"354 go on", b"?!"]
    async with saying(*(reply + b"\r\n" for reply in replies), dialogue=True) as url, sending() as sender:
        with pytest.raises(NoAnswer) as caught:
            await sender.send(email.send, ARGS, call(url, starttls="never"))
    assert caught.value.code == "unreadable_answer"


async def test_a_server_that_says_nothing_is_not_sent() -> None:
    """The deadline before the message is told from the one after it."""
    async with saying(dialogue=True) as url, sending() as sender:
        mail = email.send.request(ARGS, call(url))
        deadline = asyncio.get_running_loop().time() + 0.2
        with pytest.raises(NotSent) as caught:
            await sender._mailer.send("email", mail, call(url), deadline)  # type: ignore[arg-type]
    assert caught.value.code == "connect_timeout"


async def test_a_password_is_used_where_the_server_asks_for_one(mailbox: RunningMailbox) -> None:
    """On the loopback without TLS; the simulator lets anyone in."""
    result = await sent(mailbox, username="shop", password="correct horse")
    assert result.id == "<hub-key-1@example.org>"


async def test_a_password_does_not_leave_without_tls(mailbox: RunningMailbox) -> None:
    """Where STARTTLS is required and not offered, nothing is sent."""
    mailbox_url = at(mailbox)
    async with sending() as sender:
        credentials = {"username": "shop", "password": "correct horse", "starttls": "required"}
        with pytest.raises(NotSent) as caught:
            await sender.send(email.send, ARGS, call(mailbox_url, **credentials))
    assert caught.value.code == "smtp"
    assert "correct horse" not in str(caught.value)
    assert not mailbox.mails.kept


@pytest.mark.parametrize(
    ("base_url", "credentials", "words"),
    [
        ("", {}, "HUB_EMAIL_BASE_URL is not set"),
        ("http://127.0.0.1:25", {}, "smtp://host:port"),
        ("smtp://127.0.0.1:25", {"from": "no address"}, "HUB_EMAIL_FROM must be set"),
        ("smtp://127.0.0.1:25", {"starttls": "maybe"}, "starttls must be"),
    ],
)
async def test_what_is_not_configured_is_named(
    base_url: str, credentials: dict[str, str], words: str
) -> None:
    """In words that say what to do, before anything is sent."""
    async with sending() as sender:
        with pytest.raises(Unauthorized, match=words) as caught:
            await sender.send(email.send, ARGS, call(base_url, **credentials))
    assert caught.value.code == "not_configured"


async def test_mails_at_once_are_all_sent(mailbox: RunningMailbox) -> None:
    """Ten at a time; the others wait their turn."""
    async with sending() as sender:
        outcomes = await asyncio.gather(
            *(sender.send(email.send, ARGS, call(at(mailbox))) for _ in range(15)), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [email.Sent] * 15
    assert len(mailbox.mails.kept) == 15


async def test_a_cancelled_mail_closes_its_connection() -> None:
    """A deploy leaves nothing hanging: `saying` ends only when the connection has."""
    greeted = asyncio.Event()
    async with saying(b"220 hi\r\n", dialogue=True, greeted=greeted) as url, sending() as sender:
        sends = asyncio.create_task(sender.send(email.send, ARGS, call(url)))
        await greeted.wait()
        sends.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sends
