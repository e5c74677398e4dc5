"""Business keys: what a job is about, as tags that its author derives from its arguments, such as `order:1042`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

MAX_TAG = 64  # characters
MAX_TAGS = 20
_FORMATTER = Formatter()


@dataclass(frozen=True, slots=True)
class TagTemplate:
    """`order:{metadata.order}`, read once.

    Attributes:
        prefix: the text before the value.
        path: the value's place in the arguments.
    """

    prefix: str
    path: tuple[str, ...]

    def of(self, args: Any) -> str | None:
        """The tag for these arguments; None where they say nothing there, or nothing that makes a tag."""
        value = args
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            return None
        tag = f"{self.prefix}{value}"
        return tag if len(tag) <= MAX_TAG and tag.isprintable() else None


def read_templates(templates: Iterable[str]) -> tuple[TagTemplate, ...]:
    """Templates of the form `kind:{field}` or `kind:{field.inner}`. Raises ValueError for any other."""
    return tuple(_read(template) for template in templates)


def _read(template: str) -> TagTemplate:
    parts = list(_FORMATTER.parse(template))
    if len(parts) != 1 or not parts[0][0] or not parts[0][1] or parts[0][2] or parts[0][3]:
        raise ValueError(f"{template!r} is not of the form 'order:{{number}}'")
    path = tuple(parts[0][1].split("."))
    if not all(name.isidentifier() for name in path):
        raise ValueError(f"{template!r} names no field of the arguments")
    return TagTemplate(parts[0][0], path)


def tags_of(templates: Sequence[TagTemplate], args: Any, given: Iterable[str] = ()) -> tuple[str, ...]:
    """The tags that a job was given, and those that its arguments say; each once."""
    derived = (template.of(args) for template in templates)
    return tuple(dict.fromkeys((*given, *(tag for tag in derived if tag is not None))))[:MAX_TAGS]


def retagged(tags: Sequence[str], old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """A job's tags once its arguments say other ones: the others are kept, also where there is no room for all the new."""
    gone = frozenset(old)
    return tuple(dict.fromkeys((*(tag for tag in tags if tag not in gone), *new)))[:MAX_TAGS]
