"""Child processes: ready when they are said to be, and gone when they are said to be."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.simulators import processes
from tests.simulators.processes import Child, ProcessError, free_port, running, start

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf")
time.sleep(600)
"""
LISTENER = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    listening.accept()
    listening.accept()
"""
# Starts a child through this module, tells its id, and is then killed itself.
ORPHAN_MAKER = """
import sys, time
from tests.simulators.processes import start
print("child", start([sys.executable, "-c", "import time; time.sleep(600)"]).pid)
time.sleep(600)
"""


def python(code: str, *arguments: str) -> list[str]:
    """A command line for a script."""
    return [sys.executable, "-c", code, *arguments]


def is_gone(pid: int) -> bool:
    """Ended; a zombie that its new parent has yet to collect counts."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def await_end(pid: int) -> None:
    """Return when the process is gone."""
    deadline = time.monotonic() + 20
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.01)


def test_a_line_of_output_tells_that_a_child_is_ready() -> None:
    """The match is given back, and the output stays readable after the end."""
    with running(python("print('listening on 8080'); import time; time.sleep(600)")) as child:
        assert child.wait_for_line(r"listening on (\d+)")[1] == "8080"
        assert not is_gone(child.pid)
    assert child.returncode == -signal.SIGTERM
    assert "listening" in child.output()


def test_a_port_that_accepts_tells_that_a_child_is_ready() -> None:
    """No sleep stands in for the condition."""
    port = free_port()
    with running(python(LISTENER, str(port)), ready=lambda child: child.wait_for_port(port)):
        pass


def test_a_child_that_ends_too_early_says_why() -> None:
    """The error carries what it printed; it does not wait for the time limit."""
    with (
        pytest.raises(ProcessError, match="no such thing"),
        running(
            python("raise SystemExit('no such thing')"), ready=lambda child: child.wait_for_line("ready")
        ),
    ):
        pass


def test_a_child_that_is_never_ready_is_given_up_and_stopped() -> None:
    """The time limit is the last resort."""
    children: list[Child] = []

    def ready(child: Child) -> None:
        children.append(child)
        child.wait_for_line("never", within=0.1)

    with (
        pytest.raises(ProcessError, match="not printing"),
        running(python("import time; time.sleep(600)"), ready=ready),
    ):
        pass
    assert children[0].returncode is not None


def test_the_end_of_a_child_can_be_awaited() -> None:
    """Its exit status is given."""
    assert start(python("raise SystemExit(3)")).wait() == 3


def test_a_child_that_is_killed_takes_its_own_children_along() -> None:
    """SIGKILL goes to the whole group, as nothing else would reach a grandchild."""
    child = start(python(PARENT))
    grandchild = int(child.wait_for_line(r"child (\d+)")[1])
    assert child.kill() == -signal.SIGKILL
    await_end(grandchild)


def test_a_child_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    """And is reaped."""
    child = start(python(STUBBORN))
    child.wait_for_line("deaf")
    assert child.stop(grace=0.1) == -signal.SIGKILL
    assert not psutil.pid_exists(child.pid)


def test_stopping_twice_is_harmless() -> None:
    """A test may kill what its fixture stops."""
    child = start(python("import time; time.sleep(600)"))
    assert child.kill() == child.stop() == -signal.SIGKILL


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_parent_is_killed(death: signal.Signals) -> None:
    """No exit handler runs; the reaper stops what is still registered."""
    parent = subprocess.Popen(  # noqa: S603 - this test's own script
        python(ORPHAN_MAKER),
        cwd=processes.ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert parent.stdout is not None
    with parent.stdout:
        orphan = int(parent.stdout.readline().split()[1])
        parent.send_signal(death)
        parent.wait()
    await_end(orphan)


def test_nothing_is_left_when_the_parent_ends_in_order() -> None:
    """The exit handler stops what the program forgot."""
    code = ORPHAN_MAKER.replace("time.sleep(600)\n", "")
    parent = start(python(code))
    assert parent.wait() == 0
    await_end(int(parent.wait_for_line(r"child (\d+)")[1]))
