"""Real child processes: started, awaited until they are ready, stopped, killed, and never left behind.

Each child leads a process group of its own. A reaper process holds the other end of a pipe: when this process ends,
however it ends, the reaper stops every group that is still registered (`PR_SET_PDEATHSIG` would reach only the direct
child, and fires when the *thread* that started it ends).
"""

import atexit
import functools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.simulators.reaper import Reaper

_POLL = 0.01
ROOT = Path(__file__).resolve().parents[2]


class ProcessError(Exception):
    """A child ended early or was not ready in time; the message carries what it printed."""


class Child:
    """A running process group and what it has printed."""

    def __init__(self, argv: Sequence[str], popen: "subprocess.Popen[bytes]", log: IO[bytes]) -> None:
        self.argv = tuple(argv)
        self._popen = popen
        self._log = log
        self._printed = ""

    @property
    def pid(self) -> int:
        """The leader's process id, which is also the id of its group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._popen.poll()

    def output(self) -> str:
        """Standard output and error so far, also after the end."""
        if self._log.closed:
            return self._printed
        size = os.fstat(self._log.fileno()).st_size
        # pread: the offset of the file is shared with the child, and must not move.
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait_until(self, condition: Callable[[], bool], *, within: float = 30.0, what: str = "ready") -> None:
        """Return as soon as `condition` holds; ProcessError when the child ends first, or after `within` seconds."""
        deadline = time.monotonic() + within
        while not condition():
            if self.returncode is not None:
                raise ProcessError(
                    f"{self.argv} ended with {self.returncode} before {what}:\n{self.output()}"
                )
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.argv} was not {what} within {within} s:\n{self.output()}")
            time.sleep(_POLL)

    def wait_for_line(self, pattern: str, *, within: float = 30.0) -> "re.Match[str]":
        """The first complete line of the output in which the regular expression is found."""
        whole = re.compile(rf"^.*?(?:{pattern}).*\n", re.MULTILINE)
        self.wait_until(
            lambda: whole.search(self.output()) is not None, within=within, what=f"printing {pattern!r}"
        )
        found = re.search(pattern, self.output(), re.MULTILINE)
        assert found is not None
        return found

    def wait_for_port(self, port: int, *, host: str = "127.0.0.1", within: float = 30.0) -> None:
        """Return when something accepts connections there."""
        self.wait_until(lambda: _accepts(host, port), within=within, what=f"listening on {host}:{port}")

    def wait(self, *, within: float = 30.0) -> int:
        """Wait for its own end; gives the exit status."""
        try:
            self._popen.wait(within)
        except subprocess.TimeoutExpired as error:
            raise ProcessError(f"{self.argv} did not end within {within} s:\n{self.output()}") from error
        return self._finish()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if it still runs."""
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def stop(self, *, grace: float = 10.0) -> int:
        """SIGTERM, then SIGKILL after `grace` seconds; reaps it, and gives the exit status."""
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(grace)
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the whole group, as a crash would; reaps it, and gives the exit status."""
        self.signal(signal.SIGKILL)
        self._popen.wait()
        return self._finish()

    def _finish(self) -> int:
        # What the leader has left of its group: the id cannot have been given away while a member lives.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if not self._log.closed:
            self._printed = self.output()
            self._log.close()
        _children().pop(self.pid, None)
        _reaper().forget(self.pid)
        return int(self._popen.returncode)


def start(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | str = ROOT) -> Child:
    """Start a command; `env` is added to this process's environment. The caller stops it, or the end of this does."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child has been reaped
    try:
        popen = subprocess.Popen(  # noqa: S603 - the tests' own commands
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            cwd=cwd,
            process_group=0,
        )
    except BaseException:
        log.close()
        raise
    _reaper().watch(popen.pid)
    child = _children()[popen.pid] = Child(argv, popen, log)
    return child


@contextmanager
def running(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = ROOT,
    ready: Callable[[Child], object] = lambda _: None,
) -> Iterator[Child]:
    """Run a command while the block runs; `ready` waits for it: `lambda child: child.wait_for_port(8080)`."""
    child = start(argv, env=env, cwd=cwd)
    try:
        ready(child)
        yield child
    finally:
        child.stop()


@contextmanager
def simulator(name: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run `stripe` or `mailbox` as a process; gives what its ready line says: `url`, and for mail `smtp_port`."""
    with running([sys.executable, "-m", f"tests.simulators.{name}", *arguments]) as child:
        yield addresses(child)


def addresses(child: Child) -> dict[str, Any]:
    """Wait for a simulator's `ready {json}` line, and read it."""
    document: dict[str, Any] = json.loads(child.wait_for_line(r"^ready (\{.*\})$")[1])
    return document


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nothing listens on at this moment; another process may take it, so prefer port 0 where it works."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


@functools.cache
def _children() -> dict[int, Child]:
    children: dict[int, Child] = {}

    def stop_all() -> None:
        for child in list(children.values()):
            child.stop(grace=5.0)

    atexit.register(stop_all)
    return children


@functools.cache
def _reaper() -> Reaper:
    reaper = Reaper()
    # Exit handlers run backwards: the children are stopped first, then the reaper has nothing left to do.
    atexit.register(reaper.close)
    _children()
    return reaper
