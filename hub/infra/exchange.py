"""One HTTP request and its answer, and how certain it is that the request arrived when there is none."""

import asyncio
from contextvars import Token

import aiohttp
import httpx

from hub.domain.errors import CallError, NoAnswer, NotSent, Rejected
from hub.domain.providers import Answer, HttpRequest
from hub.infra.addresses import ForbiddenAddressError
from hub.infra.connections import AnswerLostError, Progress, httpx_request, progress

MAX_ANSWER = 1 << 20  # bytes


async def exchange(
    transport: httpx.AsyncBaseTransport, provider: str, request: HttpRequest, deadline: float
) -> Answer:
    """Send a request once and read its answer whole.

    Args:
        transport: made by `connections.transport` (or a test's).
        provider: its name, for messages.
        request: what to send.
        deadline: when the answer must be there, on the event loop's clock.

    Raises:
        CallError: NotSent only if no byte can have left; otherwise NoAnswer.
    """
    state = Progress()
    token: Token[Progress] = progress.set(state)
    try:
        async with asyncio.timeout_at(deadline):
            sent = httpx_request(request.method, request.url, request.headers, request.body)
            return await _read(provider, await transport.handle_async_request(sent))
    except CallError:
        raise
    except TimeoutError:
        raise _timed_out(provider, state) from None
    # Whatever broke, the request may have left, and the ledger must say so. The cause stays behind: it holds the URL.
    except Exception as error:  # noqa: BLE001
        raise judge(provider, error) from None
    finally:
        progress.reset(token)


async def _read(provider: str, response: httpx.Response) -> Answer:
    body = bytearray()
    good = 200 <= response.status_code < 300
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER:
                if good:
                    raise NoAnswer(
                        f"{provider} answered more than {MAX_ANSWER} bytes",
                        code="answer_too_large",
                        status=response.status_code,
                    )
                break
    finally:
        await response.aclose()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, bytes(body[:MAX_ANSWER]))


NOT_ALLOWED = "address_not_allowed"
# Before the connection was handed over to the request: nothing can have left. The first that fits, counts.
_NOT_SENT: tuple[tuple[type[BaseException], str, str], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", "the name cannot be resolved"),
    (aiohttp.ClientConnectorCertificateError, "certificate", "the certificate cannot be verified"),
    (aiohttp.ClientSSLError, "tls", "no TLS connection"),
    (aiohttp.ClientConnectorError, "connect", "connection refused or unreachable"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout", "no connection in time"),
)
# Afterwards: it may have arrived.
_NO_ANSWER: tuple[tuple[type[BaseException], str, str], ...] = (
    (AnswerLostError, "connection_lost", "the connection was lost before the answer"),
    (aiohttp.ClientConnectionError, "connection_lost", "the connection was lost before the answer"),
    (aiohttp.ClientPayloadError, "connection_lost", "the connection was lost inside the answer"),
    (aiohttp.ClientResponseError, "unreadable_answer", "the answer is not HTTP"),
    (httpx.DecodingError, "unreadable_answer", "the answer is not encoded as it says"),
    (httpx.ReadTimeout, "timeout", "no answer in time"),
    (Exception, "call_failed", "the call broke off"),
)
_INVALID_URL = (aiohttp.InvalidURL, httpx.InvalidURL, httpx.UnsupportedProtocol)


def judge(provider: str, error: Exception) -> CallError:
    """The CallError that a transport's error stands for.

    httpx_aiohttp turns every aiohttp.ClientConnectionError, a reset in the middle of an answer included, into
    httpx.ConnectTimeout, which would be a licence to send again. So what counts is the error underneath.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ else error
    if isinstance(cause, aiohttp.ClientConnectorError) and _is_forbidden(cause):
        return Rejected(f"{provider}: the address is not a public one", code=NOT_ALLOWED)
    if isinstance(cause, _INVALID_URL):
        return Rejected(f"{provider}: the URL cannot be used", code="invalid_url")
    for kind, code, words in _NOT_SENT:
        if isinstance(cause, kind):
            return NotSent(f"{provider}: {words}", code=code)
    code, words = next((code, words) for kind, code, words in _NO_ANSWER if isinstance(cause, kind))
    return NoAnswer(f"{provider}: {words}", code=code)


def _timed_out(provider: str, state: Progress) -> CallError:
    if state.connecting:
        return NotSent(f"{provider}: no connection in time", code="connect_timeout")
    return NoAnswer(f"{provider}: no answer in time", code="timeout")


def _is_forbidden(error: aiohttp.ClientConnectorError) -> bool:
    # Several addresses, all forbidden, raise the first one's error; a mixture was tried and refused as a whole.
    return isinstance(error.os_error, ForbiddenAddressError)
