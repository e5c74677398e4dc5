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
    """One process, as its worker sees it.

    Attributes:
        gone: done once it has ended and was waited for, with its status. Never cancel it.
        jobs: how many it was given.
        silent: it was ended because nothing was heard of it.
    """

    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gone: asyncio.Task[int]
    jobs: int = 0
    silent: bool = False

    @classmethod
    async def start(cls, command: Sequence[str], worker: UUID) -> "Cell":
        """Start it; whoever does must see that it ends. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            # Before there is a process: nothing may come between its start and somebody who has to wait for it.
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                # A session of its own: what is sent to the worker's group (Ctrl-C) is the worker's to judge.
                process = await asyncio.create_subprocess_exec(
                    *command,
                    f"{theirs.fileno()}:{worker}",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except BaseException:
                writer.close()
                raise
        return cls(process, reader, writer, asyncio.create_task(process.wait()))

    async def ready(self, patience: float) -> None:
        """Wait until it can take its first job. Raises OSError."""
        if not await self.says(READY, patience):
            message = f"a process for a job alone {await self.ended()} before it could take one"
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
        left = _PARTS
        try:
            while left:
                # What the job has left behind may keep the socket open.
                await asyncio.wait(
                    [said, self.gone], timeout=patience / _PARTS, return_when=asyncio.FIRST_COMPLETED
                )
                if said.done():
                    if (word := _word(said)) != BEAT:
                        return word == wanted
                    left, said = _PARTS, asyncio.create_task(self.reader.read(1))
                elif self.gone.done():
                    return False
                else:
                    left -= 1
        finally:
            said.cancel()
        self.silent = True
        self.kill()
        await self.ended()
        return False

    async def ended(self) -> str:
        """Wait until it has, at last by killing it; gives how it came to its end."""
        self.writer.close()
        await asyncio.wait([self.gone], timeout=_PATIENCE)
        if not self.gone.done():
            self.silent = True
            self.kill()
            # Only the kernel can keep it now, and whoever cannot wait for that must not hang on it.
            await asyncio.wait([self.gone], timeout=_PATIENCE)
        if self.silent:
            return "fell silent"
        status = self.gone.result()
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    def dismiss(self) -> None:
        """Let it end by itself."""
        self.writer.close()

    def kill(self) -> None:
        """End it at once; `ended` waits until it is."""
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
