"""What commands print: tables for people, JSON for machines."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# Where nobody looks at the width, nothing is cut: the reader is another program.
_ENDLESS = 10_000
_GAP = 3  # between two columns
_LAST = 24  # what the last column has at least

_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "retrying": "yellow",
    "held": "yellow",
    "uncertain": "red",
    "warning": "yellow",
    "wrong": "red",
    "ok": "green",
    "running": "cyan",
    "paused": "yellow",
    "revoked": "dim",
}


def print_json(value: Any) -> None:
    """One JSON document, as the API writes it, with line breaks."""
    options = orjson.OPT_UTC_Z | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.write(orjson.dumps(value, _plain, options).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under a head; `empty` is said where there are none. The last column takes what room is left, and wraps."""
    listed = [[cell(value) for value in row] for row in rows]
    if not listed:
        print_line(empty)
        return
    console = _console()
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
    widths = [max(len(head), *(row[place].cell_len for row in listed)) for place, head in enumerate(columns)]
    for head, width in zip(columns[:-1], widths, strict=False):
        table.add_column(head, no_wrap=True, min_width=width)
    table.add_column(columns[-1], overflow="fold")
    for row in listed:
        table.add_row(*row)
    # Half an id is no id: where the terminal is too narrow for the other columns, it breaks the lines, not we.
    console.width = max(console.width, sum(widths[:-1]) + _GAP * len(columns) + _LAST)
    console.print(table)


def print_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One thing, a line for each of its fields; those that are None or empty are left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields:
        if value is not None and value not in ("", []):
            table.add_row(name, cell(value))
    _console().print(table)


def print_line(line: str = "") -> None:
    """A sentence for people."""
    _console().print(Text(printable(line)), soft_wrap=True)


def print_note(line: str) -> None:
    """A sentence for people, out of the way of what a script reads."""
    Console(stderr=True, highlight=False).print(Text(printable(line)), soft_wrap=True)


def print_more(cursor: str | None) -> None:
    """How to go on with a list that is not at its end."""
    if cursor:
        print_note(f"There are more: --cursor {cursor}")


def cell(value: object) -> Text:
    """A value as a table shows it."""
    if value is None:
        return Text("")
    if isinstance(value, datetime):
        return Text(moment(value))
    if isinstance(value, dict):
        return Text(printable(orjson.dumps(value, default=_plain).decode()))
    if isinstance(value, list | tuple):
        return Text(", ".join(printable(str(item)) for item in value))
    text = printable(str(value))
    return Text(text, style=_STYLES.get(text, ""))


def moment(at: datetime) -> str:
    """A time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def printable(text: str) -> str:
    """Without what would move the cursor or change colours: some of it comes from strangers."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\ufffd" for character in text
    )


def span(began: datetime, ended: datetime) -> str:
    """How long something took."""
    seconds = (ended - began).total_seconds()
    return (
        f"{seconds * 1000:.0f} ms"
        if seconds < 1
        else f"{seconds:.1f} s"
        if seconds < 120
        else duration(seconds)
    )


def age(at: datetime) -> str:
    """How long ago something was, in its largest unit."""
    seconds = max(0.0, (datetime.now(UTC) - at).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f}{unit}"
    return f"{seconds:.0f}s"


def duration(seconds: float) -> str:
    """A length of time, roughly."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return str(timedelta(seconds=round(seconds)))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Whoever read has left: `main` knows how to end."""
        raise BrokenPipeError


def _console() -> Console:
    console = _Console(highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    return console


def _plain(value: Any) -> str:
    # asyncpg's UUIDs are a subclass, which orjson leaves to us.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)
