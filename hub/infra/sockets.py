"""How soon it is noticed that the other end of a connection has vanished.

A peer that is cut off, or loses power, closes nothing. Left to the kernel's defaults what was sent to it is tried again
for a quarter of an hour, and a connection that only listens is never found out at all.
"""

import socket
from collections.abc import Mapping

CONNECT = 3.0  # seconds for a connection to a store, log-in included
SILENCE = 3  # seconds without a sign of life, after which a connection to a store is given up

# By the names they have here: https://man7.org/linux/man-pages/man7/tcp.7.html
_WANTED = {
    "TCP_KEEPIDLE": SILENCE - 1,  # ask an idle peer
    "TCP_KEEPALIVE": SILENCE - 1,  # the same on macOS
    "TCP_KEEPINTVL": 1,
    "TCP_KEEPCNT": 2,
    "TCP_USER_TIMEOUT": SILENCE
    * 1000,  # what was sent must be acknowledged, and so must a question to an idle peer
}
TCP_OPTIONS: Mapping[int, int] = {
    getattr(socket, name): value for name, value in _WANTED.items() if hasattr(socket, name)
}


def watch(connected: socket.socket) -> None:
    """Have the kernel give this connection up when its peer has vanished; a Unix socket's peer cannot."""
    if connected.family in {socket.AF_INET, socket.AF_INET6}:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in TCP_OPTIONS.items():
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
