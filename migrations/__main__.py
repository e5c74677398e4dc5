"""For whoever changes the schema: `python -m migrations check` and `python -m migrations new MESSAGE`."""

import sys

import click

from hub.infra import migrate
from migrations import check as rehearsal


@click.group(help=__doc__)
def main() -> None:
    """Nothing of its own to do."""


@main.command()
def check() -> None:
    """Rehearse every migration up, down and up again, and compare the result with the models."""
    problems = rehearsal.check()
    for problem in problems:
        click.echo(problem, err=True)
    sys.exit(bool(problems))


@main.command()
@click.argument("message")
def new(message: str) -> None:
    """Write the migration that the models now need; read it before you commit it."""
    with rehearsal.scratch(migrated=True) as url:
        migrate.new(url, message)


if __name__ == "__main__":
    main()
