"""Addresses within the console that a request names: never one that leads elsewhere."""

from urllib.parse import urlsplit

HOME = "/console/inbox"


def safe_next(asked: str | None) -> str:
    """Where to go on: the path asked for if it is one of the console's, else its first page."""
    if not asked or not asked.startswith("/console") or any(c in asked for c in "\\\r\n\t"):
        return HOME
    parts = urlsplit(asked)
    if parts.scheme or parts.netloc or ".." in parts.path or parts.path == "/console/login":
        return HOME
    return asked
