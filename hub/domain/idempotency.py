"""Idempotency of the hub's own API: the same key and the same request give the same job, always.

A key belongs to one application. Its fingerprint is taken over the request's meaning, not its bytes, so that a client
that orders its fields differently on a repeat is not refused.
See https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from hub.domain.errors import Invalid

MAX_KEY_LENGTH = 255
_KEY = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")


class Match(StrEnum):
    """What a request is to the one its key was first used for."""

    SAME = "same"
    OTHER = "other"


def is_valid_key(key: str) -> bool:
    """Whether a key is 1 to 255 visible ASCII characters."""
    return _KEY.fullmatch(key) is not None


def fingerprint(request: Mapping[str, Any]) -> bytes:
    """A digest of a request's meaning: equal for equal JSON values in any order of their fields.

    Raises Invalid for a request that is nested too deeply (several hundred levels).
    """
    try:
        canonical = json.dumps(
            request, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
        )
    except RecursionError:
        raise Invalid("the request is nested too deeply", code="too_deep") from None
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


def compare(stored: bytes, presented: bytes) -> Match:
    """Judge a repeat by its fingerprint."""
    return Match.SAME if stored == presented else Match.OTHER
