"""A process for one job at a time, as the worker that started it sees it; see `hub.quarantine`."""

import asyncio
import contextlib
import pickle
import socket
import struct
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from hub.infra.store.execution import Claimed

READY, BEGUN, BEAT = b"R", b"B", b"."
LENGTH = struct.Struct("!I")
_PATIENCE = 5.0
# A silence is measured in so many parts: to a worker that was stopped itself, all that time is but one of them.
_PARTS = 8


@dataclass(slots=True, eq=False)
class Cell:
    """One process, as its worker sees it."""

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    jobs: int = 0
    silent: bool = False

    @classmethod
    async def start(cls, command: Sequence[str], worker: UUID, patience: float) -> "Cell":
        """Start it and wait until it can take a job. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: what is sent to the worker's group (Ctrl-C) is the worker's to judge.
            process = await asyncio.create_subprocess_exec(
                *command, f"{theirs.fileno()}:{worker}", pass_fds=(theirs.fileno(),), start_new_session=True
            )
        cell = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            if await cell.says(READY, patience):
                return cell
        except BaseException:
            cell.kill()
            raise
        message = f"a process for a job alone {await cell.ended()} before it could take one"
        raise OSError(message)

    async def begin(self, job: Claimed, patience: float) -> bool:
        """Hand a job over; False if the process was gone before it began with it."""
        self.jobs += 1
        body = pickle.dumps(job)
        # Nobody waits until it is taken: that, too, would be for ever.
        self.writer.write(LENGTH.pack(len(body)) + body)
        if await self.says(BEGUN, patience):
            return True
        self.kill()
        await self.ended()
        return False

    async def says(self, wanted: bytes, patience: float) -> bool:
        """Wait until it does; False if it has died instead, or has been silent for so long that it was ended."""
        said = asyncio.create_task(self.reader.read(1))
        # What the job has left behind may keep the socket open.
        gone = asyncio.create_task(self.process.wait())
        left = _PARTS
        try:
            while left:
                await asyncio.wait(
                    [said, gone], timeout=patience / _PARTS, return_when=asyncio.FIRST_COMPLETED
                )
                if said.done():
                    if (word := _word(said)) != BEAT:
                        return word == wanted
                    left, said = _PARTS, asyncio.create_task(self.reader.read(1))
                elif gone.done():
                    return False
                else:
                    left -= 1
        finally:
            said.cancel()
            gone.cancel()
        self.silent = True
        self.kill()
        await self.ended()
        return False

    async def ended(self) -> str:
        """How it came to its end."""
        self.writer.close()
        status = 0
        try:
            async with asyncio.timeout(_PATIENCE):
                status = await self.process.wait()
        except TimeoutError:
            self.kill()
            self.silent = True
        if self.silent:
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


def _word(said: "asyncio.Task[bytes]") -> bytes:
    """What it was; nothing if the other side has gone."""
    try:
        return said.result()
    except OSError:
        return b""
