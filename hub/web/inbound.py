"""Webhooks: the raw bytes go to the intake, and its receipt goes back."""

from aiohttp import web

from hub.domain.errors import Invalid, NotFound, SignatureRefused
from hub.domain.sources import Reply
from hub.services.intake import Receipt
from hub.web.answers import JSON_HEADERS, PLAIN_HEADERS
from hub.web.endpoints import Context
from hub.web.problems import HttpProblem


async def receive(request: web.Request, context: Context) -> web.StreamResponse:
    """Take in one delivery. What is answered with 2xx is durable."""
    hub, source = context.hub, request.match_info["source"]
    if source not in hub.registry.sources:
        raise NotFound("there is no such webhook source", code="unknown_source")
    hub.intake.admit(request.content_length or 0)
    body = await context.bodies.read(request, hub.config.web.max_webhook_body)
    try:
        headers = _headers(request)
        receipt = await hub.intake.receive(source, headers, body, context.call.correlation_id)
    except SignatureRefused as refused:
        hub.metrics.event(source, f"refused_{refused.why}")
        raise
    except Invalid as refused:
        hub.metrics.event(source, "unreadable")
        raise HttpProblem(400, refused.code, str(refused), problems=refused.problems) from None
    hub.metrics.event(source, _outcome(receipt))
    return answer(receipt)


def answer(receipt: Receipt) -> web.Response:
    """The hub's own words, or the source's."""
    if receipt.reply is not None:
        return _in_its_own_words(receipt.reply)
    duplicate = b"true" if receipt.duplicate else b"false"
    body = b'{"event_id":"%s","duplicate":%s}' % (str(receipt.event_id).encode(), duplicate)
    return web.Response(body=body, headers=JSON_HEADERS)


def _in_its_own_words(reply: Reply) -> web.Response:
    response = web.Response(body=reply.body or None, status=reply.status, headers=PLAIN_HEADERS)
    if reply.body:
        response.headers["Content-Type"] = reply.content_type
    return response


def _outcome(receipt: Receipt) -> str:
    if receipt.event_id is None:
        return "handshake"
    return "duplicate" if receipt.duplicate else "accepted"


def _headers(request: web.Request) -> dict[str, str]:
    try:
        # Of a header that is given twice the first one counts, as everywhere in the hub.
        return {name.lower().decode(): value.decode() for name, value in reversed(request.raw_headers)}
    except UnicodeDecodeError:
        raise HttpProblem(400, "unreadable_header", "a header is not UTF-8") from None
