"""The form that a plan is made of, as it was typed, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.domain.errors import Invalid, Problem
from hub.domain.plans import Action, Settings
from hub.services.plans import PlanRequest

_DEFAULTS = Settings()
_FILLED: Mapping[str, str] = {
    "action": Action.RETRY.value,
    "canary": f"{_DEFAULTS.canary}",
    "rate": f"{_DEFAULTS.rate:g}",
    "stop_above": f"{_DEFAULTS.stop_above * 100:g}",
    "max_in_flight": f"{_DEFAULTS.max_in_flight}",
}
FIELDS = (
    "q",
    "action",
    "canary",
    "rate",
    "stop_above",
    "max_in_flight",
    "wait_for_go",
    "include_uncertain",
    "reason",
)
MOST = 8_000


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What was typed; a part that was not is filled in.

    Attributes:
        typed: by the field's name.
        problems: what is wrong with a field, by its name.
        trouble: what is wrong with the whole.
    """

    typed: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    trouble: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "PlanForm":
        """From a query or a posted form."""
        typed = {name: given.get(name, "").strip()[:MOST] for name in FIELDS}
        return cls({name: text or _FILLED.get(name, "") for name, text in typed.items()})

    def request(self) -> PlanRequest:
        """What it asks for. Raises Invalid with a pointer per field, as the service does."""
        typed = self.typed
        if typed["action"] not in list(Action):
            raise _not_a("action", "one of " + ", ".join(Action))
        settings = Settings(
            canary=self._whole("canary"),
            rate=self._number("rate"),
            stop_above=self._number("stop_above") / 100,
            max_in_flight=self._whole("max_in_flight"),
            wait_for_go=bool(typed["wait_for_go"]),
        )
        return PlanRequest(
            Action(typed["action"]),
            typed["q"],
            settings,
            include_uncertain=bool(typed["include_uncertain"]),
            reason=typed["reason"] or None,
        )

    def _whole(self, name: str) -> int:
        try:
            return int(self.typed[name])
        except ValueError:
            raise _not_a(name, "a whole number") from None

    def _number(self, name: str) -> float:
        try:
            return float(self.typed[name])
        except ValueError:
            raise _not_a(name, "a number") from None

    def refused(self, error: Exception, problems: tuple[Problem, ...]) -> "PlanForm":
        """The same, with what is wrong beside it."""
        told = {
            problem.pointer.removeprefix("/").replace("filter", "q"): problem.message for problem in problems
        }
        known = {name: text for name, text in told.items() if name in FIELDS}
        return PlanForm(self.typed, known, None if known else str(error))


def _not_a(name: str, what: str) -> Invalid:
    return Invalid("the form does not fit", problems=(Problem(f"/{name}", f"must be {what}"),))
