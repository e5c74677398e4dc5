"""From an HTTP request to an operation and back: authentication, faults, idempotency, execution, answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

from tests.simulators.connections import reset
from tests.simulators.faults import Fault, Faults
from tests.simulators.stripe import params
from tests.simulators.stripe.account import Account, Call, Json
from tests.simulators.stripe.errors import StripeError, unauthenticated
from tests.simulators.stripe.idempotency import Answer, IdempotencyKeys

Operation = Callable[[Account, Call], Json]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
API_VERSION = "2026-09-30"


class Endpoints:
    """What every endpoint of the account shares."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.faults = Faults()
        self.keys = IdempotencyKeys()
        self._release = asyncio.Event()

    def release_stalled(self) -> None:
        """Let go of what a fault holds: a stalled connection is broken, a delayed request executes now."""
        self._release.set()
        self._release = asyncio.Event()

    def handler(self, operation: Operation) -> Handler:
        """The HTTP face of an operation."""

        async def handle(request: web.Request) -> web.StreamResponse:
            self.account.counts["requests"] += 1
            fault = self.faults.take(request.method, request.path)
            body = await request.read()
            if fault and (refusal := await self._before(request, fault)):
                return refusal
            response = await self._answer(request, body, operation, fault.delay if fault else 0.0)
            if fault:
                await self._after(request, fault)
            return response

        return handle

    async def _answer(
        self, request: web.Request, body: bytes, operation: Operation, delay: float
    ) -> web.Response:
        key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        request_id = self.account.new_id("req")
        try:
            _authenticate(request)
            arguments = params.parse(body)
            if key and (stored := self.keys.replay(key, request.path, arguments)):
                self.account.counts["replayed"] += 1
                return _response(stored, request_id, key, replayed=True)
            answer = await self._execute(request, arguments, operation, key, delay, request_id)
        except StripeError as error:
            answer = _failed(error, request_id)
        return _response(answer, request_id, key)

    async def _execute(
        self,
        request: web.Request,
        arguments: Json,
        operation: Operation,
        key: str | None,
        delay: float,
        request_id: str,
    ) -> Answer:
        call = Call(arguments, request.match_info.get("id", ""), key)
        if key is None:
            await self._hold(delay)
            return _ok(operation(self.account, call), request_id)
        with self.keys.claim(key, request.path, arguments) as use:
            await self._hold(delay)
            try:
                use.answer = _ok(operation(self.account, call), request_id)
            except StripeError as error:
                if not error.executed:
                    raise
                use.answer = _failed(error, request_id)
            return use.answer

    async def _hold(self, delay: float) -> None:
        if not delay:
            return
        self.account.counts["delayed"] += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(self._release.wait(), delay)

    async def _before(self, request: web.Request, fault: Fault) -> web.Response | None:
        if fault.status is not None:
            return _injected(fault.status, fault.retry_after, self.account.new_id("req"))
        if "before" not in (fault.stall, fault.reset):
            return None
        await self._break(request, stall=fault.stall == "before")
        return web.Response()

    async def _after(self, request: web.Request, fault: Fault) -> None:
        if "after" in (fault.stall, fault.reset):
            await self._break(request, stall=fault.stall == "after")

    async def _break(self, request: web.Request, *, stall: bool) -> None:
        self.account.counts["stalled" if stall else "reset"] += 1
        if stall:
            await self._release.wait()
        reset(request.transport)


def _authenticate(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith("sk_test_"):
        raise unauthenticated(key)


def _ok(subject: Json, request_id: str) -> Answer:
    return Answer(200, json.dumps(subject).encode(), request_id)


def _failed(error: StripeError, request_id: str) -> Answer:
    return Answer(error.status, json.dumps(error.body()).encode(), request_id)


def _injected(status: int, retry_after: int | None, request_id: str) -> web.Response:
    limited = status == 429
    error = StripeError(
        status,
        "Request rate limit exceeded." if limited else "An error occurred while processing your request.",
        type="invalid_request_error" if limited else "api_error",
        code="rate_limit" if limited else None,
    )
    response = _response(_failed(error, request_id), request_id, None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _response(answer: Answer, request_id: str, key: str | None, *, replayed: bool = False) -> web.Response:
    headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
    if key:
        headers["Idempotency-Key"] = key
        headers["Original-Request"] = answer.request_id
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(
        status=answer.status, body=answer.body, headers=headers, content_type="application/json"
    )
