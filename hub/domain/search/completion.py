"""What could come next in the search box."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from hub.domain.search.fields import JOBS, Field, Kind, Language

MOST = 12
_TIMES = ("15m", "1h", "6h", "1d", "7d")
_NUMBERS = (">0", ">3")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The values that a hub knows, by field; none for fields whose values are not few."""

    values: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, one: Field) -> Sequence[str]:
        """The values that a field can be expected to take."""
        if one.kind is Kind.CHOICE:
            return one.choices
        if one.kind is Kind.TIME:
            return _TIMES
        if one.kind is Kind.NUMBER:
            return _NUMBERS
        return self.values.get(one.name, ())


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way to go on.

    Attributes:
        start: from where it replaces the text, in characters from 0.
        end: up to where; the cursor.
        text: what to put there.
        about: what it means, for people; empty where it speaks for itself.
    """

    start: int
    end: int
    text: str
    about: str = ""


def complete(
    text: str, cursor: int, vocabulary: Vocabulary, language: Language = JOBS
) -> tuple[Suggestion, ...]:
    """How the word at the cursor could be completed: fields first, values after a colon. At most MOST, best first.

    Args:
        text: the search as it is so far; it need not make sense yet.
        cursor: where the next character goes, from 0; beyond the end is the end.
        vocabulary: what this hub has.
        language: what is searched.
    """
    cursor = min(max(cursor, 0), len(text))
    word = text[:cursor]
    word = word[_start_of_word(word) :]
    start = cursor - len(word)
    if word.startswith("-"):
        word, start = word[1:], start + 1
    name, colon, rest = word.partition(":")
    if not colon:
        return _fields(start, cursor, name.lower(), language)
    one = language.find(name)
    if one is None:
        return ()
    begun = rest.rpartition(",")[2]
    return _values(cursor - len(begun), cursor, begun, one, vocabulary, taken=rest.split(",")[:-1])


def _start_of_word(text: str) -> int:
    """Where the last word begins; blanks within quotes do not end one."""
    start, quoted = 0, False
    for at, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character.isspace() and not quoted:
            start = at + 1
    return start


def _fields(start: int, end: int, begun: str, language: Language) -> tuple[Suggestion, ...]:
    found = [
        one for one in language.fields if any(name.startswith(begun) for name in (one.name, *one.aliases))
    ]
    return tuple(Suggestion(start, end, f"{one.name}:", one.about) for one in found[:MOST])


def _values(
    start: int, end: int, begun: str, one: Field, vocabulary: Vocabulary, *, taken: Sequence[str]
) -> tuple[Suggestion, ...]:
    wanted = begun.lower().removeprefix('"')
    known = [value for value in vocabulary.of(one) if value not in taken]
    first = [value for value in known if value.lower().startswith(wanted)]
    then = [value for value in known if wanted in value.lower() and value not in first]
    return tuple(Suggestion(start, end, _written(value)) for value in (first + then)[:MOST])


def _written(value: str) -> str:
    if re.fullmatch(r"[^\s\",*]+", value):
        return value
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
