"""A server as a detached process, which outlives whoever started it and can be found again."""

import fcntl
import os
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

PATIENCE = 30.0  # seconds for a server to come up or to go away
POLL = 0.02  # seconds between two looks
TAIL = 20  # lines of a server's log that an error quotes

# The hub's own environment holds secrets that its servers have no use for.
ENVIRONMENT: Mapping[str, str] = {"PATH": os.defpath, "LC_ALL": "C"}


class EmbeddedServerError(RuntimeError):
    """An embedded server did not start or stop; the message ends with what its log says and what to do."""


class Account(NamedTuple):
    """The system account that a server runs as, where that is not the one we run as."""

    uid: int
    gid: int


@contextmanager
def locked(path: Path, operation: int = fcntl.LOCK_EX) -> Iterator[int]:
    """The file `path` under a flock, which the kernel drops with the last process that has it open."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, operation)
        yield handle
    finally:
        os.close(handle)


class Server(ABC):
    """One embedded server: its directory, its log, and how it is started, asked and stopped."""

    def __init__(self, name: str, var_dir: Path) -> None:
        self.name = name
        self.var_dir = var_dir
        self.log = var_dir / "log" / f"{name}.log"
        # The server inherits this file locked, and so holds the lock for exactly as long as any process of its
        # own lives. Unlike a process id it cannot go stale, and cannot come to mean another process.
        self.lock = var_dir / "run" / f"{name}.lock"
        self._child: int | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients find it."""

    @property
    def account(self) -> Account | None:
        """The account it runs as; none: ours."""
        return None

    @abstractmethod
    def prepare(self) -> None:
        """Make its files ready for a start; called when it does not run."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What runs it in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it takes requests."""

    @abstractmethod
    def ask_to_stop(self) -> None:
        """Tell it to finish, cleanly and now."""

    def running(self) -> bool:
        """Whether any process of it lives, however it was started and by whom."""
        try:
            with locked(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
        except BlockingIOError:
            return True

    def ensure(self) -> None:
        """Adopt it if it runs and start it if it does not; return when it takes requests."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        if self.running() and self._comes_up():
            return
        self.prepare()
        self._start()
        if not self._comes_up():
            raise self.error("did not come up: it ended")

    def stop(self) -> None:
        """Stop it if it runs; return when it is gone."""
        if self.lock.exists() and self.running():
            self.ask_to_stop()
            self._wait(lambda: not self.running(), "did not stop")
        self._reap()

    def run(self, command: Sequence[str | Path], stdin: bytes = b"") -> None:
        """Run a command of its to the end, as its account, into its log."""
        with self.log.open("ab") as log, self._spawn(command, log, stdin=subprocess.PIPE) as process:
            process.communicate(stdin)
        if process.returncode != 0:
            raise self.error(f"could not be set up: {Path(command[0]).name} exited with {process.returncode}")

    def error(self, what: str) -> EmbeddedServerError:
        """What went wrong, with the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:] if self.log.exists() else []
        return EmbeddedServerError(
            f"The embedded {self.name} {what}. The end of {self.log}:\n\n"
            + "".join(f"    {line}\n" for line in lines)
            + "\nMend what it says and start again, or set HUB_DATABASE_URL and HUB_REDIS_URL to use servers of your own."
        )

    def _start(self) -> None:
        self._reap()
        with self.log.open("ab") as log, locked(self.lock) as lock:
            process = self._spawn(self.command(), log, stdin=subprocess.DEVNULL, pass_fds=[lock])
        self._child = process.pid
        process.returncode = 0  # it may outlive us, and Popen need not warn of that

    def _spawn(
        self, command: Sequence[str | Path], log: IO[bytes], *, stdin: int, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        account = self.account
        try:
            return subprocess.Popen(  # noqa: S603 - our own binary, our own arguments
                command,
                stdin=stdin,
                stdout=log,
                stderr=log,
                pass_fds=pass_fds,
                cwd="/",
                env=ENVIRONMENT,
                umask=0o077,
                # Ctrl-C in the terminal is for the hub's processes; they still need the servers while they finish.
                start_new_session=True,
                user=account and account.uid,
                group=account and account.gid,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise self.error(f"could not be started: {error}") from error

    def _reap(self) -> None:
        """Collect what is left of a server that we started ourselves, and that has ended."""
        if self._child is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            self._child = None

    def _comes_up(self) -> bool:
        """Whether it takes requests in the end; not, when it ends, as one will that is found dying."""
        self._wait(lambda: self.ready() or not self.running(), "did not come up")
        return self.running()

    def _wait(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise self.error(f"{failure} within {PATIENCE:.0f} seconds")
            time.sleep(POLL)
