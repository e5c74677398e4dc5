"""Who somebody is by what an identity provider says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MAX_SUBJECT = 255  # OpenID Connect Core, 2


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the identity provider vouches for.

    Attributes:
        subject: who they are there, for good.
        email: only if the provider has verified it: anybody can claim any address.
        groups: what the configured claim lists.
    """

    subject: str
    email: str | None
    name: str
    groups: frozenset[str]


def person_of(claims: Mapping[str, Any], groups_claim: str) -> Person | None:
    """Read the claims of a token that was shown to be good; None if they name nobody."""
    subject = claims.get("sub")
    if not (isinstance(subject, str) and 0 < len(subject) <= _MAX_SUBJECT and "\0" not in subject):
        return None
    email = claims.get("email")
    # As a boolean, or as the text that some providers send.
    verified = claims.get("email_verified")
    address = (
        email
        if (verified is True or verified == "true") and isinstance(email, str) and "\0" not in email
        else None
    )
    name = claims.get("name")
    called = name if isinstance(name, str) and name.strip() else (address or subject)
    printable = "".join(character for character in called if character.isprintable()).strip()
    return Person(subject, address, printable[:100].strip() or "nameless", _groups(claims.get(groups_claim)))


def _groups(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    if isinstance(value, list):
        return frozenset(item for item in value if isinstance(item, str))
    return frozenset()
