"""PostgreSQL and Redis as they stand on machines of their own: reached through TCP."""

from collections.abc import Sequence
from pathlib import Path

from hub.infra.embedded.postgres import PostgresServer
from hub.infra.embedded.redis import RedisServer

HASTE = {"fsync": "off", "shared_buffers": "64MB", "autovacuum": "off"}


class Postgres(PostgresServer):
    """Listens on all addresses of its machine, and trusts everybody there."""

    def __init__(self, var_dir: Path) -> None:
        access = var_dir.absolute() / "pg_hba.conf"
        super().__init__(var_dir, {**HASTE, "listen_addresses": "*", "hba_file": str(access)})
        access.write_text("local all all trust\nhost all all all trust\n")
        access.chmod(0o644)


class Redis(RedisServer):
    """Listens on all addresses of its machine."""

    def command(self) -> Sequence[str]:
        return [*super().command(), "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no"]  # noqa: S104 - of a namespace
