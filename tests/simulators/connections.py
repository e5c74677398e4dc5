"""Breaking TCP connections on purpose."""

import asyncio
import socket
import struct

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Drop the connection at once, so that the client sees ECONNRESET and not an orderly end.

    `SO_LINGER` with zero seconds is what turns the closing FIN into a RST (socket(7)).
    """
    if not isinstance(transport, asyncio.Transport):
        return
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
