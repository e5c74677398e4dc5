"""The providers of a run, in a process of their own: `python -m tests.certify.providers`.

They take their time, half of it before the effect and half of it after: whoever dies meanwhile cannot know.

The bank is the stateful stand-in for Stripe, which honours idempotency keys. The courier takes every request for a new
one. Both do what faults order at `/_control/faults`, and tell at `/_books` what they did.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.simulators.connections import reset
from tests.simulators.faults import Fault, Faults
from tests.simulators.serving import serving, until_stopped
from tests.simulators.stripe import StripeSimulator, simulator

FASTEST, SLOWEST = 0.03, 0.25  # seconds that a request takes


def taking_time(rng: Random) -> Middleware:
    """Makes every request take as long as at a real provider."""

    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_"):
            return await handler(request)
        half = rng.uniform(FASTEST, SLOWEST) / 2
        await asyncio.sleep(half)
        response = await handler(request)
        await asyncio.sleep(half)
        return response

    return handle


@dataclass(slots=True)
class Courier:
    """Takes letters, and remembers nobody's keys."""

    taken: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    _release: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take one letter; every request is another one."""
        fault = self.faults.take(request.method, request.path) or Fault()
        reference = (await request.json())["reference"]
        if fault.status is not None:
            headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
            return web.json_response({"error": "ordered"}, status=fault.status, headers=headers)
        if await self._broken(request, fault, "before"):
            return web.Response()
        await asyncio.sleep(fault.delay)
        self.taken.append(reference)
        number = len(self.taken)
        await self._broken(request, fault, "after")
        return web.json_response({"number": number})

    async def order(self, request: web.Request) -> web.Response:
        """Order a fault."""
        self.faults.add(await request.json())
        return web.json_response({}, status=201)

    async def clear(self, _: web.Request) -> web.Response:
        """Forget the orders, and break the connections that hang."""
        self.faults.clear()
        self.release()
        return web.json_response({})

    def release(self) -> None:
        """Break the connections that hang."""
        self._release.set()
        self._release = asyncio.Event()

    async def _broken(self, request: web.Request, fault: Fault, moment: str) -> bool:
        if fault.stall == moment:
            await self._release.wait()
        elif fault.reset != moment:
            return False
        reset(request.transport)
        return True


def courier_app(courier: Courier) -> web.Application:
    """The courier's HTTP face."""

    async def books(_: web.Request) -> web.Response:
        return web.json_response(courier.taken)

    async def let_go(_: web.Application) -> None:
        courier.release()

    app = web.Application(middlewares=[taking_time(Random(1))])
    app.router.add_post("/letters", courier.take)
    app.router.add_post("/_control/faults", courier.order)
    app.router.add_delete("/_control/faults", courier.clear)
    app.router.add_get("/_books", books)
    app.on_shutdown.append(let_go)
    return app


def bank_app(bank: StripeSimulator) -> web.Application:
    """Stripe's stand-in, with its books by the description of each payment."""

    async def books(_: web.Request) -> web.Response:
        intents = bank.account.payment_intents
        paid = [effect for effect in bank.account.effects if effect.kind == "payment_intent.succeeded"]
        return web.json_response([intents[effect.id]["description"] for effect in paid])

    bank.app.middlewares.append(taking_time(Random(2)))
    bank.app.router.add_get("/_books", books)
    return bank.app


async def main() -> None:
    """Serve until told to stop."""
    async with AsyncExitStack() as stack:
        bank = await stack.enter_async_context(serving(bank_app(simulator())))
        courier = await stack.enter_async_context(serving(courier_app(Courier())))
        await until_stopped({"bank": bank, "courier": courier})


if __name__ == "__main__":
    asyncio.run(main())
