"""The tree of commands, and how each ends: with an exit code, and at most one message that says what to do next."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from hub import __version__

from .commands import LazyGroup, Options
from .errors import Exit, explain

PLACES = {
    "dev": ("hub.cli.dev", "Run everything on this machine: servers, web, worker."),
    "web": ("hub.cli.serving", "Serve webhooks, the API and the pages."),
    "worker": ("hub.cli.serving", "Run jobs."),
    "migrate": ("hub.cli.migrate", "Bring the database to this release's schema."),
    "check": ("hub.cli.check", "Tell what is wrong, and what to do about it."),
    "keys": ("hub.cli.keys", "API keys: create, list, revoke."),
    "jobs": ("hub.cli.jobs", "Jobs: list, show, retry, cancel."),
    "plans": ("hub.cli.plans", "One thing done to many jobs: create, start, watch, stop, report."),
    "errors": ("hub.cli.inbox", "Failures by cause: list, show, acknowledge, resolve, ignore, reopen."),
    "events": ("hub.cli.events", "Received webhooks: list, show, replay."),
    "queues": ("hub.cli.queues", "Queues: list, pause, resume."),
    "providers": ("hub.cli.fleet", "Providers: list, show, open, close, auto, probe."),
    "statistics": ("hub.cli.statistics", "How much was done, failed, and how long it took."),
    "views": ("hub.cli.views", "Searches kept for everybody: list, save, delete."),
    "timeline": ("hub.cli.stories", "What happened to all that belongs together."),
    "workers": ("hub.cli.fleet", "Workers: list."),
    "operators": ("hub.cli.operators", "People who use the console: create, list, role, disable."),
    "audit": ("hub.cli.audit", "Who did what: list, verify."),
    "alerts": ("hub.cli.alerts", "Alerts: list, test the channels."),
    "webhooks": ("hub.cli.webhooks", "Send signed samples to a running hub."),
}
_SIGNALLED = 128  # and the signal's number, as shells have it


@click.group(
    cls=LazyGroup,
    places=PLACES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="hub")
def hub() -> None:
    """A hub that takes in webhooks, runs jobs, and calls third parties exactly as often as it should.

    Settings are environment variables, HUB_…. Without HUB_DATABASE_URL and HUB_REDIS_URL every command uses the
    servers that the hub brings along; their data is under var/ (HUB_VAR_DIR).

    Exit codes: 0 done, 1 refused, not found or failed, 2 not understood, 3 configuration, 4 not available.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process."""
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        # As Ctrl-C, so that whatever is under way is left in the same good order.
        received.append(number)
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
    try:
        status = run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = _SIGNALLED + (received or [signal.SIGINT])[0]
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does: the interpreter must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = _SIGNALLED + signal.SIGPIPE
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run a command; tells what went wrong, and gives the exit code."""
    options = Options()
    try:
        with hub.make_context("hub", list(arguments), obj=options) as context:
            hub.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        return Exit.REFUSED
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - the last place where an error can be told well
        if options.debug and not isinstance(error, click.UsageError):
            traceback.print_exc()
        failure = explain(error)
        failure.show()
        return failure.exit_code
    return Exit.OK
