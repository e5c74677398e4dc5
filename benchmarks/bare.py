"""What the hub is held against: an aiohttp handler that reads the body and answers, and does nothing else."""

import asyncio
import sys

import uvloop
from aiohttp import web


async def answer(request: web.Request) -> web.Response:
    """Read it, answer it."""
    await request.read()
    return web.Response(
        body=b'{"event_id":"01a205f9-facd-76d2-9923-618cf2ef043d","duplicate":false}',
        content_type="application/json",
    )


async def serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)

    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
