"""Cursors of lists: opaque to callers, and checked, so that a damaged one is refused and not misread."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from hub.domain.errors import Invalid, Problem

T = TypeVar("T")
_CHECK = 6


def format_cursor(kind: str, last: UUID) -> str:
    """The cursor of what comes after `last` in a list of one kind."""
    return seal(kind, last.bytes)


def parse_cursor(kind: str, cursor: str) -> UUID:
    """Where a list goes on. Raises Invalid for what is no cursor of this kind of list."""
    return unseal(kind, cursor, lambda last: UUID(bytes=last))


def format_number(kind: str, last: int) -> str:
    """The same for a list in the order of numbers."""
    return format_cursor(kind, UUID(int=last))


def parse_number(kind: str, cursor: str, *, bits: int) -> int:
    """Where it goes on: a number that a column of so many bits holds. Raises Invalid as `parse_cursor` does."""
    return unseal(kind, cursor, lambda last: within(UUID(bytes=last).int, bits))


def within(number: int, bits: int) -> int:
    """The number, if a column of so many bits holds it. Raises ValueError."""
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise ValueError(f"needs more than {bits} bits")
    return number


def seal(kind: str, last: bytes) -> str:
    """The same for a list that is not in the order of ids."""
    return base64.urlsafe_b64encode(last + _sum(kind, last)).decode().rstrip("=")


def unseal(kind: str, cursor: str, read: Callable[[bytes], T]) -> T:
    """What `read` makes of what `seal` was given. Raises Invalid for what is no cursor of this kind of list.

    The sum finds what was damaged; whoever makes cursors up can make one that fits, of which `read` makes nothing.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    last, check = raw[:-_CHECK], raw[-_CHECK:]
    if not last or check != _sum(kind, last):
        raise _wrong()
    try:
        return read(last)
    except (ValueError, OverflowError, struct.error):
        raise _wrong() from None


def _wrong() -> Invalid:
    problem = Problem("/query/cursor", "must be a next_cursor that this list has given, unchanged")
    return Invalid("the cursor is not one", code="invalid_cursor", problems=(problem,))


def _sum(kind: str, last: bytes) -> bytes:
    return hashlib.blake2b(last, digest_size=_CHECK, person=kind.encode()[:16]).digest()
