"""The worker's side of a process for a job alone, against processes that break off where they should not."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hub.domain.jobs import Interrupted
from hub.infra.store.execution import Claimed
from hub.quarantine import Quarantine
from tests.until import until

NOBODY = UUID(int=0)
JOB = Claimed(NOBODY, "some.job", {}, "default", 1, 0, 2, 0, "c", None, datetime.now(UTC))

_SPEAK = "import os, sys, time; say = lambda word: os.write(int(sys.argv[-1].partition(':')[0]), word); "
STUCK_AT_START = "import time; time.sleep(600)"
STUCK_BEFORE_THE_JOB = _SPEAK + "say(b'R'); time.sleep(600)"
STUCK_IN_THE_JOB = _SPEAK + "say(b'RB'); time.sleep(600)"
SLOW = _SPEAK + "say(b'RB'); [(time.sleep(0.1), say(b'.')) for _ in range(20)]; say(b'R'); time.sleep(600)"
TAKES = (
    _SPEAK
    + "say(b'R'); os.read(int(sys.argv[-1].partition(':')[0]), 1); say(b'B'); open({seen!r}, 'w'); time.sleep(600)"
)


def quarantine(script: str, *, start: float = 30.0) -> Quarantine:
    """One cell of the script's, and a lease of half a second."""
    return Quarantine([sys.executable, "-c", script], NOBODY, 0.5, cells=1, start=start)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Process]]:
    """The processes that a test has started; each must have ended and been waited for."""
    made: list[Process] = []
    start = asyncio.create_subprocess_exec

    async def recorded(*command: str, **options: Any) -> Process:
        made.append(await start(*command, **options))
        return made[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", recorded)
    yield made
    assert made
    assert [process.pid for process in made if process.returncode is None] == []


@pytest.mark.parametrize(
    ("script", "start", "code", "crashed"),
    [
        (STUCK_AT_START, 0.2, "not_begun", False),
        (STUCK_BEFORE_THE_JOB, 30.0, "not_begun", False),
        (STUCK_IN_THE_JOB, 30.0, "process_died", True),
    ],
)
@pytest.mark.timeout(60)
async def test_a_process_that_falls_silent_is_ended(
    script: str, start: float, code: str, *, crashed: bool
) -> None:
    """What it did not begin with costs the job nothing; and its place is free for the next."""
    apart = quarantine(script, start=start)
    for _ in range(2):
        end = await apart.run(JOB)
        assert isinstance(end, Interrupted)
        assert (end.failure.code, end.crashed) == (code, crashed)
    await apart.close()


@pytest.mark.timeout(60)
async def test_a_process_that_makes_itself_heard_may_take_its_time() -> None:
    """Two seconds, where one of silence would end it."""
    apart = quarantine(SLOW)
    assert await apart.run(JOB) is None
    await apart.close()


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.timeout(60)
async def test_a_process_whose_worker_stops_is_killed_and_waited_for(
    started: list[Process], tmp_path: Path, *, taken: bool
) -> None:
    """While it starts, and in its job."""
    seen = tmp_path / "job"
    apart = Quarantine(
        [sys.executable, "-c", TAKES.format(seen=str(seen)) if taken else STUCK_AT_START], NOBODY, 60.0
    )
    running = asyncio.create_task(apart.run(JOB))
    await until(seen.exists if taken else lambda: started, within=30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await apart.close()
    assert [process.returncode for process in started] == [-signal.SIGKILL]
