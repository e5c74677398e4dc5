"""Mail out, over SMTP (RFC 5321), one connection a mail.

How certain the effect is follows the dialogue: before the message was sent nothing can have been delivered; when the
connection is lost after it, nobody knows (RFC 5321, 4.5.3.2.6 and 6.1); a reply is a definite word, either way.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import SplitResult, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from hub.domain.errors import CallError, Declined, NoAnswer, NotSent, Rejected, Unauthorized
from hub.domain.providers import Answer, Call, Mail

QUIT = 1.0  # seconds for a polite end; the mail is accepted by then
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


class Mailer:
    """Sends mails.

    Args:
        tls: how servers' certificates are verified.
        now: the clock for the Date header.
    """

    def __init__(self, tls: ssl.SSLContext, now: Callable[[], datetime] = utc_now) -> None:
        self._tls = tls
        self._now = now

    async def send(self, provider: str, mail: Mail, call: Call, deadline: float) -> Answer:
        """Send one mail; the answer is the server's last reply.

        Args:
            provider: its name, for messages.
            mail: complete but for the Date, which would make two builds of one mail differ.
            call: where to: `smtp://` (with STARTTLS where the server offers it, or as the setting `starttls` says) or
                `smtps://`; the credentials `username` and `password`, if any.
            deadline: when all must be done, on the event loop's clock.

        Raises:
            CallError: NoAnswer only when the message was out and no reply came.
        """
        client = self._client(provider, mail, urlsplit(call.base_url), call.credentials)
        dialogue = _Dialogue(provider)
        try:
            async with asyncio.timeout_at(deadline):
                code, text = await dialogue.hold(client, mail, self._dated(mail.message))
        except (SMTPException, OSError, ValueError) as error:
            raise dialogue.judge(error) from None
        finally:
            client.close()
        return Answer(code, {"message-id": mail.message_id}, text.encode())

    def _client(self, provider: str, mail: Mail, url: SplitResult, credentials: Mapping[str, str]) -> SMTP:
        if url.scheme not in {"smtp", "smtps"} or not url.hostname:
            raise _misconfigured(provider, "its address must be smtp://host:port or smtps://host:port")
        username = credentials.get("username") or None
        use_tls = url.scheme == "smtps"
        return SMTP(
            hostname=url.hostname,
            port=url.port,
            username=username,
            password=credentials.get("password") if username else None,
            # Given, because aiosmtplib would look the machine's own name up, which may take seconds.
            local_hostname=mail.sender.rpartition("@")[2],
            timeout=None,
            use_tls=use_tls,
            start_tls=False if use_tls else _starttls(provider, url, credentials),
            tls_context=self._tls,
        )

    def _dated(self, message: bytes) -> bytes:
        return b"Date: " + format_datetime(self._now()).encode() + b"\r\n" + message


def _starttls(provider: str, url: SplitResult, credentials: Mapping[str, str]) -> bool | None:
    """True: required; None: where offered; False: never."""
    wish = credentials.get("starttls", "").lower()
    if wish not in {"", "required", "never"}:
        raise _misconfigured(provider, "starttls must be 'required' or 'never', or be left out")
    if wish:
        return wish == "required"
    # A password never goes over the network in the clear because somebody in between left out an offer.
    return True if credentials.get("username") and url.hostname not in LOOPBACK else None


def _misconfigured(provider: str, message: str) -> Unauthorized:
    return Unauthorized(f"{provider}: {message}", code="not_configured")


_NOT_SENT: tuple[tuple[type[Exception], str, str], ...] = (
    (ssl.SSLCertVerificationError, "certificate", "the certificate cannot be verified"),
    (ssl.SSLError, "tls", "no TLS connection"),
    (TimeoutError, "connect_timeout", "no conversation in time"),
    (OSError, "connect", "connection refused or lost"),
    (SMTPException, "smtp", "the server lacks what is asked of it (STARTTLS, AUTH)"),
)


class _Dialogue:
    """One conversation with a server, and what its end means."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._message_out = False

    async def hold(self, client: SMTP, mail: Mail, message: bytes) -> tuple[int, str]:
        await client.connect()
        await client.mail(mail.sender)
        for recipient in mail.recipients:
            await client.rcpt(recipient)
        self._message_out = True
        reply = await client.data(message)
        with contextlib.suppress(SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(QUIT):
                await client.quit()
        return reply.code, reply.message

    def judge(self, error: Exception) -> CallError:
        if isinstance(error, SMTPResponseException):
            return self._refused(error)
        if self._message_out:
            late = isinstance(error, TimeoutError)
            words = "no reply to the message in time" if late else "the connection was lost before the reply"
            return NoAnswer(f"{self._provider}: {words}", code="timeout" if late else "connection_lost")
        # The first that fits, counts: a certificate's error is a ValueError as well, a timeout an OSError.
        for kind, code, words in _NOT_SENT:
            if isinstance(error, kind):
                return NotSent(f"{self._provider}: {words}", code=code)
        return Rejected(f"{self._provider}: the mail cannot be sent as it is", code="invalid_mail")

    def _refused(self, error: SMTPResponseException) -> CallError:
        """RFC 5321, 4.2.1: 4yz may pass, 5yz will not; either way the mail was not taken."""
        text = f"{self._provider} replied {error.code}: {_first_line(error.message)}"
        code = f"smtp_{error.code}"
        if not 400 <= error.code < 600:
            # Neither yes nor no: a reply out of place, or (aiosmtplib's -1) none of SMTP's.
            kind = NoAnswer if self._message_out else NotSent
            return kind(text, code="unreadable_answer")
        if error.code < 500:
            # Refused as to this mail, the server is well; refused at the door, it is not. The breaker tells by status.
            known = isinstance(error, SMTPSenderRefused | SMTPRecipientRefused | SMTPDataError)
            return NotSent(text, code=code, status=error.code if known else None)
        if isinstance(error, SMTPAuthenticationError) or error.code in {530, 534, 535, 538}:
            return Unauthorized(text, code=code, status=error.code)
        refusal = Declined if isinstance(error, SMTPRecipientRefused) else Rejected
        return refusal(text, code=code, status=error.code)


def _first_line(text: str) -> str:
    return " ".join(text.split())[:200]
