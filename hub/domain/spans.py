"""A look back: over how long, and in steps of what, so that a chart has enough points and not too many."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Grain(StrEnum):
    """How finely statistics are kept: minutes for two days, hours and days for three months."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


MINUTES_KEPT = timedelta(hours=48)
HOURS_KEPT = timedelta(days=90)

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# Up to so long: these steps, of statistics that are kept so finely.
_STEPS = (
    (timedelta(hours=1), _MINUTE, Grain.MINUTE),
    (timedelta(hours=6), 5 * _MINUTE, Grain.MINUTE),
    (timedelta(hours=12), 10 * _MINUTE, Grain.MINUTE),
    (timedelta(hours=72), _HOUR, Grain.HOUR),
    (timedelta(days=14), 6 * _HOUR, Grain.HOUR),
    (HOURS_KEPT, 24 * _HOUR, Grain.DAY),
)
_SINCE = re.compile(r"([1-9]\d{0,4})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_since(text: str) -> timedelta:
    """`90m`, `24h` or `7d`; raises ValueError for anything else, and for what is longer than statistics are kept."""
    found = _SINCE.fullmatch(text)
    if found is None:
        raise ValueError("must be a number of minutes, hours or days, as 90m, 24h or 7d")
    since = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if since > HOURS_KEPT:
        raise ValueError(f"must be {HOURS_KEPT.days}d at most: statistics are kept for so long")
    return since


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` up to, and without, `end`, in steps."""

    start: datetime
    end: datetime
    step: timedelta
    grain: Grain

    @classmethod
    def back(cls, since: timedelta, now: datetime) -> "Span":
        """The last so long, its steps beginning at round times; the last one holds now."""
        step, grain = next((step, grain) for most, step, grain in _STEPS if since <= most)
        end = floor(now, step) + step
        return cls(end - max(step, -(-since // step) * step), end, step, grain)

    @property
    def moments(self) -> list[datetime]:
        """When each step begins."""
        return [self.start + at * self.step for at in range((self.end - self.start) // self.step)]


def floor(at: datetime, step: timedelta) -> datetime:
    """The last round time up to then: steps are counted from 1970 in UTC, as PostgreSQL's date_bin is told to."""
    return at - (at - _EPOCH) % step
