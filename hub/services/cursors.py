"""Cursors of lists: opaque to callers, and checked, so that a damaged one is refused and not misread."""

import base64
import binascii
import hashlib
from uuid import UUID

from hub.domain.errors import Invalid, Problem

_CHECK = 6


def format_cursor(kind: str, last: UUID) -> str:
    """The cursor of what comes after `last` in a list of one kind."""
    return base64.urlsafe_b64encode(last.bytes + _sum(kind, last.bytes)).decode().rstrip("=")


def parse_cursor(kind: str, cursor: str) -> UUID:
    """Where a list goes on. Raises Invalid for what is no cursor of this kind of list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    last, check = raw[:16], raw[16:]
    if len(raw) != 16 + _CHECK or check != _sum(kind, last):
        problem = Problem("/query/cursor", "must be a next_cursor that this list has given, unchanged")
        raise Invalid("the cursor is not one", code="invalid_cursor", problems=(problem,))
    return UUID(bytes=last)


def _sum(kind: str, last: bytes) -> bytes:
    return hashlib.blake2b(last, digest_size=_CHECK, person=kind.encode()[:16]).digest()
