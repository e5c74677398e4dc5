"""Processes for jobs that may be what kills workers: one job at a time in each, watched by the worker that started it.

Nobody can tell which of a hundred jobs killed their worker. When a job dies alone in a process, and the worker beside it
lives on, there is no doubt, nothing else is hurt, and whoever kills whole workers has not touched it. The process works
under its worker's id, so that the worker's lease and the fence hold for it too.

Over a pair of sockets: the process says READY; the worker sends a job; the process says BEGUN, runs it, writes its end to
the database, and says READY again. Whoever finds the other one gone stops.
"""

import asyncio
import contextlib
import faulthandler
import pickle
import signal
import socket
import struct
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import structlog

from hub.bootstrap import make_execute
from hub.domain.jobs import Interrupted
from hub.infra.store.execution import Claimed, ExecutionStore
from hub.services.execute import Execute
from hub.services.hub import Hub
from hub.services.interruptions import died, not_begun

log = structlog.get_logger("hub.quarantine")

READY, BEGUN = b"R", b"B"
_LENGTH = struct.Struct("!I")
# How long a process that has nothing to do is kept for the next job. Seconds.
_KEPT = 30.0
_PATIENCE = 5.0
# A process that cannot start (no memory, a database that is away) is tried again; then the job goes back to its queue.
_STARTS = 3
_PAUSE = 1.0


class Quarantine:
    """The worker's side.

    Args:
        command: starts a process; it gets one argument more, for `serve`.
        worker: whose jobs they are.
        cells: how many processes there may be.
    """

    def __init__(self, command: Sequence[str], worker: UUID, *, cells: int = 4) -> None:
        self._command = command
        self._worker = worker
        self._places = asyncio.Semaphore(cells)
        self._idle: list[_Cell] = []
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
                try:
                    if not await cell.begin(job):
                        continue
                    if not await cell.is_ready():
                        return died(await cell.ended())
                except BaseException:
                    cell.kill()
                    raise
                self._keep(cell)
                return None
        return not_begun(f"tried {_STARTS} times")

    async def close(self) -> None:
        """End the processes that are left; none is running a job any more."""
        cells, self._idle = self._idle, []
        for cell in cells:
            await cell.close()

    async def _cell(self) -> "_Cell":
        return self._idle.pop() if self._idle else await _Cell.start(self._command, self._worker)

    def _keep(self, cell: "_Cell") -> None:
        self._idle.append(cell)
        jobs = cell.jobs
        asyncio.get_running_loop().call_later(_KEPT, lambda: self._let_go(cell, jobs))

    def _let_go(self, cell: "_Cell", jobs: int) -> None:
        if cell in self._idle and cell.jobs == jobs:
            self._idle.remove(cell)
            cell.dismiss()


@dataclass(slots=True, eq=False)
class _Cell:
    """One process, as its worker sees it."""

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    jobs: int = 0

    @classmethod
    async def start(cls, command: Sequence[str], worker: UUID) -> "_Cell":
        """Start it and wait until it can take a job. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: what is sent to the worker's group (Ctrl-C) is the worker's to judge.
            process = await asyncio.create_subprocess_exec(
                *command, f"{theirs.fileno()}:{worker}", pass_fds=(theirs.fileno(),), start_new_session=True
            )
        cell = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            if await cell.is_ready():
                return cell
        except BaseException:
            cell.kill()
            raise
        message = f"a process for a job alone {await cell.ended()} before it could take one"
        raise OSError(message)

    async def begin(self, job: Claimed) -> bool:
        """Hand a job over; False if the process was gone before it began with it."""
        self.jobs += 1
        body = pickle.dumps(job)
        with contextlib.suppress(OSError):
            self.writer.write(_LENGTH.pack(len(body)) + body)
            await self.writer.drain()
            if await self.reader.read(1) == BEGUN:
                return True
        self.kill()
        return False

    async def is_ready(self) -> bool:
        """Wait until it is; False if it has died instead."""
        said = asyncio.create_task(self.reader.read(1))
        # What the job has left behind may keep the socket open.
        gone = asyncio.create_task(self.process.wait())
        try:
            await asyncio.wait([said, gone], return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(OSError):
                return said.done() and said.result() == READY
            return False
        finally:
            said.cancel()
            gone.cancel()

    async def ended(self) -> str:
        """How it came to its end."""
        self.writer.close()
        try:
            async with asyncio.timeout(_PATIENCE):
                status = await self.process.wait()
        except TimeoutError:
            self.kill()
            return "fell silent"
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    def dismiss(self) -> None:
        """Let it end by itself."""
        self.writer.close()

    def kill(self) -> None:
        """End it at once."""
        self.writer.close()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def close(self) -> None:
        """Let it end, and see that it does."""
        self.dismiss()
        await self.ended()


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
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=int(descriptor)))
    keepers = [
        asyncio.create_task(_watch(hub.config.worker.lease.total_seconds()), name="watchdog"),
        asyncio.create_task(hub.sharing.run(), name="breakers"),
    ]
    try:
        with contextlib.suppress(OSError):
            await _work(execute, reader, writer, hub.config.worker.lease.total_seconds())
    finally:
        faulthandler.cancel_dump_traceback_later()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers, timeout=_PATIENCE)
        writer.close()


async def _work(
    execute: Execute, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float
) -> None:
    writer.write(READY)
    coming = asyncio.create_task(_received(reader))
    while job := await coming:
        writer.write(BEGUN)
        # Nothing can come while a job runs but the end of the worker.
        coming = asyncio.create_task(_received(reader))
        running = asyncio.create_task(execute.run(job))
        await asyncio.wait([running, coming], return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            running.cancel()
        await asyncio.wait([running])
        if not running.cancelled() and (error := running.exception()):
            # It stays running until the worker finds it.
            log.error("running a job failed", job_id=str(job.id), job=job.name, exc_info=error)
        async with asyncio.timeout(patience if coming.done() else None):
            await execute.drain()
        writer.write(READY)


async def _received(reader: asyncio.StreamReader) -> Claimed | None:
    try:
        [length] = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
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


async def _watch(lease: float) -> None:
    """A job that does not let the process breathe for as long as a lease ends it; the log shows where it was."""
    while True:
        faulthandler.dump_traceback_later(lease, exit=True)
        await asyncio.sleep(lease / 4)
