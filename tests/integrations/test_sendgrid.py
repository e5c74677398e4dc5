"""SendGrid's wire format and errors."""

import json
from typing import Any

import httpx
import pytest
import respx

from hub import Answer, Call, NoAnswer, Rejected
from hub.domain.effects import Certainty, Effect
from hub.domain.errors import Unauthorized
from integrations import sendgrid
from tests.infra.calls import sending

CALL = Call(
    "https://api.sendgrid.com",
    {"api_key": "SG.0123456789abcdef.0123456789abcdef", "from": "shop@example.org"},
    "hub-key-1",
    "request-1",
)
ARGS = sendgrid.SendMail(to="jenny@example.com", subject="Größe", text="Grüße", html="<p>Grüße</p>")


async def sent(**response: Any) -> tuple[sendgrid.Accepted, httpx.Request]:
    router = respx.Router()
    route = router.post("https://api.sendgrid.com/v3/mail/send").respond(**response)
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        return await sender.send(sendgrid.send_mail, ARGS, CALL), route.calls.last.request


async def test_the_wire_format() -> None:
    """JSON in SendGrid's shape; 202, an empty body and the id in a header come back."""
    accepted, request = await sent(status_code=202, headers={"X-Message-Id": "14c5d75ce93.dfd.64b469"})
    assert accepted.id == "14c5d75ce93.dfd.64b469"
    assert request.headers["authorization"] == "Bearer SG.0123456789abcdef.0123456789abcdef"
    assert json.loads(request.content) == {
        "personalizations": [{"to": [{"email": "jenny@example.com"}]}],
        "from": {"email": "shop@example.org"},
        "subject": "Größe",
        "content": [
            {"type": "text/plain", "value": "Grüße"},
            {"type": "text/html", "value": "<p>Grüße</p>"},
        ],
        "custom_args": {"hub_key": "hub-key-1"},
    }


async def test_a_refusal_tells_the_field() -> None:
    """https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors"""
    errors = {
        "errors": [{"message": "Does not contain a valid address.", "field": "from.email", "help": "…"}]
    }
    with pytest.raises(Rejected, match=r"from\.email: Does not contain a valid address\.") as caught:
        await sent(status_code=400, json=errors)
    assert caught.value.certainty is Certainty.REJECTED


async def test_an_unverified_key_is_told_as_such() -> None:
    """The hub's own credentials are wrong: nothing about this mail."""
    with pytest.raises(Unauthorized):
        await sent(status_code=403, json={"errors": [{"message": "access forbidden"}]})


async def test_no_answer_is_uncertain_because_there_are_no_keys() -> None:
    """It offers nothing that would make a repeat harmless, and the provider says so."""
    assert sendgrid.sendgrid.idempotency is None
    assert sendgrid.send_mail.effect is Effect.MESSAGE

    def breaks(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    async with sending(transport=httpx.MockTransport(breaks)) as sender:
        with pytest.raises(NoAnswer):
            await sender.send(sendgrid.send_mail, ARGS, CALL)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"errors": {}}', b'{"errors": []}', b'{"errors": ["x"]}'])
def test_what_is_no_sendgrid_error_is_left_to_the_status(body: bytes) -> None:
    """Whatever stands in between may answer, too."""
    assert sendgrid.error_of(Answer(500, {}, body)) is None


async def test_a_missing_sender_is_named() -> None:
    """It says which variable to set."""
    call = Call(CALL.base_url, {"api_key": "SG.x"}, "hub-key-1", "request-1")
    async with sending() as sender:
        with pytest.raises(Unauthorized, match="HUB_SENDGRID_FROM is not set"):
            await sender.send(sendgrid.send_mail, ARGS, call)


async def test_the_probe_counts_what_the_key_may_do() -> None:
    """And keeps none of it; an answer without the list is not well."""
    router = respx.Router()
    route = router.get("https://api.sendgrid.com/v3/scopes")
    async with sending(transport=httpx.MockTransport(router.async_handler)) as sender:
        route.respond(200, json={"scopes": ["mail.send", "alerts.read"]})
        found = await sender.probe(sendgrid.list_scopes, sendgrid.ListScopes(), CALL, 5)
        assert found.count == 2
        assert route.calls.last.request.headers["authorization"].startswith("Bearer SG.")
        route.respond(200, json={"scopes": "all"})
        with pytest.raises(NoAnswer):
            await sender.probe(sendgrid.list_scopes, sendgrid.ListScopes(), CALL, 5)
