"""Processes for jobs that may be what kills workers: one job at a time in each, watched by the worker that started it.

Nobody can tell which of a hundred jobs killed their worker. When a job dies alone in a process, and the worker beside it
lives on, there is no doubt, nothing else is hurt, and whoever kills whole workers has not touched it. The process works
under its worker's id, so that the worker's lease and the fence hold for it too.

Over a pair of sockets: the process says READY; the worker sends a job; the process says BEGUN, runs it, writes its end to
the database, and says READY again. Whoever finds the other one gone stops. As the worker's lease keeps a job whose process
has stopped, the process also makes itself heard while it lives, and the worker ends one that has fallen silent.
"""

import asyncio
import contextlib
import faulthandler
import os
import pickle
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import structlog

from hub.bootstrap import make_execute
from hub.cell import BEAT, BEGUN, LENGTH, READY, Cell
from hub.domain.jobs import Interrupted
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.services.execute import Execute
from hub.services.hub import Hub
from hub.services.interruptions import died, not_begun

log = structlog.get_logger("hub.quarantine")

# How long a process that has nothing to do is kept for the next job. Seconds.
_KEPT = 30.0
_PATIENCE = 5.0
# A process that cannot start (no memory, a database that is away) is tried again; then the job goes back to its queue.
_STARTS = 3
_PAUSE = 1.0
# Starting waits for a database that is away, which takes half of this at most.
_START = 60.0
# How often a process makes itself heard in the time of a lease; after two leases of silence it is ended. One whose job holds
# it up ends itself before that, and says where it was.
_BEATS, _SILENCE = 4, 2


class Quarantine:
    """The worker's side.

    Args:
        command: starts a process; it gets one argument more, for `serve`.
        worker: whose jobs they are.
        lease: the worker's, in seconds.
        cells: how many processes there may be.
        start: how long one may take to start, in seconds.
    """

    def __init__(
        self, command: Sequence[str], worker: UUID, lease: float, *, cells: int = 4, start: float = _START
    ) -> None:
        self._command = command
        self._worker = worker
        self._silence = _SILENCE * lease
        self._start = start
        self._places = asyncio.Semaphore(cells)
        self._idle: list[Cell] = []
        # All that have not ended: also one that was killed, and was not waited for, because who ran a job in it was cancelled.
        self._living: set[Cell] = set()
        self.cells = cells

    async def run(self, job: Claimed) -> Interrupted | None:
        """Run one attempt; gives how it was interrupted, None if its process lives on and has written its end."""
        async with self._places:
            for _ in range(_STARTS):
                try:
                    cell = await self._cell()
                except OSError as error:
                    log.warning("no process for a job alone", error=str(error))
                    await asyncio.sleep(_PAUSE)
                    continue
                with _killed_unless_done(cell):
                    if not await cell.begin(job, self._silence):
                        continue
                    if not await cell.says(READY, self._silence):
                        return died(job.name, await cell.ended())
                self._keep(cell)
                return None
        return not_begun(job.name, f"tried {_STARTS} times")

    async def close(self) -> None:
        """End the processes that are left, and see that they have; none is running a job any more."""
        self._idle.clear()
        await asyncio.gather(*[cell.close() for cell in self._living])

    async def _cell(self) -> Cell:
        if self._idle:
            return self._idle.pop()
        cell = await Cell.start(self._command, self._worker)
        self._living.add(cell)
        cell.gone.add_done_callback(lambda _: self._living.discard(cell))
        with _killed_unless_done(cell):
            await cell.ready(self._start)
        return cell

    def _keep(self, cell: Cell) -> None:
        self._idle.append(cell)
        jobs = cell.jobs
        asyncio.get_running_loop().call_later(_KEPT, lambda: self._let_go(cell, jobs))

    def _let_go(self, cell: Cell, jobs: int) -> None:
        if cell in self._idle and cell.jobs == jobs:
            self._idle.remove(cell)
            cell.dismiss()


@contextlib.contextmanager
def _killed_unless_done(cell: Cell) -> Iterator[None]:
    """Whoever is cancelled cannot wait any longer; `Quarantine.close` does."""
    try:
        yield
    except BaseException:
        cell.kill()
        raise


async def serve(hub: Hub, place: str) -> None:
    """The process's side: run what the worker sends, until it is gone.

    Args:
        hub: built as the worker's own.
        place: where the worker listens and who it is, as it was given on the command line.
    """
    _prepare()
    descriptor, _, worker = place.partition(":")
    store = ExecutionStore(hub.database, UUID(worker))
    execute = make_execute(hub, store)
    await hub.companions.prepare()
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=int(descriptor)))
    keepers = [
        asyncio.create_task(_watch(hub.config.worker.lease.total_seconds(), writer), name="watchdog"),
        asyncio.create_task(hub.companions.run(), name="companions"),
    ]
    try:
        with contextlib.suppress(OSError):
            await _work(hub, execute, reader, writer)
    finally:
        faulthandler.cancel_dump_traceback_later()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers, timeout=_PATIENCE)
        writer.close()


async def _work(
    hub: Hub, execute: Execute, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    grace, lease = (
        time.total_seconds() for time in (hub.config.worker.shutdown_grace, hub.config.worker.lease)
    )
    writer.write(READY)
    coming = asyncio.create_task(_received(reader))
    while job := await coming:
        writer.write(BEGUN)
        # Nothing can come while a job runs but the end of the worker.
        coming = asyncio.create_task(_received(reader))
        running = asyncio.create_task(execute.run(job))
        limit = hub.registry.jobs[job.name].timeout.total_seconds() + grace
        await asyncio.wait([running, coming], timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            running.cancel()
            await asyncio.wait([running], timeout=lease)
        if not running.done():
            _end_with(job, running)
        if not running.cancelled() and (error := running.exception()):
            # It stays running until the worker finds it.
            log.error("running a job failed", job_id=str(job.id), job=job.name, exc_info=error)
        async with asyncio.timeout(lease if coming.done() else None):
            await execute.drain()
        writer.write(READY)


def _end_with(job: Claimed, running: "asyncio.Task[None]") -> NoReturn:
    """A job that hears neither its timeout nor that it is to stop can be ended with its process only."""
    log.error("the job does not end", job_id=str(job.id), job=job.name)
    running.print_stack()
    sys.stderr.flush()
    os._exit(1)


async def _received(reader: asyncio.StreamReader) -> Claimed | None:
    try:
        [length] = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        job: Claimed = pickle.loads(await reader.readexactly(length))  # noqa: S301 - from the worker that started this
    except (asyncio.IncompleteReadError, OSError):
        return None
    return job


def _prepare() -> None:
    """Leave signals to the worker, and offer this process first when the kernel looks for memory."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


async def _watch(lease: float, writer: asyncio.StreamWriter) -> None:
    """A job that does not let the process breathe for as long as a lease ends it; the log shows where it was."""
    while True:
        faulthandler.dump_traceback_later(lease, exit=True)
        await asyncio.sleep(lease / _BEATS)
        writer.write(BEAT)
