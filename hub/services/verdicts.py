"""The verdicts on a job, as they are shown."""

from dataclasses import dataclass
from datetime import datetime

from hub.domain.safety import Verdict


@dataclass(frozen=True, slots=True)
class DoubtView:
    """A step that may have been done, and how to find out.

    Attributes:
        position: its place in the order of the job's code.
        name: the provider's operation.
        provider: who was called.
        sends: how many times it was sent; a call that was not made, as of a provider whose breaker is open, does not count.
        idempotency_key: the key the provider was given; look it up there.
        first_sent_at: when that key was first used.
        covered_until: until when a repeat under that key is harmless; null if it never was.
        look_up: how to find out at the provider, a sentence; null if it has not said.
        url: the page to look at; null if there is none to name.
    """

    position: int
    name: str
    provider: str | None
    sends: int
    idempotency_key: str | None
    first_sent_at: datetime | None
    covered_until: datetime | None
    look_up: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class RetryAdvice:
    """Whether a person may retry the job, and what would happen then.

    Attributes:
        allowed: its state permits it.
        safe: no effect could be done twice.
        text: why, in words.
        verdict: what decides it: `nothing_sent`; `confirmed`, done and not done again; `rejected`, asked again under a new
            key; `covered`, may exist, and a repeat is harmless until `covered_until`; `uncertain`, may exist, and a person
            looks first; `ineligible`, not to be retried.
        needs_decision: it takes the scope `jobs:decide` and a reason.
        covered_until: until when every key in question protects; null where none has to.
        doubts: what may have happened.
    """

    allowed: bool
    safe: bool
    text: str
    verdict: Verdict
    needs_decision: bool
    covered_until: datetime | None
    doubts: list[DoubtView]
