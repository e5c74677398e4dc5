"""PostgreSQL and Redis as they stand on machines of their own: reached through TCP, and killed as by a loss of power."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from hub.infra.embedded.postgres import PostgresServer, binary
from hub.infra.embedded.redis import RedisServer
from hub.infra.embedded.sockets import private_directory

HASTE = {"fsync": "off", "shared_buffers": "64MB", "autovacuum": "off"}
ACCESS = "local all all trust\nhost all all all trust\nhost replication all all trust\n"


class Postgres(PostgresServer):
    """Listens on all addresses of its machine, and trusts everybody there.

    Args:
        var_dir: where it lives.
        port: where it listens; several on one machine need several.
        follows: the address and port of the primary that it is made from; it is told as `replica`.
    """

    def __init__(self, var_dir: Path, *, port: int = 5432, follows: tuple[str, int] | None = None) -> None:
        access = var_dir.absolute() / "pg_hba.conf"
        super().__init__(
            var_dir, {**HASTE, "listen_addresses": "*", "port": str(port), "hba_file": str(access)}
        )
        var_dir.mkdir(parents=True, exist_ok=True)
        access.write_text(ACCESS)
        access.chmod(0o644)
        self.port = port
        self._follows = follows

    @property
    def url(self) -> str:
        return f"{super().url}&port={self.port}"

    def ready(self) -> bool:
        return self._pid_file()[-1:] in (["ready"], ["standby"])

    def kill(self) -> None:
        """SIGKILL to all of it."""
        postmaster = psutil.Process(int(self._pid_file()[0]))
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _initialise(self) -> None:
        if self._follows is None:
            super()._initialise()
            return
        host, port = self._follows
        private_directory(self.data, self.account)
        primary = f"host={host} port={port} user=hub application_name=replica"
        copy = ["--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"]
        self.run([binary("pg_basebackup"), "--pgdata", self.data, "--dbname", primary, *copy])


class Redis(RedisServer):
    """Listens on all addresses of its machine."""

    def command(self) -> Sequence[str]:
        return [*super().command(), "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no"]  # noqa: S104 - of a namespace
