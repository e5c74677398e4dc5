"""`python -m tests.simulators.stripe`."""

import argparse
import asyncio

from tests.simulators.serving import until_stopped
from tests.simulators.stripe.application import running


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    async with running(host=arguments.host, port=arguments.port) as stripe:
        if arguments.webhook_url:
            stripe.simulator.deliveries.listen(arguments.webhook_url, arguments.webhook_secret)
        await until_stopped({"url": stripe.url})


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose; the ready line tells")
    parser.add_argument("--webhook-url", help="send an event about each effect to this URL")
    parser.add_argument("--webhook-secret", default="whsec_test", help="the secret that signs those events")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
