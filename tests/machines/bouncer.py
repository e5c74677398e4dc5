"""PgBouncer in transaction mode, before a PostgreSQL of the tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.infra.embedded.postgres import NAME, PostgresServer
from tests.simulators.processes import free_port, running

SERVERS = 3  # connections to PostgreSQL that all clients share
BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
MISSING = "no pooler: pgbouncer (Debian: pgbouncer) is not installed"

_SETTINGS = f"""
auth_type = trust
pool_mode = transaction
default_pool_size = {SERVERS}
max_client_conn = 500
unix_socket_dir =
"""


@contextmanager
def pooling(server: PostgresServer, port: int, directory: Path) -> Iterator[str]:
    """The URL of a pooler before the server that listens on this port of the loopback."""
    own = free_port()
    users = directory / "users.txt"
    users.write_text(f'"{NAME}" ""\n')
    configuration = directory / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n{NAME} = host=127.0.0.1 port={port} dbname={NAME}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nauth_file = {users}\n{_SETTINGS}"
    )
    # Like PostgreSQL, it does not run as root.
    account = server.account
    other = (
        ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"] if account else []
    )
    if account:
        for path in (users, configuration):
            os.chown(path, account.uid, account.gid)
    command = [*other, str(BINARY), "--quiet", str(configuration)]
    with running(command, cwd="/", ready=lambda child: child.wait_for_port(own)):
        yield f"postgresql://{NAME}@127.0.0.1:{own}/{NAME}"
