"""Mail over SMTP (RFC 5321, RFC 5322).

HUB_EMAIL_BASE_URL names the server: smtp://host:port, or smtps://host:port for TLS throughout. HUB_EMAIL_FROM is the
sender, HUB_EMAIL_NOTIFY_TO whoever is told what happens here; HUB_EMAIL_USERNAME, _PASSWORD and _STARTTLS as needed.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, EmailStr, StringConstraints

from hub import (
    Answer,
    Args,
    Call,
    CallError,
    Effect,
    Limits,
    LookUp,
    Mail,
    Operation,
    Provider,
    Result,
    by_status,
)

# 7-bit throughout, so that no server on the way needs an extension, and each line is short enough for all.
POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,200}")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")


def _in_ascii(address: str) -> str:
    """The address as every mail server understands it: the domain in IDNA, the part before it plain."""
    local, _, domain = address.rpartition("@")
    plain = f"{local}@{domain.encode('idna').decode()}"
    if not _ADDRESS.fullmatch(plain):
        raise ValueError("the part before the @ must be ASCII without quotes or spaces")
    return plain


Recipient = Annotated[EmailStr, AfterValidator(_in_ascii)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Body = Annotated[str, StringConstraints(min_length=1)]

email = Provider(
    "email",
    # Without a base URL there is no mail. Port 25 is the usual one for smtp://, 465 for smtps://.
    limits=Limits(per_second=20, concurrent=10),
    timeout=timedelta(seconds=60),
    settings=("from", "username", "password", "starttls", "notify_to"),
    look_up=LookUp("in the mail server's log, look for the Message-ID that begins with {key}"),
    no_probe="a mail server that greets says nothing yet about whether it takes mail: send one",
)


class Letter(Args):
    """What is said."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"subject": "New issue", "text": "Somebody opened an issue.\n"}]}
    )

    subject: Subject
    text: Body
    html: Body | None = None


class Send(Letter):
    """One mail to one recipient, from HUB_EMAIL_FROM."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "to": "jenny.rosen@example.com",
                    "subject": "Your order is on its way",
                    "text": "Hello Jenny,\n\nyour order left our house today.\n",
                }
            ]
        }
    )

    to: Recipient


class Sent(Result):
    """The mail server has taken it over.

    Attributes:
        id: its Message-ID; the same for every repeat of one step.
        reply: the server's own words, which mostly hold its queue id.
    """

    id: str
    reply: str


def build_send(_operation: Operation[Any, Any], args: Send, call: Call) -> Mail:
    """A mail to the recipient that the arguments name."""
    return _mail(args, call, args.to)


def build_notify(_operation: Operation[Any, Any], args: Letter, call: Call) -> Mail:
    """A mail to HUB_EMAIL_NOTIFY_TO, whoever watches this hub."""
    return _mail(args, call, _setting(call, "notify_to"))


def _mail(letter: Letter, call: Call, to: str) -> Mail:
    if not call.base_url:
        raise _not_configured("HUB_EMAIL_BASE_URL is not set")
    sender = _setting(call, "from")
    key = _header_safe(call.idempotency_key)
    message_id = f"<{key}@{sender.rpartition('@')[2]}>"
    message = EmailMessage(POLICY)
    message["From"] = Address(addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = letter.subject
    message["Message-ID"] = message_id
    message["X-Request-Id"] = _header_safe(call.correlation_id)
    # Out-of-office replies to this would help nobody (RFC 3834, 5).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html")
        # Random by default, which would make every repeat of one mail another mail.
        message.set_boundary(f"=_{hashlib.sha256(key.encode()).hexdigest()[:32]}")
    return Mail(sender, (to,), message.as_bytes(), message_id)


def _header_safe(text: str) -> str:
    """As it is where it is plain, else a digest: nothing that comes from outside can end a header."""
    return (
        text if _PLAIN.fullmatch(text) else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
    )


def _setting(call: Call, name: str) -> str:
    try:
        return _in_ascii(call.credentials.get(name, ""))
    except ValueError:
        raise _not_configured(f"HUB_EMAIL_{name.upper()} must be set to a mail address") from None


def _not_configured(message: str) -> CallError:
    return by_status("email", Answer(401), code="not_configured", message=message)


def read(_operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """The server's last reply."""
    reply = answer.body.decode("utf-8", "replace").replace("\0", "")
    return {"id": answer.headers["message-id"], "reply": " ".join(reply.split())[:200]}


send = email.operation("SEND", "mail", Send, Sent, effect=Effect.MESSAGE, build=build_send, read=read)
notify = email.operation("SEND", "notice", Letter, Sent, effect=Effect.MESSAGE, build=build_notify, read=read)
