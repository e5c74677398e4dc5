"""What a hub takes from the world around it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from secrets import token_urlsafe
from uuid import UUID

import httpx
import uuid_utils.compat as uuids
from aiohttp.abc import AbstractResolver

from hub.infra.passwords import Cost


def _new_secret() -> str:
    return token_urlsafe(32)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a hub takes from the world around it; tests bring their own.

    Attributes:
        clock: the time signatures are judged by, and differences are measured from.
        new_id: makes UUIDv7s.
        new_secret: makes 32 random bytes in URL-safe base64.
        rng: jitter.
        transport: sends all HTTP instead of real connections.
        resolver: looks names up for the sender.
        password_cost: of hashing a password.
        steady: seconds that only go forwards, for limits.
    """

    clock: Callable[[], datetime] = _utc_now
    new_id: Callable[[], UUID] = uuids.uuid7
    new_secret: Callable[[], str] = _new_secret
    rng: Random = field(default_factory=Random)
    transport: httpx.AsyncBaseTransport | None = None
    resolver: AbstractResolver | None = None
    password_cost: Cost = Cost()  # noqa: RUF009 - frozen
    steady: Callable[[], float] = time.monotonic
