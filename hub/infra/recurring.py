"""Troubles that repeat themselves many times a second, told in few lines: when they begin, now and then, when they end."""

import time
from collections.abc import Callable
from typing import Any

from structlog.typing import FilteringBoundLogger

_AGAIN = 60.0
_GAP = 5.0


class Recurring:
    """One kind of trouble, as one loop or one server meets it.

    Args:
        log: where it is told.
        event: what is told while it lasts.
        ended: what is told when it is over.
        again: after how many seconds it is told again while nothing about it has changed.
        gap: the fewest seconds between two lines, however often it changes or comes and goes.
        clock: steady seconds.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        event: str,
        *,
        ended: str = "",
        again: float = _AGAIN,
        gap: float = _GAP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._event = event
        self._ended = ended
        self._again = again
        self._gap = gap
        self._clock = clock
        self._began: float | None = None
        self._told_at = float("-inf")
        self._told = ""
        self._untold = 0

    def note(self, what: str, **about: Any) -> None:
        """It happened (again); `what` says how, `about` belongs to this time only."""
        now = self._clock()
        if self._began is None:
            self._began = now
        self._untold += 1
        changed = what != self._told
        if now - self._told_at < (self._gap if changed else self._again):
            return
        if self._untold > 1:
            about["times"] = self._untold
        self._log.warning(self._event, error=what, **about)
        self._told_at, self._told, self._untold = now, what, 0

    def over(self) -> None:
        """It did not happen this time. Costs nothing while all is well."""
        if self._began is None:
            return
        if self._told:
            seconds = round(self._clock() - self._began, 1)
            self._log.info(self._ended, after_seconds=seconds)
        self._began, self._told = None, ""
