"""When people are told of something by themselves, how often, and in what words.

An alert is one episode: it is raised once, however often it is seen; people are told once, reminded now and then while it
lasts, and told when it passes by itself. What comes at about the same time is told in one message.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType


class AlertKind(StrEnum):
    """What there is to tell."""

    NEW_ERROR = "new_error"  # jobs fail for good of a cause that was not seen before
    ERROR_CAME_BACK = "error_came_back"  # of one that a person had resolved
    UNCERTAIN_PAYMENT = "uncertain_payment"  # money may have moved, and only a person can find out
    BREAKER_OPEN = "breaker_open"  # a provider is not called
    WORK_WAITS = "work_waits"  # due jobs of a queue wait for longer and longer


# These pass by themselves; the others end by what a person does, who need not be told.
PASSING = frozenset({AlertKind.BREAKER_OPEN, AlertKind.WORK_WAITS})

CALM = timedelta(minutes=1)
"""For how long it must not have been seen before it is over: a breaker that opens and closes is one episode."""

GATHER = timedelta(seconds=10)
"""How long a message waits for what comes at about the same time."""

GAP = timedelta(minutes=1)
"""Between two messages: what is raised meanwhile is told together."""

MOST_ITEMS = 10
"""Of one message; of the rest it says how many there are."""


@dataclass(frozen=True, slots=True)
class AlertRules:
    """What is watched, and how insistently; a time of nought switches it off.

    Attributes:
        oldest_due: alert when due work of a queue has waited for longer, and waits longer still.
        remind: tell again of what lasts, so often.
    """

    oldest_due: timedelta = timedelta(minutes=5)
    remind: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is to be an alert, or is one already.

    Attributes:
        subject: what it is about: a cause's signature, a job's id, a provider, a queue.
        key: equal for findings of one episode.
        title: one line.
        detail: one sentence more; holds no secret.
        path: of the console's page about it.
    """

    kind: AlertKind
    subject: str
    key: str
    title: str
    detail: str
    path: str


class Standing(StrEnum):
    """Why an alert is in a message."""

    NEW = "new"
    STILL = "still"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as a message tells it."""

    kind: AlertKind
    standing: Standing
    title: str
    detail: str
    path: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to every channel.

    Attributes:
        title: one line, which says it all where there is one thing to tell.
        items: what there is to tell, the most urgent first.
        more: how many are left out.
    """

    title: str
    items: tuple[Told, ...]
    more: int = 0


def is_growing(before: Mapping[str, float], now: Mapping[str, float], longest: timedelta) -> list[str]:
    """The queues whose oldest due job has waited for longer than this, and no less than when somebody looked before.

    Args:
        before: seconds by queue, as they were a while ago.
        now: the same now.
        longest: how long is well.
    """
    limit = longest.total_seconds()
    return sorted(
        queue
        for queue, seconds in now.items()
        if limit and seconds > limit and seconds >= before.get(queue, float("inf"))
    )


def is_time(now: datetime, oldest: datetime | None, last: datetime | None) -> bool:
    """Whether a message is due: `oldest` is when the first untold thing happened, `last` when the last message went."""
    if oldest is None or now - oldest < GATHER:
        return False
    return last is None or now - last >= GAP


_URGENCY = tuple(AlertKind.__members__.values())
_MANY: Mapping[AlertKind, str] = MappingProxyType(
    {
        AlertKind.NEW_ERROR: "new causes of failure",
        AlertKind.ERROR_CAME_BACK: "resolved causes of failure are back",
        AlertKind.UNCERTAIN_PAYMENT: "payments are uncertain",
        AlertKind.BREAKER_OPEN: "providers are not called",
        AlertKind.WORK_WAITS: "queues do not keep up",
    }
)


_OVER: Mapping[AlertKind, str] = MappingProxyType(
    {
        AlertKind.BREAKER_OPEN: "it is called again, and the jobs that waited for it go on",
        AlertKind.WORK_WAITS: "no due job waits for that long any more",
    }
)


def compose(told: Sequence[Told]) -> Message:
    """One message of all that there is to tell: what is new before what lasts, and that before what is over."""
    ordered = sorted(
        map(_now, told), key=lambda one: (list(Standing).index(one.standing), _URGENCY.index(one.kind))
    )
    return Message(_headline(ordered), tuple(ordered[:MOST_ITEMS]), max(0, len(ordered) - MOST_ITEMS))


def _now(one: Told) -> Told:
    """With the detail as it is now: what was found when it was raised does not hold of what is over."""
    return replace(one, detail=_OVER.get(one.kind, "")) if one.standing is Standing.OVER else one


def _headline(told: Sequence[Told]) -> str:
    parts = [
        part for standing in Standing if (part := _part([one for one in told if one.standing is standing]))
    ]
    return "; ".join(parts)


def _part(told: Sequence[Told]) -> str:
    if not told:
        return ""
    prefix = {Standing.NEW: "", Standing.STILL: "still: ", Standing.OVER: "over: "}[told[0].standing]
    by_kind = {kind: [one for one in told if one.kind is kind] for kind in _URGENCY}
    said = [
        some[0].title if len(some) == 1 else f"{len(some)} {_MANY[kind]}"
        for kind, some in by_kind.items()
        if some
    ]
    return prefix + ", ".join(said)
