"""How a command tells what went wrong: one message, what to do next, and an exit code that scripts can trust."""

import sys
from enum import IntEnum
from typing import IO, Any

import click

from hub.domain.errors import ConfigurationError, HubError, Problem, Refusal, Unavailable


class Exit(IntEnum):
    """What an exit code means."""

    OK = 0
    REFUSED = 1  # refused, not found, or tried and failed
    USAGE = 2  # the command was not understood
    CONFIGURATION = 3  # settings, or the database's schema
    UNAVAILABLE = 4  # a store or a server is away


# The commands that list what there is, by the code of the refusal.
LISTED = {
    "unknown_error_group": "errors",
    "unknown_event_id": "events",
    "unknown_job_id": "jobs",
    "unknown_key": "keys",
    "unknown_plan_id": "plans",
    "unknown_provider": "providers",
    "unknown_queue": "queues",
    "unknown_view_id": "views",
}


class Failure(click.ClickException):
    """The end of a command that did not succeed.

    Args:
        message: what is wrong.
        hint: what to do next.
        code: how the process ends.
    """

    def __init__(self, message: str, hint: str | None = None, *, code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click has one for each class
        """How the process ends."""
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        stream = file or sys.stderr
        head = click.style("hub:", fg="red", bold=True)
        click.echo(f"{head} {self.message}", file=stream)
        if self.hint:
            click.echo(f"     {self.hint}", file=stream)


def explain(error: Exception) -> click.ClickException:
    """Any error as the end of a command."""
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, ConfigurationError):
        return _misconfigured(error)
    if isinstance(error, Unavailable):
        return Failure(str(error), "Is it running? `hub check` tells more.", code=Exit.UNAVAILABLE)
    if isinstance(error, Refusal):
        said = str(error)
        others = [problem for problem in error.problems if problem.message not in said]
        return Failure("\n     ".join([said, *map(_problem, others)]), _list_of(error.code))
    if isinstance(error, HubError):
        return Failure(str(error))
    return _unforeseen(error)


def _list_of(code: str) -> str | None:
    listed = LISTED.get(code)
    return f"`hub {listed} list` lists what there is." if listed else None


def _problem(problem: Problem) -> str:
    """What is wrong, after its place in what was given; that arguments come by a request is no matter here."""
    place = problem.pointer.removeprefix("/query").removeprefix("/args")
    if place.startswith("/set/"):
        place = place.removeprefix("/set/").replace("~1", "/").replace("~0", "~")
    return f"{place}: {problem.message}" if place else problem.message


def _misconfigured(error: ConfigurationError) -> Failure:
    first, *others = error.problems or ("the configuration is wrong",)
    if not others:
        return Failure(first, code=Exit.CONFIGURATION)
    problems = "".join(f"\n       - {problem}" for problem in error.problems)
    return Failure(f"the configuration is wrong:{problems}", code=Exit.CONFIGURATION)


def _unforeseen(error: Exception) -> Failure:
    what = " ".join(str(error).split())
    hint = "This was not foreseen; run it again with --debug to see where it comes from."
    return Failure(f"{type(error).__name__}: {what}" if what else type(error).__name__, hint)
