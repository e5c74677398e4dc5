"""Reading settings out of a mapping of environment variables, noting all that is wrong instead of stopping at the first.

Each setting is named once, where it is read; that same reading writes the reference table.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from hub.domain.redaction import Secret

PREFIX = "HUB_"
T = TypeVar("T")
W = TypeVar("W", bound=str)

# Kubernetes writes these for every Service whose name begins with `hub`: they are nobody's typing errors.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(
    r"HUB_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)"
)
_SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://[\w.:\[\]-]+")


def variable(*parts: str) -> str:
    """The name of a variable: `HUB_`, and the parts in upper case with `-` as `_`."""
    return PREFIX + "_".join(parts).upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the reference table.

    Attributes:
        name: the variable; a secret may instead be given as a file named by `<name>_FILE`.
        default: what holds without it, in words where it is not a value.
    """

    name: str
    default: str
    what: str
    secret: bool


@dataclass(slots=True)
class Environment:
    """A mapping being read; `problems` and `settings` grow with every reading."""

    variables: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)

    def setting(self, name: str, default: str, what: str, *, secret: bool = False) -> str | None:
        """The text of a variable, None if it is not set (or wrong, which is then noted)."""
        if any(known.name == name for known in self.settings):
            self.problems.append(
                f"{name} would stand for two things: rename the provider or source that brought it"
            )
        self.settings.append(Setting(name, default, what, secret))
        text = self._from_file_or_variable(name) if secret else self.variables.get(name)
        if text == "":
            self.problems.append(f"{name} is empty: give it a value, or unset it")
            return None
        return text

    def parsed(self, name: str, default: T, what: str, parse: Callable[[str], T], *, shown: str = "") -> T:
        """A value that `parse` makes of the text; a ValueError of it says what is expected."""
        text = self.setting(name, shown or str(default), what)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as problem:
            self.problems.append(f"{name}={_shown(text)}: {problem}{_hint(name, text)}")
            return default

    def text(self, name: str, default: str, what: str) -> str:
        """One line of text."""
        return self.parsed(name, default, what, _line)

    def integer(self, name: str, default: int, what: str, *, low: int, high: int) -> int:
        """A whole number within bounds."""
        return self.parsed(name, default, what, lambda text: _integer(text, low, high))

    def number(self, name: str, default: float, what: str, *, low: float, high: float) -> float:
        """A number within bounds."""
        return self.parsed(name, default, what, lambda text: _number(text, low, high))

    def seconds(self, name: str, default: float, what: str, *, low: float, high: float) -> timedelta:
        """A length of time, written in seconds."""
        return timedelta(seconds=self.number(name, default, f"{what}, in seconds", low=low, high=high))

    def choice(self, name: str, default: W, what: str, choices: tuple[W, ...]) -> W:
        """One of a few words, in any case."""
        return self.parsed(
            name, default, f"{what}: {', '.join(choices)}", lambda text: _choice(text, choices)
        )

    def secret(
        self, name: str, what: str, *, default: str = "none", check: Callable[[str], None] | None = None
    ) -> Secret | None:
        """A value that is never shown; `check` raises a ValueError that does not show it either."""
        text = self.setting(name, default, what, secret=True)
        if text is None:
            return None
        try:
            _line(text)
            if check is not None:
                check(text)
        except ValueError as problem:
            self.problems.append(f"{name}: {problem}")
            return None
        return Secret(text)

    def is_given(self, name: str) -> bool:
        """Whether a variable is there, itself or as a file."""
        return name in self.variables or f"{name}_FILE" in self.variables

    def unknown(self) -> Iterator[str]:
        """A sentence for every variable of our prefix that nothing has read.

        They are told and not refused: the next release may know them, and so may whatever else shares the environment.
        """
        known = {setting.name for setting in self.settings}
        known |= {f"{setting.name}_FILE" for setting in self.settings if setting.secret}
        for name in sorted(self.variables):
            if not name.startswith(PREFIX) or name in known or self._is_service_link(name):
                continue
            near = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
            hint = f"did you mean {near[0]}?" if near else "unset it; the reference lists what there is"
            yield f"{name} is not a setting and has no effect: {hint}"

    def _is_service_link(self, name: str) -> bool:
        return bool(
            _SERVICE_LINK.fullmatch(name)
            or (name.endswith("_PORT") and _SERVICE_ADDRESS.fullmatch(self.variables[name]))
        )

    def _from_file_or_variable(self, name: str) -> str | None:
        path = self.variables.get(f"{name}_FILE")
        if path is None:
            return self.variables.get(name)
        if name in self.variables:
            self.problems.append(f"{name} and {name}_FILE are both set: unset one of them")
            return None
        return self._file(f"{name}_FILE", path)

    def _file(self, variable: str, path: str) -> str | None:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            self.problems.append(f"{variable}={path}: cannot be read ({error.strerror})")
            return None
        except ValueError:
            self.problems.append(f"{variable}={path}: is not UTF-8 text")
            return None
        return text.removesuffix("\n").removesuffix("\r")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _hint(name: str, text: str) -> str:
    if name == "HUB_PORT" and _SERVICE_ADDRESS.fullmatch(text):
        return " (Kubernetes wrote this one, for a Service named hub: set enableServiceLinks to false in the pod)"
    return ""


def _line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line, with no blanks around it and no control characters in it")
    return text


def _integer(text: str, low: int, high: int) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    if value is None or not low <= value <= high:
        raise ValueError(f"must be a whole number from {low:,} to {high:,}")
    return value


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:  # NaN is not either
        raise ValueError(f"must be a number from {low:,g} to {high:,g}")
    return value


def _choice(text: str, choices: tuple[W, ...]) -> W:
    for choice in choices:
        if choice == text.lower():
            return choice
    raise ValueError(f"must be one of {', '.join(choices)}")
