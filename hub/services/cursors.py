"""Cursors of lists: opaque to callers, and checked, so that a damaged one is refused and not misread."""

import base64
import binascii
import hashlib
from uuid import UUID

from hub.domain.errors import Invalid, Problem

_CHECK = 6


def format_cursor(kind: str, last: UUID) -> str:
    """The cursor of what comes after `last` in a list of one kind."""
    return seal(kind, last.bytes)


def parse_cursor(kind: str, cursor: str) -> UUID:
    """Where a list goes on. Raises Invalid for what is no cursor of this kind of list."""
    last = unseal(kind, cursor)
    if len(last) != 16:
        raise _wrong()
    return UUID(bytes=last)


def seal(kind: str, last: bytes) -> str:
    """The same for a list that is not in the order of ids."""
    return base64.urlsafe_b64encode(last + _sum(kind, last)).decode().rstrip("=")


def unseal(kind: str, cursor: str) -> bytes:
    """What `seal` was given. Raises Invalid for what is no cursor of this kind of list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    last, check = raw[:-_CHECK], raw[-_CHECK:]
    if not last or check != _sum(kind, last):
        raise _wrong()
    return last


def _wrong() -> Invalid:
    problem = Problem("/query/cursor", "must be a next_cursor that this list has given, unchanged")
    return Invalid("the cursor is not one", code="invalid_cursor", problems=(problem,))


def _sum(kind: str, last: bytes) -> bytes:
    return hashlib.blake2b(last, digest_size=_CHECK, person=kind.encode()[:16]).digest()
