"""The one sender, for all providers: limits, breaker, short retries, one request, the answer as its declared type."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx
from aiohttp.abc import AbstractResolver
from pydantic import BaseModel, ValidationError
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from hub.domain.effects import Effect
from hub.domain.errors import BreakerOpen, CallError, NoAnswer, NotSent, Rejected, Unauthorized
from hub.domain.providers import Answer, Call, HttpRequest, Mail, Operation, Request
from hub.domain.redaction import Redactor
from hub.infra.addresses import allows_private
from hub.infra.breakers import Breakers, Circuit
from hub.infra.connections import Pools
from hub.infra.exchange import NOT_ALLOWED, exchange
from hub.infra.limits import Gates
from hub.infra.mailer import Mailer

A = TypeVar("A", bound=BaseModel)
R = TypeVar("R", bound=BaseModel)

TRIES = 3
TRYING = 2.0  # seconds that the tries may take together: a longer wait is the job's own schedule's


class Sender:
    """Sends for all providers. `async with Sender(breakers) as sender`; one for a process.

    Args:
        breakers: of this process.
        transport: sends all HTTP instead of real connections, for tests.
        tls: how servers' certificates are verified; None for the usual authorities.
        resolver: looks names up; None for the system's.
        mailer: sends mail; None for the real one.
        clock: steady seconds, for the limits.
    """

    def __init__(
        self,
        breakers: Breakers,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        mailer: Mailer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.breakers = breakers
        tls = tls or httpx.create_ssl_context(trust_env=False)
        self._pools = Pools(transport, transport, transport) if transport else Pools.make(tls, resolver)
        self._mailer = mailer or Mailer(tls)
        self._gates = Gates(clock)

    async def __aenter__(self) -> Self:
        """Nothing connects before it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._pools.close()

    async def send(self, operation: Operation[A, R], args: A, call: Call) -> R:
        """Send one request and give its result.

        Takes no longer than the provider's timeout, plus a second of waiting for the provider's limits.

        Raises:
            CallError: with how certain the effect is; its message holds no secret.
        """
        try:
            request = _request(operation, args, call)
            async with self._gates.of(operation.provider).passing():
                with self._circuit(operation, request, call).call():
                    answer = await self._tried(operation, request, call)
                    return _result(operation, answer)
        except CallError as error:
            _take_secrets_out(error, operation, call)
            raise

    async def probe(self, operation: Operation[A, R], args: A, call: Call, patience: float) -> R:
        """Send one request, once, whatever the breaker says, and leave the breaker as it is.

        Takes no longer than `patience` seconds, plus one for the provider's limits.

        Raises:
            CallError: as `send`.
        """
        try:
            request = _request(operation, args, call)
            async with self._gates.of(operation.provider).passing():
                deadline = asyncio.get_running_loop().time() + patience
                return _result(operation, await self._once(operation, request, call, deadline))
        except CallError as error:
            _take_secrets_out(error, operation, call)
            raise

    def _circuit(self, operation: Operation[Any, Any], request: Request, call: Call) -> Circuit:
        """One for a provider; one for a host where the arguments say where to."""
        name = operation.provider.name
        if isinstance(request, Mail) or _is_configured(request, call):
            return self.breakers.of(name)
        return self.breakers.of(name, (urlsplit(request.url).netloc or "?")[:255])

    async def _tried(self, operation: Operation[Any, Any], request: Request, call: Call) -> Answer:
        """Try again within a moment, but only what certainly was not sent."""
        timeout = operation.provider.timeout.total_seconds()
        deadline = asyncio.get_running_loop().time() + timeout
        retrying = AsyncRetrying(
            stop=stop_after_attempt(TRIES) | stop_before_delay(min(TRYING, timeout)),
            wait=wait_random_exponential(multiplier=0.2, max=1.0),
            retry=retry_if_exception(_is_momentary),
            reraise=True,
        )
        return await retrying(self._once, operation, request, call, deadline)

    async def _once(
        self, operation: Operation[Any, Any], request: Request, call: Call, deadline: float
    ) -> Answer:
        name = operation.provider.name
        if isinstance(request, Mail):
            return await self._mailer.send(name, request, call, deadline)
        try:
            return await exchange(self._pool(operation, request, call), name, request, deadline)
        except Rejected as refused:
            raise _with_what_allows(refused, operation) from None

    def _pool(
        self, operation: Operation[Any, Any], request: HttpRequest, call: Call
    ) -> httpx.AsyncBaseTransport:
        if not _is_configured(request, call) and not allows_private(call.credentials):
            return self._pools.public
        # A kept connection may be closed by the other side just as we write, which leaves us not knowing. Where a
        # repeat is harmless that costs a retry; where it is not, a new connection costs less than a person's time.
        return self._pools.kept if _is_repeatable(operation) else self._pools.fresh


def _request(operation: Operation[A, Any], args: A, call: Call) -> Request:
    name = operation.provider.name.upper()
    try:
        request = operation.request(args, call)
    except KeyError as missing:
        setting = f"HUB_{name}_{str(missing.args[0]).upper()}"
        raise Unauthorized(f"{setting} is not set", code="not_configured") from None
    except CallError:
        raise
    except Exception as error:
        what = f"{operation.name} cannot be built ({type(error).__name__})"
        raise NotSent(what, code="request_not_built") from error
    if isinstance(request, HttpRequest) and not urlsplit(request.url).netloc:
        raise Unauthorized(f"HUB_{name}_BASE_URL is not set", code="not_configured")
    return request


def _with_what_allows(refused: Rejected, operation: Operation[Any, Any]) -> Rejected:
    """The same, with the setting that would allow the address, where the provider has one."""
    if refused.code != NOT_ALLOWED or "allow_private" not in operation.provider.settings:
        return refused
    setting = f"HUB_{operation.provider.name.upper()}_ALLOW_PRIVATE"
    return Rejected(f"{refused}; {setting}=1 lets the hub call it", code=refused.code)


def _is_configured(request: HttpRequest, call: Call) -> bool:
    """Whether whoever runs the hub chose the host; if not, the arguments did."""
    base = call.base_url.rstrip("/")
    return bool(base) and request.url.startswith((base + "/", base + "?"))


def _is_momentary(error: BaseException) -> bool:
    """Certainly not sent, and perhaps gone in a moment. Never the breaker's word, nor a provider that asks to wait."""
    if isinstance(error, BreakerOpen) or not isinstance(error, NotSent):
        return False
    return error.retry_after is None and error.status is None


def _is_repeatable(operation: Operation[Any, Any]) -> bool:
    keys = operation.provider.idempotency
    return operation.effect is Effect.READ or (keys is not None and keys.kept_for > timedelta(0))


def _result(operation: Operation[Any, R], answer: Answer) -> R:
    """The declared result. A good answer that does not fit leaves us not knowing, which the ledger must hear."""
    try:
        result = operation.result.model_validate(_without_nul(operation.reading(answer), answer))
        _check_storable(result.model_dump(mode="json"))
    except CallError:
        raise
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, item["loc"])) for item in error.errors()}))
        raise _unreadable(operation, answer, f"what does not fit in: {fields[:200]}") from None
    except Exception as error:  # noqa: BLE001 - a provider's own reading may break on what nobody foresaw
        raise _unreadable(operation, answer, f"what cannot be read ({type(error).__name__})") from None
    return result


def _unreadable(operation: Operation[Any, Any], answer: Answer, what: str) -> NoAnswer:
    return NoAnswer(
        f"{operation.provider.name} answered {answer.status} with {what}",
        code="unreadable_answer",
        status=answer.status,
    )


def _without_nul(fields: Mapping[str, Any], answer: Answer) -> Mapping[str, Any]:
    """Without NUL, which JSON can hold and PostgreSQL cannot."""
    return cast(Mapping[str, Any], _replaced(fields)) if b"\\u0000" in answer.body else fields


def _replaced(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case Mapping():
            return {_replaced(key): _replaced(item) for key, item in value.items()}
        case list():
            return [_replaced(item) for item in value]
        case _:
            return value


def _check_storable(value: Any) -> None:
    """The ledger keeps 64 bits of a number; raises OverflowError."""
    match value:
        case int() if not -(2**63) <= value < 2**63:
            raise OverflowError
        case Mapping():
            for item in value.values():
                _check_storable(item)
        case list():
            for item in value:
                _check_storable(item)


def _take_secrets_out(error: CallError, operation: Operation[Any, Any], call: Call) -> None:
    secrets = [text for name, text in call.credentials.items() if operation.provider.keeps_secret(name)]
    error.args = (Redactor.knowing(secrets).text(str(error)),)
