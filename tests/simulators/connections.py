"""Breaking TCP connections on purpose."""

import asyncio
import os
import socket
import struct
from typing import cast

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Drop the connection at once, so that the client sees ECONNRESET and not an orderly end.

    `SO_LINGER` with zero seconds is what turns the closing FIN into a RST (socket(7)).
    """
    if transport is None or transport.is_closing():
        return
    # A duplicate, because uvloop hands out sockets whose options cannot be set.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    cast(asyncio.Transport, transport).abort()
