"""Several processes as one: started together, stopped in order, none left behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import psutil
import pytest

from hub.cli.supervisor import Process, Supervisor
from tests.simulators.processes import running
from tests.until import until

PATIENT = "exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"
STUBBORN = "exec 2>/dev/null; trap '' TERM; echo up; while :; do sleep 0.01; done"


class Watched(Supervisor):
    """A supervisor whose output can be looked at."""

    def __init__(self, *processes: Process, grace: float = 10.0) -> None:
        self.lines: list[tuple[str, str]] = []
        super().__init__(
            processes, environment=os.environ, tell=lambda *line: self.lines.append(line), grace=grace
        )

    def said(self, name: str) -> Sequence[str]:
        """What one process printed."""
        return [line for teller, line in self.lines if teller == name]


async def test_processes_are_stopped_one_after_the_other_in_the_order_given() -> None:
    """So that what takes requests is gone before what works on them; what they print is told to the end."""
    supervisor = Watched(Process("web", PATIENT), Process("worker", PATIENT))
    run = asyncio.create_task(supervisor.run())
    await until(lambda: len(supervisor.lines) == 2)
    supervisor.stop()
    assert await run is None
    assert supervisor.lines[2:] == [("web", "bye"), ("worker", "bye")]


@pytest.mark.parametrize("status", [0, 3])
async def test_the_end_of_one_is_the_end_of_all(status: int) -> None:
    """Also a good end: what should run for ever has stopped."""
    supervisor = Watched(Process("web", f"sleep 0.1; exit {status}"), Process("worker", PATIENT))
    assert await supervisor.run() == ("web", status)
    assert supervisor.said("worker") == ["up", "bye"]


async def test_what_does_not_end_when_asked_is_killed() -> None:
    """After its grace, and everything that it has started with it."""
    supervisor = Watched(Process("web", f"{STUBBORN} & echo $!; {STUBBORN}"), grace=0.1)
    run = asyncio.create_task(supervisor.run())
    await until(lambda: len(supervisor.lines) == 3)
    (below,) = [int(line) for line in supervisor.said("web") if line.isdigit()]
    supervisor.stop()
    await run
    await until(
        lambda: not psutil.pid_exists(below) or psutil.Process(below).status() == psutil.STATUS_ZOMBIE
    )


async def test_asked_twice_it_does_not_wait() -> None:
    """As with a second Ctrl-C."""
    supervisor = Watched(Process("web", STUBBORN), grace=3600)
    run = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.lines)
    supervisor.stop()
    supervisor.stop()
    assert await run is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    """Ctrl-C, an orchestrator, a closed terminal."""
    before = signal.getsignal(number)
    supervisor = Watched(Process("web", PATIENT))
    run = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: supervisor.lines)
        signal.raise_signal(number)
        assert await run is None
    finally:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(each)
        signal.signal(number, before)
    assert supervisor.said("web") == ["up", "bye"]


async def test_lines_are_told_whole_however_they_arrive() -> None:
    """Long ones, broken text, and the last one without its end."""
    long = f"{sys.executable} -c \"print('x' * 200_000)\""
    supervisor = Watched(Process("web", f"{long}; printf 'a\\377b\\nrest'"))
    assert await supervisor.run() == ("web", 0)
    assert supervisor.said("web") == ["x" * 200_000, "a\ufffdb", "rest"]


async def test_with_nobody_left_to_read_it_everything_stops() -> None:
    """The pipe is broken, so nobody will ever press Ctrl-C."""

    def broken(*_line: str) -> None:
        raise BrokenPipeError

    supervisor = Supervisor([Process("web", PATIENT)], environment=os.environ, tell=broken, grace=10)
    assert await supervisor.run() is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
async def test_a_killed_supervisor_leaves_no_process_behind() -> None:
    """Nothing can be done after SIGKILL, so it is done before."""
    program = """
import asyncio, os
from hub.cli.supervisor import Process, Supervisor
supervisor = Supervisor([Process("web", "sleep 3600")], environment=os.environ, tell=print, grace=1)
asyncio.run(supervisor.run())
"""
    with running([sys.executable, "-c", program]) as child:
        (below,) = await until(
            lambda: [one for one in psutil.Process(child.pid).children() if one.name() == "sleep"]
        )
        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: not below.is_running() or below.status() == psutil.STATUS_ZOMBIE)
