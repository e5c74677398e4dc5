"""What must never be written down: secrets by the name of their field, by their look, and by being known.

One set of rules for logs, error reports and anything else that leaves the process for people to read.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

REDACTED = "[redacted]"
MAX_TEXT = 16_384
MAX_DEPTH = 8
MAX_ITEMS = 200
# Shorter ones are not searched for: "test" as a password would blot out half of every text.
MIN_KNOWN = 6


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that no repr, log or traceback shows. `reveal` is the only way to it, and easy to search for."""

    _value: str

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    __str__ = __repr__


_NAMES = (
    r"authori[sz]ation|secret|passw(?:or)?d|passphrase|token|api[_-]?key|signature|cookie|credential"
    r"|private[_-]?key|(?<![a-z])(?:dsn|cvc|cvv|pan)(?![a-z])|card[_-]?number|session[_-]?(?:id|key)"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)

Replacement = str | Callable[["re.Match[str]"], str]


def _card(found: "re.Match[str]") -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    # Luhn, ISO/IEC 7812-1 annex B: keeps order numbers and times readable.
    total = sum(
        sum(divmod(digit * 2, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))
    )
    return REDACTED if total % 10 == 0 else found[0]


# (what must stand in the lower-cased text for the pattern to be worth a try, the pattern, what stands there instead).
# The hints make a harmless line cost a microsecond. Every quantifier is bounded or cannot backtrack.
_LOOKS: tuple[tuple[tuple[str, ...], "re.Pattern[str]", Replacement], ...] = (
    (("_live_", "_test_"), re.compile(r"\b([srp]k_(?:live|test)_)[A-Za-z0-9]{6,}"), rf"\1{REDACTED}"),
    (("whsec_",), re.compile(r"(whsec_)[A-Za-z0-9+/=_-]{6,}"), rf"\1{REDACTED}"),
    (("hub_",), re.compile(r"(hub_[0-9a-f]{32}_)[A-Za-z0-9_-]{8,}"), rf"\1{REDACTED}"),
    (("sg.",), re.compile(r"\b(SG\.)[\w-]{12,}\.[\w-]{12,}"), rf"\1{REDACTED}"),
    (("gho_", "ghp_", "ghs_", "ghu_", "github_pat_"),
     re.compile(r"\b(gh[opsu]_|github_pat_)\w{16,}"), rf"\1{REDACTED}"),
    (("xox",), re.compile(r"\b(xox[abeprs]-)[\w-]{10,}"), rf"\1{REDACTED}"),
    (("eyj",), re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), REDACTED),
    (("bearer ", "basic "),
     re.compile(r"\b(bearer|basic) +(?!auth|token)[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE), rf"\1 {REDACTED}"),
    (("://",), re.compile(r"(://)[^\s/@:]{0,256}:[^\s@]{1,256}@"), rf"\1{REDACTED}@"),
    (("=", ":"),
     re.compile(rf"((?:{_NAMES})[\w-]{{0,20}}[\"']?\s{{0,4}}[=:]\s{{0,4}}[\"']?)[^\s\"'&;]{{3,}}", re.IGNORECASE),
     rf"\1{REDACTED}"),
)  # fmt: skip
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ -]?[0-9]){12,18}(?![\w-])")
_PLAIN = (bool, float, date, timedelta, UUID)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name is never written down."""
    return _SECRET_NAME.search(name) is not None


@dataclass(frozen=True, slots=True)
class Redactor:
    """The rules, together with the secrets this process was configured with.

    Attributes:
        known: values that are blotted out wherever they stand, longest first.
    """

    known: tuple[str, ...] = ()

    @classmethod
    def knowing(cls, secrets: Iterable[str]) -> "Redactor":
        """A redactor that also knows these secrets; very short ones are left out."""
        return cls(tuple(sorted({s for s in secrets if len(s) >= MIN_KNOWN}, key=len, reverse=True)))

    def text(self, text: str) -> str:
        """A text without secrets, cut where it is longer than MAX_TEXT."""
        if len(text) <= 8 and not self.known:
            return text
        cut = len(text) > MAX_TEXT
        text = self._without_secrets(text[:MAX_TEXT])
        # The cut may have gone through a secret and left a piece that looks like none.
        return text[:-256] + "… [cut]" if cut else text

    def _without_secrets(self, text: str) -> str:
        for secret in self.known:
            if secret in text:
                text = text.replace(secret, REDACTED)
        lower = text.lower()
        for hints, pattern, replacement in _LOOKS:
            for hint in hints:
                if hint in lower:
                    text = pattern.sub(replacement, text)
                    break
        return _CARD.sub(_card, text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """Any value without secrets, made of plain data: what is not becomes its text, bytes become their length."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, depth)
        return self._single(value)

    def _single(self, value: Any) -> Any:
        if value is None or isinstance(value, _PLAIN):
            return value
        if isinstance(value, int):
            return value if abs(value) < 10**12 or self.text(str(value)) == str(value) else REDACTED
        if isinstance(value, bytes | bytearray | memoryview):
            return f"<{len(value)} bytes>"
        return self.text(_text_of(value))

    def mapping(self, fields: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """A mapping without secrets: by the names of its fields, then by their values."""
        if depth >= MAX_DEPTH:
            return {"…": "too deep"}
        clean: dict[str, Any] = {}
        for name, value in fields.items():
            if len(clean) >= MAX_ITEMS:
                clean["…"] = f"{len(fields) - MAX_ITEMS} more"
                break
            key = name if isinstance(name, str) else _text_of(name)
            # Hardly a secret is as short as the name of a field.
            clean[self.text(key) if len(key) > 12 else key] = (
                REDACTED if is_secret_name(key) else self.value(value, depth + 1)
            )
        return clean

    def _items(self, items: Iterable[Any], depth: int) -> list[Any]:
        if depth >= MAX_DEPTH:
            return ["too deep"]
        values = list(items)
        clean = [self.value(value, depth + 1) for value in values[:MAX_ITEMS]]
        return [*clean, f"{len(values) - MAX_ITEMS} more"] if len(values) > MAX_ITEMS else clean


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - what cannot be written down must not stop the line that mentions it
        return f"<{type(value).__name__}>"
