"""Which addresses a request may go to when its URL was not written by whoever runs the hub."""

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

# RFC 6052: an IPv6-only network reaches IPv4 through these; what counts is the address inside.
_NAT64 = IPv6Network("64:ff9b::/96")
# RFC 8215: the same, for a network's own use; and RFC 3879: once private, never given out again.
_LOCAL = (IPv6Network("64:ff9b:1::/48"), IPv6Network("fec0::/10"))

_TRUE = frozenset({"1", "true", "yes", "on"})


class ForbiddenAddressError(OSError):
    """The address is not a public one; nothing was sent."""


def is_public(text: str) -> bool:
    """Whether an IP address is one that anyone on the Internet can reach. False for what is not an address.

    Loopback, private, link-local (where clouds keep their credentials), shared, multicast, reserved and unspecified
    addresses are not, nor are IPv6 addresses that carry such an IPv4 address.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if any(address in network for network in _LOCAL) or address.sixtofour or address.teredo:
            return False
        address = _inner(address)
    return address.is_global and not address.is_multicast and not address.is_reserved


def allows_private(credentials: Mapping[str, str]) -> bool:
    """Whether a provider is configured to be called at addresses that are not public."""
    return credentials.get("allow_private", "").lower() in _TRUE


def is_address(text: str) -> bool:
    """Whether it is an IP address, and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _inner(address: IPv6Address) -> IPv4Address | IPv6Address:
    if address.ipv4_mapped:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address


def public_socket(info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
    """Make the socket for one resolved address, just before it connects.

    Here and not at the name: a name can mean another address a moment later (DNS rebinding), and an address written
    into the URL is never looked up at all.

    Raises:
        ForbiddenAddressError: it is not public.
    """
    family, kind, proto, _, address = info
    if not is_public(str(address[0])):
        raise ForbiddenAddressError("the address is not a public one")
    return socket.socket(family, kind, proto)
