"""The demonstration from its beginning to its end, however it ends."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.demo.narrator import Narrator, NotHeld
from tests.demo.parties import Hub, Mailbox, Stripe
from tests.demo.play import Play
from tests.demo.stage import Stage, as_typed, staged
from tests.simulators.processes import ProcessError

_POLL = 0.2  # seconds between two looks whether the hub still runs
_LINES = 25  # of what a process printed, when it ended before its time


def show(*, once: bool) -> int:
    """Show it all, and keep it running unless `once`; gives the exit status."""
    narrator = Narrator()
    done = False
    try:
        with staged(narrator) as stage, _undisturbed_end(narrator):
            hub = Hub(stage)
            Play(narrator, hub, Stripe(stage), Mailbox(stage)).run()
            done = True
            narrator.title(f"All of it held, in {narrator.elapsed:.1f} s.")
            if not once:
                _show_around(narrator, stage, hub)
                _wait(stage)
    except KeyboardInterrupt:
        narrator.line("stopped; the data is kept for the next time")
        return 0 if done else 128 + signal.SIGINT
    except (NotHeld, ProcessError, httpx.HTTPError) as error:
        narrator.failed("\n".join(str(error).splitlines()[-_LINES:]))
        return 1
    return 0


@contextmanager
def _undisturbed_end(narrator: Narrator) -> Iterator[None]:
    """What stops takes a moment; a second Ctrl-C must not leave half of it behind."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        narrator.line("stopping everything")


def _show_around(narrator: Narrator, stage: Stage, hub: Hub) -> None:
    narrator.plain()
    for line in (
        "Look around; everything keeps running until Ctrl-C.",
        "",
        "The console, where Carol's declined payment of 12.50 EUR waits for you. This lets you in, once:",
        "",
        f"  {stage.login()}",
        "",
        f"  the API's documentation   {stage.hub_url}/docs",
        f"  the mailbox               {stage.mailbox_url}",
        f"  what Stripe counted       {stage.stripe_url}/_control/effects",
        "",
        "In another terminal:",
        "",
        f"  export {as_typed(stage.environ)}",
        "  .venv/bin/hub jobs list",
        "  .venv/bin/hub webhooks send stripe customer.created",
        "  .venv/bin/hub events list",
        "",
        f"  export KEY={hub.key}",
        f'  curl -s {stage.hub_url}/v1/jobs -H "Authorization: Bearer $KEY"',
        "",
    ):
        narrator.plain(line)


def _wait(stage: Stage) -> None:
    while stage.hub.returncode is None:
        time.sleep(_POLL)
    raise NotHeld(f"`hub dev` ended with {stage.hub.returncode}:\n{stage.hub.output()}")
