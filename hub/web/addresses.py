"""Where the hub is, seen from outside, and where a request comes from."""

import ipaddress
from contextlib import suppress

from aiohttp import web

from hub.config.web import WebConfig


def public_url(config: WebConfig, request: web.Request) -> str:
    """The hub's own address: as configured, else as the caller wrote it."""
    return config.public_url or f"{request.scheme}://{request.host}"


def is_secure(config: WebConfig, request: web.Request) -> bool:
    """Whether browsers reach the hub over TLS."""
    return public_url(config, request).startswith("https://")


def client_address(config: WebConfig, request: web.Request) -> str:
    """Who asks. Behind `config.proxies` proxies it is the address that the outermost of them has seen.

    What stands further to the left in X-Forwarded-For was written by the client, and says what it likes.
    """
    if config.proxies:
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        if len(hops) >= config.proxies:
            with suppress(ValueError):
                return str(ipaddress.ip_address(hops[-config.proxies].strip()))
    return request.remote or ""
