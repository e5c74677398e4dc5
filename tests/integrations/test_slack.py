"""Slack's incoming webhooks: the wire format, its errors, and an address that is a secret."""

import json
from typing import Any

import httpx
import pytest
import respx

from hub import Call, CallError, NoAnswer, Rejected, Throttled
from hub.domain.effects import Certainty, Effect
from integrations import slack
from tests.infra.calls import sending

SECRET = "https://hooks.slack.com/services/T012/B345/abcdefghijklmnop"
CALL = Call("https://hooks.slack.com", {"webhook_url": SECRET}, "hub-key-1", "request-1")
ARGS = slack.Post(title="stripe <is> not called", text="*stripe* <https://hub.example.com|look>")


async def sent(
    args: slack.Post = ARGS, call: Call = CALL, **response: Any
) -> tuple[slack.Posted, httpx.Request]:
    router = respx.Router()
    route = router.post(SECRET).respond(**response)
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        return await sender.send(slack.post, args, call), route.calls.last.request


async def test_the_wire_format() -> None:
    """A section for the channel, and plain text for notifications; `ok` comes back."""
    posted, request = await sent(status_code=200, text="ok")
    assert posted.reply == "ok"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(request.content) == {
        "text": "stripe &lt;is&gt; not called",
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*stripe* <https://hub.example.com|look>",
                    "verbatim": True,
                },
            }
        ],
    }


async def test_without_a_text_the_title_is_the_message() -> None:
    """Escaped, so that a name in it calls nobody."""
    _, request = await sent(slack.Post(title="<!channel> & co"), status_code=200, text="ok")
    assert json.loads(request.content)["blocks"][0]["text"]["text"] == "&lt;!channel&gt; &amp; co"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (404, "no_service", Rejected, "no_service"),
        (410, "channel_is_archived", Rejected, "channel_is_archived"),
        (400, "invalid_payload", Rejected, "invalid_payload"),
        (403, "action_prohibited", CallError, "action_prohibited"),
        (429, "rate_limited", Throttled, "throttled"),
        (500, "rollup_error", CallError, "status_500"),
        (503, "<html>", CallError, "status_503"),
    ],
)
async def test_slacks_word_is_the_code(status: int, body: str, kind: type[CallError], code: str) -> None:
    """Where it says no; what may pass is told by its status, as everywhere."""
    with pytest.raises(kind) as caught:
        await sent(status_code=status, text=body, headers={"Retry-After": "7"})
    assert caught.value.code == code
    assert caught.value.retry_after is not None
    assert "abcdefghijklmnop" not in str(caught.value)


async def test_a_lost_answer_tells_no_secret_either() -> None:
    """What breaks off has the address in its hands."""

    def lost(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError(SECRET)

    async with sending(transport=httpx.MockTransport(lost)) as sender:
        with pytest.raises(NoAnswer) as caught:
            await sender.send(slack.post, ARGS, CALL)
    assert "abcdefghijklmnop" not in str(caught.value)
    assert caught.value.certainty is Certainty.UNKNOWN


async def test_an_address_elsewhere_is_not_posted_to() -> None:
    """Nobody sends what is told in confidence to a server that was not named."""
    stranger = Call(
        "https://hooks.slack.com", {"webhook_url": "https://evil.example/services/T/B/X"}, "k", "c"
    )
    with pytest.raises(CallError, match="HUB_SLACK_BASE_URL") as caught:
        await sent(call=stranger, status_code=200)
    assert caught.value.code == "not_configured"


def test_a_notice_may_be_told_again_and_a_message_may_not() -> None:
    """Told twice does less harm than not at all, for what the hub says; not for what jobs say to people."""
    assert (slack.post_notice.effect, slack.post.effect) == (Effect.READ, Effect.MESSAGE)


def test_no_repr_shows_the_address() -> None:
    """Neither of the request nor of the call."""
    request = slack.post.request(ARGS, CALL)
    assert "abcdefghijklmnop" not in repr(request) + repr(CALL)
