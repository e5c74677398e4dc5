"""Addresses within the console that a request names: never one that leads elsewhere."""

from hub.domain.sessions import is_safe_path

HOME = "/console/inbox"


def safe_next(asked: str | None) -> str:
    """Where to go on: the path asked for if it is one of the console's, else its first page."""
    if not asked or not is_safe_path(asked) or asked.startswith("/console/log"):
        return HOME
    return asked
