"""Commands as the hub has them: imported when asked for, each with --debug."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(slots=True)
class Options:
    """What holds for every command; the root context carries it."""

    debug: bool = False


# `-state:failed`: a search for what is not so, which looks like an option.
_NEGATED = re.compile(r"-\w+:.+", re.DOTALL)


class Command(click.Command):
    """A command that knows --debug, so that it may stand at the end of the line, where one adds it."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(_debug_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Lead on where something that is right elsewhere was given."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not (negated := [arg for arg in given if _NEGATED.fullmatch(arg)]):
                raise
            hint = f"What is searched for stands behind --: {ctx.command_path} -- {shlex.quote(negated[0])}"
            raise click.UsageError(f"{error.format_message()} {hint}", ctx) from None
        except click.BadParameter as error:
            if any("…" in arg for arg in given):
                hint = "The console shortens ids: the whole one stands in the address of its page."
                raise click.UsageError(f"{error.format_message()} {hint}", ctx) from None
            raise


class Group(click.Group):
    """Commands about one thing. Without one of them it lists, where it can."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command there that is left out."""
        lists = "list" in self.commands and not self.invoke_without_command
        options_alone = not args or args[0].startswith("-")
        if lists and options_alone and not {*args} & {*ctx.help_option_names}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


class LazyGroup(click.Group):
    """Commands that are imported when they are asked for: `--help` must not wait for a database driver.

    Args:
        places: the module of each command, which has a command of that name, and a line about it.
    """

    def __init__(self, *arguments: Any, places: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(_debug_option())
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order in which they are worth reading."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """A command by its name."""
        if cmd_name not in self._places:
            return None
        command: click.Command = getattr(import_module(self._places[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._places.items()])


def _debug_option() -> click.Option:
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_note_debug,
        help="Show where an error comes from.",
    )


def _note_debug(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        context.ensure_object(Options).debug = True
