"""Faults of an HTTP simulator, ordered over its control address before they happen."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Moment = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request.

    `status` is answered instead of executing (and is not remembered for the idempotency key), with `retry_after` in
    seconds. `delay` (seconds) holds the request before it executes. `reset` and `stall` break the connection, or never
    answer, before or after the effect took place: after is the case in which a client cannot know.
    """

    status: int | None = None
    retry_after: int | None = None
    delay: float = 0.0
    reset: Moment | None = None
    stall: Moment | None = None


@dataclass(slots=True)
class Order:
    """A fault that waits for matching requests; `times` None means until it is cleared."""

    id: int
    method: str | None
    path: str
    times: int | None
    fault: Fault
    fired: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether this request is meant; a path that starts with `^` is a regular expression, else a prefix."""
        if self.times is not None and self.fired >= self.times:
            return False
        if self.method not in (None, method):
            return False
        return bool(re.search(self.path, path)) if self.path.startswith("^") else path.startswith(self.path)


class Faults:
    """The orders that stand, in the order in which they were given; the first that matches is the one that fires."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._ids = itertools.count(1)

    def add(self, document: Mapping[str, Any]) -> Order:
        """Read `{"match": {"method", "path"}, "times", "fault": {...}}`; raises ValueError for anything else."""
        match = document.get("match") or {}
        order = Order(
            id=next(self._ids),
            method=match["method"].upper() if match.get("method") else None,
            path=match.get("path") or "/",
            times=document.get("times", 1),
            fault=_fault(document.get("fault")),
        )
        re.compile(order.path)
        self._orders.append(order)
        return order

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, if any; it counts as fired."""
        for order in self._orders:
            if order.matches(method, path):
                order.fired += 1
                return order.fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Every order, those that are spent included, with how often each fired."""
        return [asdict(order) for order in self._orders]

    def clear(self) -> None:
        """Forget all orders."""
        self._orders.clear()


def _fault(document: object) -> Fault:
    if not isinstance(document, dict) or not document:
        raise ValueError('a fault is {"status"|"delay"|"reset"|"stall": ...}')
    values = dict(document)
    if values.get("stall") is True:
        values["stall"] = "before"
    for name in ("reset", "stall"):
        if values.get(name) not in (None, "before", "after"):
            raise ValueError(f'{name} is "before" or "after"')
    try:
        return Fault(**values)
    except TypeError as error:
        raise ValueError(f"unknown fault: {sorted(values)}") from error
