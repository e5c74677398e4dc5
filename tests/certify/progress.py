"""Telling how a run goes: one live line on a terminal, a plain line now and then elsewhere. On standard error."""

import sys
import time
from typing import Self

EVERY = 10.0  # seconds between two plain lines
_ERASE = "\r\x1b[K"


class Progress:
    """Prints for whoever waits."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = -EVERY
        self._is_live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_live:
            sys.stderr.write(_ERASE)

    def say(self, text: str) -> None:
        """A line that stays."""
        sys.stderr.write(f"{_ERASE if self._is_live else ''}{text}\n")

    def tell(self, text: str) -> None:
        """How it stands; the next one takes its place."""
        elapsed = time.monotonic() - self._began
        if self._is_live:
            sys.stderr.write(f"{_ERASE}{elapsed:5.0f} s  {text}")
            sys.stderr.flush()
        elif elapsed - self._told >= EVERY:
            self._told = elapsed
            self.say(f"{elapsed:5.0f} s  {text}")
