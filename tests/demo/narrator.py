"""Telling what happens, a line at a time, with the seconds since the start."""

import time

from rich.console import Console
from rich.text import Text


class NotHeld(Exception):
    """Something that the demonstration shows did not hold."""


class Narrator:
    """Prints for a person; plain where the output is no terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def title(self, text: str) -> None:
        """A step begins."""
        self._console.print()
        self._console.print(Text(text, style="bold"))

    def line(self, text: str) -> None:
        """Something is about to happen, or has happened by itself."""
        self._say("·", "dim", text)

    def held(self, text: str) -> None:
        """Something was checked, and is so."""
        self._say("✓", "green", text)

    def failed(self, text: str) -> None:
        """Something was checked, and is not so."""
        self._say("✗", "bold red", text)

    def plain(self, text: str = "") -> None:
        """Anything, as it is."""
        self._console.print(Text(text))

    def expect(self, condition: object, text: str, otherwise: str) -> None:
        """Say what was checked. Raises NotHeld with `otherwise` when it is not so."""
        if not condition:
            raise NotHeld(f"expected: {text}; but {otherwise}")
        self.held(text)

    def _say(self, mark: str, style: str, text: str) -> None:
        self._console.print(Text.assemble((f"{self.elapsed:6.1f} s ", "dim"), (f" {mark} ", style), text))
