"""Templates, and the words and numbers in them."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from hub.web.console.assets import Assets
from hub.web.console.curl import curl
from hub.web.console.navigation import GROUPS, Group
from hub.web.console.notices import NOTICES

# Only what we serve ourselves, and no code or style in the pages: an injected tag finds nothing that would run it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(
    CIMultiDict(
        {
            "Server": "hub",
            "Cache-Control": "no-store",
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        }
    )
)


class Renderer:
    """Makes pages of templates.

    Args:
        assets: the style sheet and the script.
        clock: now, for relative times.
        paths: of the pages there are; the navigation leads nowhere else.
    """

    headers = HEADERS

    def __init__(self, assets: Assets, clock: Callable[[], datetime], paths: Iterable[str]) -> None:
        self._clock = clock
        self._assets = assets
        self._navigation = _existing(frozenset(paths))

    @cached_property
    def _environment(self) -> Environment:
        """Made for the first page: a process that shows none need not read the templates."""
        # Auto-reload asks the disk for every template of every page; a release does not change under a process.
        environment = Environment(
            loader=PackageLoader("hub.web", "templates/console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters |= {
            "ago": ago,
            "exact": exact,
            "moment": moment,
            "number": number,
            "seconds": seconds,
            "share": share,
            "json": pretty,
            "written": written,
            "sentence": sentence,
        }
        environment.globals |= {
            "assets": self._assets,
            "curl": curl,
            "navigation": self._navigation,
            "notices": NOTICES,
            "with_query": with_query,
            "span_tabs": span_tabs,
        }
        environment.globals["ui"] = environment.get_template("ui.html").module
        return environment

    def page(self, template: str, **values: Any) -> str:
        """A template with these values, and `now`."""
        return self._environment.get_template(template).render(now=self._clock(), **values)


def _existing(paths: frozenset[str]) -> tuple[Group, ...]:
    groups = (Group(g.title, tuple(e for e in g.entries if e.path in paths)) for g in GROUPS)
    return tuple(group for group in groups if group.entries)


_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def ago(at: datetime, now: datetime) -> str:
    """A time as one says it: `just now`, `5 min ago`, `in 2 h`."""
    distance = (now - at).total_seconds()
    if abs(distance) < 1:
        return "just now"
    return f"{_rough(distance)} ago" if distance > 0 else f"in {_rounded(-distance)}"


def _rounded(distance: float) -> str:
    """To the nearest: what ends in eight hours is not said to end in seven a moment later."""
    fits = ((unit, size) for (unit, size), (_, below) in pairwise(_UNITS) if distance >= size - below / 2)
    unit, size = next(fits, _UNITS[-1])
    return f"{math.floor(distance / size + 0.5)} {unit}"


def _rough(distance: float) -> str:
    unit, size = next((u for u in _UNITS if distance >= u[1]), _UNITS[-1])
    return f"{math.floor(distance / size)} {unit}"


def exact(at: datetime) -> str:
    """A time to the millisecond, UTC, as `<time datetime>` takes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(at: datetime, now: datetime) -> str:
    """A time of which the order counts: day and time to the millisecond, UTC; with the year where it is not this one."""
    at = at.astimezone(UTC)
    day = f"{at:%d %b}" if at.year == now.astimezone(UTC).year else f"{at:%d %b %Y}"
    return f"{day} {at:%H:%M:%S}.{at.microsecond // 1000:03}"


def number(value: float) -> str:
    """With thin spaces between thousands, as tables are read most easily."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def seconds(value: float | timedelta | None) -> str:
    """A span of time in two figures or three: `340 ms`, `2.5 s`, `3 min`, `2 h`; an em dash for none."""
    if value is None:
        return "—"
    span = value.total_seconds() if isinstance(value, timedelta) else value
    if span < 1:
        return f"{span * 1000:.0f} ms"
    return f"{span:.3g} s" if span < 60 else _rough(span)


def share(value: float) -> str:
    """A part of one as a percentage: 0.125 is `12.5 %`."""
    return f"{value * 100:.3g}\N{NARROW NO-BREAK SPACE}%"


def sentence(text: str) -> str:
    """What services say in the middle of a sentence, as one of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def pretty(value: Any) -> str:
    """JSON for people; text as it is."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, str, orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()


def written(value: Any) -> str:
    """JSON on one line, text in quotes. Not Jinja's `tojson`, which writes `'`, `&` and `<` as numbers for scripts."""
    return orjson.dumps(value, str, orjson.OPT_UTC_Z).decode()


def span_tabs(visit: Any, spans: Mapping[str, str], here: str) -> list[tuple[str, str, bool, None]]:
    """How far back a page with charts can look, as tabs. What was posted is not in the address, and is not carried on."""
    path = visit.request.path.removesuffix("/probe")
    return [(title, with_query(path, {}, since=since), since == here, None) for since, title in spans.items()]


def with_query(path: str, query: Mapping[str, str] | MultiDict[str], **changes: str | int | None) -> str:
    """An address with its query changed: None takes a parameter out; a notice is never carried on."""
    kept = {name: value for name, value in query.items() if name not in changes and name != "notice"}
    kept |= {name: str(value) for name, value in changes.items() if value is not None}
    return f"{path}?{urlencode(kept)}" if kept else path
