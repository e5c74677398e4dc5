"""The PostgreSQL and the Redis that the hub brings along, for when no other is configured.

Every process that needs them says so with `embedded(var_dir)`; the first one in starts them, the last one out stops them.
They are reached through Unix sockets that only their owner can open, never through TCP.
"""

from .process import EmbeddedServerError, Server
from .sharing import EmbeddedServers, embedded, shared, stop

__all__ = ["EmbeddedServerError", "EmbeddedServers", "Server", "embedded", "shared", "stop"]
