"""Slack, by an incoming webhook: whoever knows its address may post to one channel.

HUB_SLACK_WEBHOOK_URL is that address. A server of one's own that speaks the same (Mattermost) is named by
HUB_SLACK_BASE_URL. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import ConfigDict, StringConstraints

from hub import (
    Answer,
    Args,
    Auth,
    Call,
    CallError,
    Effect,
    HttpRequest,
    Limits,
    Operation,
    Provider,
    Result,
    by_status,
)

_WORD = re.compile(r"[a-z_]{1,60}")


def error_of(answer: Answer) -> CallError | None:
    """Slack's word for what is wrong, such as `no_service`: all of its body.

    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
    """
    word = answer.body[:100].decode("utf-8", "replace").strip()
    if not _WORD.fullmatch(word):
        return None
    return by_status(
        "slack",
        answer,
        code=word if answer.status < 429 else None,
        message=f"slack answered {answer.status}: {word}",
    )


slack = Provider(
    "slack",
    base_url="https://hooks.slack.com",
    auth=Auth("url", "webhook_url"),
    # One a second: https://docs.slack.dev/apis/web-api/rate-limits#overview
    limits=Limits(per_second=1, concurrent=2),
    timeout=timedelta(seconds=15),
    error=error_of,
    no_probe="an incoming webhook can only be posted to, and whoever is in the channel would see it",
)


class Post(Args):
    """A message to the webhook's channel, in Slack's mrkdwn.

    Attributes:
        title: what notifications show.
        text: the message itself; by default the title.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "stripe is not called",
                    "text": "*stripe is not called*\\nit has been failing: <https://hub.example.com|look>",
                }
            ]
        }
    )

    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    # The most that a section takes: https://docs.slack.dev/reference/block-kit/blocks/section-block
    text: Annotated[str, StringConstraints(min_length=1, max_length=3000)] | None = None


class Posted(Result):
    """Slack has taken it; `reply` is its word for that, `ok`."""

    reply: Annotated[str, StringConstraints(max_length=200)]


def escape(text: str) -> str:
    """As plain text in mrkdwn. https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def build(operation: Operation[Any, Any], args: Post, call: Call) -> HttpRequest:
    """The message as one section, under the address that is the secret."""
    # Verbatim: strangers' words in an error are neither made links nor taken for mentions, `<…>` of ours still is.
    text = {"type": "mrkdwn", "text": args.text or escape(args.title), "verbatim": True}
    body = {
        "text": escape(args.title),
        "blocks": [{"type": "section", "text": text}],
    }
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Request-Id": call.correlation_id}
    return HttpRequest(
        operation.method, _address(call), headers, json.dumps(body, ensure_ascii=False).encode()
    )


def _address(call: Call) -> str:
    secret = urlsplit(call.credentials["webhook_url"])
    base = call.base_url.rstrip("/")
    if secret.netloc and secret.netloc != urlsplit(base).netloc:
        message = f"HUB_SLACK_WEBHOOK_URL is not one of {base}: set HUB_SLACK_BASE_URL to where it is"
        raise by_status("slack", Answer(401), code="not_configured", message=message)
    return f"{base}/{secret.path.lstrip('/')}"


def read(_operation: Operation[Any, Any], answer: Answer) -> Mapping[str, Any]:
    """`ok`, as text."""
    return {"reply": answer.body[:200].decode("utf-8", "replace").strip().replace("\0", "")}


post = slack.operation("POST", "/services", Post, Posted, effect=Effect.MESSAGE, build=build, read=read)
# READ is the ledger's word for "may always be repeated": a notice that is told twice does less harm than one that is lost.
post_notice = slack.operation(
    "POST", "/services#notice", Post, Posted, effect=Effect.READ, build=build, read=read
)
