"""SendGrid: mail over HTTP. https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, EmailStr, StringConstraints

from hub import (
    Answer,
    Args,
    Call,
    CallError,
    Effect,
    HttpRequest,
    Limits,
    LookUp,
    Operation,
    Provider,
    Result,
    bearer,
    by_status,
    read_json,
)

Line = Annotated[str, StringConstraints(min_length=1, max_length=998, pattern=r"^[^\x00-\x1f\x7f]+$")]
Body = Annotated[str, StringConstraints(min_length=1)]


def error_of(answer: Answer) -> CallError | None:
    """The first of SendGrid's errors in words; what kind it is, the status says.

    https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors
    """
    document = answer.json()
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list) or not errors or not isinstance(errors[0], dict):
        return None
    parts = [str(errors[0].get(name) or "") for name in ("field", "message")]
    text = ": ".join(" ".join(part.split()) for part in parts if part)
    return by_status("sendgrid", answer, message=f"sendgrid: {text}"[:300])


sendgrid = Provider(
    "sendgrid",
    base_url="https://api.sendgrid.com",
    auth=bearer("api_key"),
    # It has no idempotency keys: whether a mail that was not answered for went out is for a person to look up.
    limits=Limits(per_second=100, concurrent=20),
    error=error_of,
    settings=("from",),
    # https://www.twilio.com/docs/sendgrid/ui/analytics-and-reporting/email-activity-feed
    look_up=LookUp(
        "in SendGrid's Email Activity Feed, look for the unique argument hub_key = {key}, or for the recipient and the time",
        url="https://app.sendgrid.com/email_activity",
    ),
)


class SendMail(Args):
    """One mail to one recipient, from HUB_SENDGRID_FROM."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"to": "jenny.rosen@example.com", "subject": "Your order", "text": "It is on its way.\n"}
            ]
        }
    )

    to: EmailStr
    subject: Line
    text: Body
    html: Body | None = None


class Accepted(Result):
    """SendGrid has taken the mail over; `id` is its own, found in its activity feed."""

    id: Annotated[str, StringConstraints(max_length=255)]


def build(operation: Operation[Any, Any], args: SendMail, call: Call) -> HttpRequest:
    """Write the mail in SendGrid's JSON. The key rides along, so that its activity feed can be searched for it."""
    headers = operation.provider.auth.headers(call.credentials) | {
        "Content-Type": "application/json",
        "X-Request-Id": call.correlation_id,
    }
    content = [{"type": "text/plain", "value": args.text}]
    if args.html is not None:
        content.append({"type": "text/html", "value": args.html})
    mail = {
        "personalizations": [{"to": [{"email": args.to}]}],
        "from": {"email": call.credentials["from"]},
        "subject": args.subject,
        "content": content,
        "custom_args": {"hub_key": call.idempotency_key},
    }
    url = call.base_url.rstrip("/") + operation.path
    return HttpRequest(operation.method, url, headers, json.dumps(mail, ensure_ascii=False).encode())


def read(_operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """202 with an empty body; the id stands in a header."""
    return {"id": answer.headers.get("x-message-id", "")}


send_mail = sendgrid.operation(
    "POST", "/v3/mail/send", SendMail, Accepted, effect=Effect.MESSAGE, build=build, read=read
)


class ListScopes(Args):
    """https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions/retrieve-a-list-of-scopes-for-which-this-user-has-access"""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})


class Scopes(Result):
    """How many things the key may do."""

    count: int


def read_scopes(operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """Count them: which they are stays with SendGrid."""
    scopes = read_json(operation, answer).get("scopes")
    return {"count": len(scopes)} if isinstance(scopes, list) else {}


list_scopes = sendgrid.operation("GET", "/v3/scopes", ListScopes, Scopes, read=read_scopes, probe=True)
