"""Telling people what the hub has found: one job for each channel and message, with the retries of any other job.

The hub makes these jobs itself, see docs/how-to/alerts.md. A notice that may have been told is told again: twice does less
harm than never.
"""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from hub import Args, Backoff, JobContext, job
from integrations import email, http, slack

Line = Annotated[str, StringConstraints(min_length=1, max_length=500)]
# A queue that does not keep up must not hold up the word of it.
_QUEUE = "alerts"
_RETRY = Backoff(attempts=12, base=timedelta(seconds=5), cap=timedelta(minutes=10))
_MARKS = {"new": "", "still": "still: ", "over": "over: "}
_ITEM: dict[str, JsonValue] = {
    "kind": "breaker_open",
    "standing": "new",
    "title": "stripe is not called",
    "detail": "it has been failing; its jobs wait, at no cost to their retries",
    "url": "https://hub.example.com/console/providers/stripe",
}
_NOTICE: dict[str, JsonValue] = {
    "title": "stripe is not called",
    "items": [_ITEM],
    "more": 0,
    "url": "https://hub.example.com/console/alerts",
    "at": "2027-01-31T09:00:00Z",
}


class Item(Args):
    """One thing to tell.

    Attributes:
        kind: what it is, such as `breaker_open`.
        standing: `new`, `still` there, or `over`.
        url: of the page about it; empty where nobody has said where the hub is.
    """

    kind: Annotated[str, StringConstraints(max_length=50)]
    standing: Literal["new", "still", "over"]
    title: Line
    detail: Annotated[str, StringConstraints(max_length=3000)] = ""
    url: Annotated[str, StringConstraints(max_length=2000)] = ""


class Notice(Args):
    """What there is to tell at one time.

    Attributes:
        title: one line that says it all where there is one thing.
        more: how many items are left out.
        url: of the page of all alerts.
        at: when it was found, in RFC 3339.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_NOTICE]})

    title: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    items: Annotated[list[Item], Field(max_length=50)] = []  # noqa: RUF012 - pydantic copies it
    more: Annotated[int, Field(ge=0)] = 0
    url: Annotated[str, StringConstraints(max_length=2000)] = ""
    at: Annotated[str, StringConstraints(max_length=40)] = ""


class MailNotice(Notice):
    """The same to one address."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_NOTICE, "to": "oncall@example.com"}]})

    to: email.Recipient


class WebhookNotice(Notice):
    """The same to an address of your own."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_NOTICE, "to": "https://example.com/hooks/hub"}]}
    )

    to: http.Url


@job(queue=_QUEUE, priority=9, retry=_RETRY, timeout=timedelta(minutes=1))
async def to_slack(ctx: JobContext, args: Notice) -> slack.Posted:
    """Tell the channel of the configured Slack webhook what the hub has found."""
    return await ctx.call(slack.post_notice, title=args.title[:500], text=in_slack(args))


@job(queue=_QUEUE, priority=9, retry=_RETRY, timeout=timedelta(minutes=2))
async def to_email(ctx: JobContext, args: MailNotice) -> email.Sent:
    """Tell one mail address what the hub has found."""
    subject = " ".join(f"[hub] {args.title}".split())[:200]
    return await ctx.call(email.send, to=args.to, subject=subject, text=in_words(args))


@job(queue=_QUEUE, priority=9, retry=_RETRY, timeout=timedelta(minutes=1))
async def to_webhook(ctx: JobContext, args: WebhookNotice) -> http.HttpAnswer:
    """Tell an address of your own what the hub has found, signed per Standard Webhooks."""
    data = args.model_dump(mode="json", exclude={"to", "at"})
    body = {"type": "alert", "timestamp": args.at, "data": data}
    return await ctx.call(http.send_repeatable, method="POST", url=str(args.to), body=body)


def in_words(notice: Notice) -> str:
    """The notice as plain text."""
    told = [
        "\n".join(filter(None, [f"{_MARKS[item.standing]}{item.title}", item.detail, item.url]))
        for item in notice.items
    ]
    return "\n\n".join([*(told or [notice.title]), *_rest(notice)]) + "\n"


def in_slack(notice: Notice) -> str:
    """The notice in Slack's mrkdwn, cut at what a section takes."""
    told = [_slack_item(item) for item in notice.items] or [f"*{slack.escape(notice.title)}*"]
    rest = [f"<{line}>" if line == notice.url else line for line in _rest(notice)]
    # Whole items only: half of a link is none.
    while len("\n".join([*told, *rest])) > 3000 and len(told) > 1:
        told.pop()
    return "\n".join([*told, *rest])[:3000]


def _slack_item(item: Item) -> str:
    title = slack.escape(item.title)
    linked = f"<{item.url}|{title}>" if item.url else title
    return f"*{_MARKS[item.standing]}{linked}*\n{slack.escape(item.detail)[:600]}"


def _rest(notice: Notice) -> list[str]:
    more = f"and {notice.more} more" if notice.more else ""
    return [line for line in (more, notice.url) if line]
