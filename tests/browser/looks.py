"""The ways in which people look at the console."""

from dataclasses import dataclass
from typing import Literal

import pytest

WIDE, NARROW = (1280, 900), (390, 844)  # a laptop's window and a phone, in CSS pixels


@dataclass(frozen=True, slots=True)
class Look:
    """One of them."""

    script: bool = True
    scheme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = WIDE

    def __str__(self) -> str:
        script = "script" if self.script else "plain"
        return f"{script}-{self.scheme}-{'wide' if self.size == WIDE else 'narrow'}"


# Each choice is in one of these two; every run looks in these ways, and `make browser` in all eight.
_EACH = (Look(), Look(script=False, scheme="dark", size=NARROW))
_ALL = tuple(
    Look(script, scheme, size)
    for script in (True, False)
    for scheme in ("light", "dark")
    for size in (WIDE, NARROW)
)
LOOKS = tuple(pytest.param(look, marks=() if look in _EACH else pytest.mark.long) for look in _ALL)
