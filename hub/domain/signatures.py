"""How providers sign their webhooks, as data, and the one place that verifies.

A scheme says where the signature stands, how it is written, and what is signed. Verification works on the raw bytes as
received, compares in constant time, tries every configured secret (while one is being rotated), and refuses an empty
secret, a missing header and a stale or future timestamp.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Refused(StrEnum):
    """Why a signature was not accepted. Told to the log, never to the sender."""

    NO_SECRET = "no_secret"  # noqa: S105 - a reason, not a secret
    MISSING = "missing"
    MALFORMED = "malformed"
    STALE = "stale"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that holds; `secret` is the index of the configured secret that matched, oldest first as configured."""

    secret: int


@dataclass(frozen=True, slots=True)
class Presented:
    """What a delivery carries: the candidate signatures, and what was signed."""

    signatures: tuple[bytes, ...]
    signed: bytes
    at: int | None = None


Reader = Callable[[Mapping[str, str], bytes], Presented | Refused]
KeyOf = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class HmacScheme:
    """A family of signatures.

    Attributes:
        read: takes the headers (lower-case names) and the raw body, gives what is to be compared.
        key: turns a configured secret into the key's bytes; raises ValueError for one that cannot be a key.
        algorithm: the hash.
        tolerance: how far the signed timestamp may be from now, either way; None where nothing is timestamped.
    """

    read: Reader
    key: KeyOf
    algorithm: str = "sha256"
    tolerance: timedelta | None = None

    def verify(
        self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
    ) -> Verified | Refused:
        """Judge one delivery. Takes the same time whichever secret matches or none does."""
        if not secrets or not all(secrets):
            return Refused.NO_SECRET
        presented = self.read(headers, body)
        if isinstance(presented, Refused):
            return presented
        if not self._is_fresh(presented.at, now):
            return Refused.STALE
        matched: int | None = None
        for index, secret in enumerate(secrets):
            expected = hmac.digest(self.key(secret), presented.signed, self.algorithm)
            # Every candidate is compared, so that time tells nothing about which one was close.
            matches = [hmac.compare_digest(expected, given) for given in presented.signatures]
            if matched is None and any(matches):
                matched = index
        return Refused.MISMATCH if matched is None else Verified(matched)

    def sign(self, signed: bytes, secret: str) -> bytes:
        """The signature's bytes for what is signed; used to send samples and by tests."""
        return hmac.digest(self.key(secret), signed, self.algorithm)

    def _is_fresh(self, at: int | None, now: datetime) -> bool:
        if self.tolerance is None:
            return True
        return at is not None and abs(now.timestamp() - at) <= self.tolerance.total_seconds()


def utf8_key(secret: str) -> bytes:
    """The secret's own text is the key."""
    return secret.encode()


def standard_key(secret: str) -> bytes:
    """Standard Webhooks: the key stands in base64 behind `whsec_`, with its padding or without, as in the SDKs."""
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("the secret is not base64 behind 'whsec_'") from None
    if not key:
        raise ValueError("the secret is empty behind 'whsec_'")
    return key


def parse_timestamp(text: str) -> int | None:
    """Seconds since the epoch, as ASCII digits only (int() alone would take '1_0', '+1' and other scripts' digits)."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


# One signature has one spelling here, as in the providers' own libraries, which compare the text.
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


def unhex(text: str) -> bytes | None:
    """Lower-case hex to bytes; None if it is anything else."""
    return bytes.fromhex(text) if _HEX.fullmatch(text) else None


def unbase64(text: str) -> bytes | None:
    """Canonical base64 (padded, no stray bits) to bytes; None if it is anything else."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def timestamped_hex(
    header: str, *, tolerance: timedelta, version: str = "v1", key: KeyOf = utf8_key
) -> HmacScheme:
    """`t=…,v1=…[,v1=…]`, HMAC-SHA256 in hex over `t.body`. https://docs.stripe.com/webhooks#verify-manually"""
    name = header.lower()

    def read(headers: Mapping[str, str], body: bytes) -> Presented | Refused:
        value = headers.get(name)
        if not value:
            return Refused.MISSING
        pairs = [item.strip().partition("=")[::2] for item in value.split(",", 16)]
        at = parse_timestamp(next((text for field, text in pairs if field == "t"), ""))
        signatures = tuple(raw for field, text in pairs if field == version and (raw := unhex(text)))
        if at is None or not signatures:
            return Refused.MALFORMED
        return Presented(signatures, b"%d.%s" % (at, body), at)

    return HmacScheme(read, key, tolerance=tolerance)


def prefixed_hex(header: str, *, prefix: str = "sha256=") -> HmacScheme:
    """`sha256=…` in hex over the body.

    https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    name = header.lower()

    def read(headers: Mapping[str, str], body: bytes) -> Presented | Refused:
        value = headers.get(name)
        if not value:
            return Refused.MISSING
        raw = unhex(value.removeprefix(prefix)) if value.startswith(prefix) else None
        return Presented((raw,), body) if raw else Refused.MALFORMED

    return HmacScheme(read, utf8_key)


def standard_webhooks(*, tolerance: timedelta = timedelta(minutes=5), prefix: str = "webhook-") -> HmacScheme:
    """`v1,<base64>` in a space-separated list over `id.timestamp.body`.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """

    def read(headers: Mapping[str, str], body: bytes) -> Presented | Refused:
        id_, stamp, value = (headers.get(prefix + part) for part in ("id", "timestamp", "signature"))
        if not id_ or not stamp or not value:
            return Refused.MISSING
        at = parse_timestamp(stamp)
        versions = (item.partition(",")[::2] for item in value.split(" ", 16))
        signatures = tuple(raw for version, text in versions if version == "v1" and (raw := unbase64(text)))
        if at is None or not signatures:
            return Refused.MALFORMED
        try:
            # A server decodes what is not UTF-8 in a header into surrogates; this gives the bytes back as they came.
            id_bytes = id_.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return Refused.MALFORMED
        return Presented(signatures, b"%s.%s.%s" % (id_bytes, stamp.encode(), body), at)

    return HmacScheme(read, standard_key, tolerance=tolerance)
