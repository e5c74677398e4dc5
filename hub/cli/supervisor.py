"""Several processes as one: started together, their output told together, stopped in order, none left behind."""

import asyncio
import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

Tell = Callable[[str, str], None]

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_CHUNK = 65_536
# No assignment before it, no quote, pipe or second command: `hub web`, `python -m shop.server --port 1`.
_PLAIN = re.compile(r"[\w./-]+( +[\w./=:@,+-]+)*")


@dataclass(frozen=True, slots=True)
class Process:
    """A process to run: `command` is for the shell, as in a Procfile."""

    name: str
    command: str


class Supervisor:
    """Runs processes until one ends or somebody asks for the end; then stops all, in the order given.

    Args:
        processes: what to run.
        environment: what each is given.
        tell: told each line of output, with the name of its process.
        grace: seconds that each has to end, once asked, before it is killed.
    """

    def __init__(
        self, processes: Sequence[Process], *, environment: Mapping[str, str], tell: Tell, grace: float
    ) -> None:
        self._processes = processes
        self._environment = environment
        self._tell = tell
        self._grace = grace
        self._asked = asyncio.Event()
        self._hurry = asyncio.Event()

    def stop(self) -> None:
        """Ask for the end; asked again, kill."""
        if self._asked.is_set():
            self._hurry.set()
        self._asked.set()

    async def run(self) -> tuple[str, int] | None:
        """Run to the end; gives the process that ended first by itself, with its status, or None.

        Signals that ask for the end (SIGINT, SIGTERM, SIGHUP) are taken as `stop`.
        """
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self.stop)
        running: list[_Running] = []
        try:
            for process in self._processes:
                running.append(await self._start(process))  # noqa: PERF401 - those that started are stopped if one does not
            return await self._watch(running)
        finally:
            for one in running:
                await self._end(one)

    async def _start(self, process: Process) -> "_Running":
        started = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _executed(process.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            # A group of its own: Ctrl-C in the terminal reaches us alone, and we stop them in order.
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
        return _Running(process.name, started, asyncio.create_task(self._relay(process.name, started)))

    async def _watch(self, running: Sequence["_Running"]) -> tuple[str, int] | None:
        ends = {asyncio.create_task(one.process.wait()): one for one in running}
        asked = asyncio.create_task(self._asked.wait())
        done, _ = await asyncio.wait([asked, *ends], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if asked in done:
            return None
        ended = next(one for task, one in ends.items() if task in done)
        return ended.name, ended.process.returncode or 0

    async def _end(self, one: "_Running") -> None:
        """Ask it to end, kill it if it does not, and anything that it has started and left."""
        if one.process.returncode is None:
            _signal(one, signal.SIGTERM)
            waiting = [asyncio.create_task(one.process.wait()), asyncio.create_task(self._hurry.wait())]
            await asyncio.wait(waiting, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
            waiting[1].cancel()
        _signal(one, signal.SIGKILL)
        await one.process.wait()
        await one.relay

    async def _relay(self, name: str, process: asyncio.subprocess.Process) -> None:
        """Hand on what a process prints, a line at a time."""
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._say(name, line)
        if rest:
            self._say(name, rest)

    def _say(self, name: str, line: bytes) -> None:
        try:
            self._tell(name, line.decode(errors="replace"))
        except OSError:
            # Nobody is there to read it any more: the terminal was closed, or the pipe.
            self._asked.set()


@dataclass(frozen=True, slots=True)
class _Running:
    name: str
    process: asyncio.subprocess.Process
    relay: "asyncio.Task[None]"


def _signal(one: _Running, number: signal.Signals) -> None:
    # Its group has the number of its first process, and keeps it while any other lives.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(one.process.pid, number)


def _executed(command: str) -> str:
    """A plain command takes its shell's place, so that what we are told of the one holds for the other."""
    return f"exec {command}" if _PLAIN.fullmatch(command) else command


def _end_with_parent() -> None:
    """In the child: be asked to end if the supervisor is killed, and cannot do the asking."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
