"""Hashing passwords with argon2id (RFC 9106), away from the event loop and a few at a time.

One hash takes tens of milliseconds of a processor and 64 MiB: as many at once as somebody cares to ask for would end
the process, so what does not fit is refused.
"""

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_bytes
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hub.domain.errors import Unavailable
from hub.domain.operators import password_of

T = TypeVar("T")
_SALT, _DIGEST = 16, 32


@dataclass(frozen=True, slots=True)
class Cost:
    """What a guess costs: RFC 9106's second recommendation. `memory` in KiB."""

    passes: int = 3
    memory: int = 64 * 1024
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether a password was right; `renewed` is its hash at today's cost, where the stored one is of another."""

    right: bool
    renewed: str | None = None


class Passwords:
    """Makes and verifies hashes.

    Args:
        cost: of one.
        threads: how many at once.
        waiting: how many more may wait for their turn, of strangers and of those who are known each: no number of the
            former keeps the latter out.
    """

    def __init__(self, cost: Cost = Cost(), *, threads: int = 2, waiting: int = 20) -> None:
        self._cost = cost
        self._hasher = PasswordHasher(cost.passes, cost.memory, cost.lanes, _DIGEST, _SALT)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._room = dict.fromkeys((False, True), threads + waiting)
        self._nobodys = self._of_nobody()

    async def hash(self, password: str) -> str:
        """The hash of a new password. Raises Unavailable."""
        return await self._run(lambda: self._hasher.hash(password_of(password)), known=True)

    async def verify(self, stored: str | None, password: str, *, known: bool) -> Verified:
        """Judge a password; it takes the same time where none is stored.

        Args:
            stored: the hash of the right one, if there is any.
            password: as it was typed.
            known: with a browser that its owner has logged in with.

        Raises Unavailable.
        """
        return await self._run(lambda: self._verify(stored, password_of(password)), known=known)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, stored: str | None, password: str) -> Verified:
        try:
            self._hasher.verify(stored or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return Verified(right=False)
        if stored is None:
            return Verified(right=False)
        renews = self._hasher.check_needs_rehash(stored)
        return Verified(right=True, renewed=self._hasher.hash(password) if renews else None)

    async def _run(self, work: Callable[[], T], *, known: bool) -> T:
        if self._room[known] <= 0:
            raise Unavailable("too many are logging in at once", timedelta(seconds=2))
        self._room[known] -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._room[known] += 1

    def _of_nobody(self) -> str:
        """What the password of somebody who is not there is compared with: random, so that none is right."""
        parameters = f"m={self._cost.memory},t={self._cost.passes},p={self._cost.lanes}"
        return f"$argon2id$v=19${parameters}${_encoded(token_bytes(_SALT))}${_encoded(token_bytes(_DIGEST))}"


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
