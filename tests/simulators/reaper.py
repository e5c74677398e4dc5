"""A process that outlives the one it serves just long enough to stop what that one left running.

It reads `+group` and `-group` lines; at the end of its input it stops every group that is still written down.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


class Reaper:
    """The handle of a reaper process."""

    def __init__(self) -> None:
        # A session of its own: Ctrl-C in the terminal must not reach it.
        self._popen = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def watch(self, group: int) -> None:
        """Stop this process group if the present process ends first."""
        self._write(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended; its id may be given to another."""
        self._write(f"-{group}\n")

    def close(self) -> None:
        """End it; it stops what is still watched."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()
        self._popen.wait()

    def _write(self, line: str) -> None:
        if self._popen.stdin is not None and not self._popen.stdin.closed:
            self._popen.stdin.write(line.encode())


def watched(lines: BinaryIO) -> set[int]:
    """The groups that are left when the input ends."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def stop(groups: set[int]) -> None:
    """SIGTERM to all, and SIGKILL to those that are still there after the grace."""
    deadline = time.monotonic() + GRACE
    left = {group for group in groups if _signalled(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {group for group in left if _signalled(group, 0)}
    for group in left:
        _signalled(group, signal.SIGKILL)


def _signalled(group: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


if __name__ == "__main__":
    stop(watched(sys.stdin.buffer))
