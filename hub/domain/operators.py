"""Operators, the people who work with the hub: their names, their passwords, and how guessing is slowed down."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from hub.domain.access import Role
from hub.domain.errors import Problem

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024
_MAX_NAME = 100
# RFC 5321, 4.5.3.1.3, less the brackets.
_MAX_EMAIL = 254
_EMAIL = re.compile(r"[^\s@<>\"(),;:\\]+@[^\s@<>\"(),;:\\]+")


def email_of(text: str) -> str:
    """An e-mail address as it is stored and compared: trimmed, in small letters, in one Unicode form."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def misfits(email: str, name: str) -> tuple[Problem, ...]:
    """What is wrong with a new operator's address (as `email_of` gives it) and name."""
    problems = []
    if not (_EMAIL.fullmatch(email) and email.isprintable() and len(email) <= _MAX_EMAIL):
        problems.append(Problem("/email", "must be an e-mail address, such as ada@example.com"))
    if not (0 < len(name) <= _MAX_NAME and name.isprintable() and name == name.strip()):
        problems.append(
            Problem("/name", f"must be 1 to {_MAX_NAME} printable characters, no blanks around them")
        )
    return tuple(problems)


def password_of(text: str) -> str:
    """A password as it is hashed: the same characters, however a keyboard composed them (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", text)


def weaknesses(password: str, *, email: str) -> tuple[Problem, ...]:
    """What is wrong with a new password. Length is what counts: no rule asks for kinds of characters."""
    password = password_of(password)
    if len(password) < SHORTEST_PASSWORD:
        return (Problem("/password", f"must have at least {SHORTEST_PASSWORD} characters"),)
    if len(password) > LONGEST_PASSWORD:
        return (Problem("/password", f"must have at most {LONGEST_PASSWORD:,} characters"),)
    if email_of(password) == email:
        return (Problem("/password", "must not be the e-mail address"),)
    if len(set(password)) == 1:
        return (Problem("/password", "must not be one character over and over"),)
    return ()


@dataclass(frozen=True, slots=True)
class LockOut:
    """How long an account is closed after wrong passwords: not at first, then doubling, never for good.

    For good would let anybody lock an operator out who knows the address. Browsers that they have logged in with have a count
    of their own, each, and a one-time link gets in at any time.

    Attributes:
        free: wrong passwords before the first delay.
        first: the delay after the last of them.
        longest: the bound.
    """

    free: int = 5
    first: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)

    def delay(self, wrong: int) -> timedelta:
        """How long nothing is tried after the given number of wrong passwords in a row."""
        if wrong < self.free:
            return timedelta(0)
        # The exponent is bounded, so that no count overflows.
        return min(self.first * (1 << min(wrong - self.free, 32)), self.longest)

    def delays(self) -> tuple[timedelta, ...]:
        """The delay after the first, second, third … wrong password; the last holds for all that follow."""
        delays = [self.delay(1)]
        while delays[-1] < self.longest:
            delays.append(self.delay(len(delays) + 1))
        return tuple(delays)


_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


def role_among(groups: Iterable[str], roles: Mapping[str, Role]) -> Role | None:
    """The highest role that somebody's groups give; None if none gives any, which lets nobody in."""
    return max((roles[group] for group in groups if group in roles), key=_RANK.__getitem__, default=None)


def client_network(address: str) -> str:
    """Whose address it is, as far as limits go: an IPv6 client has a whole /64 (RFC 6177) to choose from."""
    try:
        client = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(client, ipaddress.IPv6Address):
        if client.ipv4_mapped is not None:
            return str(client.ipv4_mapped)
        return str(ipaddress.ip_network((client, 64), strict=False))
    return str(client)
