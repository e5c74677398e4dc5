"""What is shown of error groups: the shapes of the API's answers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.domain.inbox import GroupAction, GroupState


@dataclass(frozen=True, slots=True)
class ChangeView:
    """The latest change of a group's state.

    Attributes:
        at: when.
        by: who; `hub` for a group that has opened again by itself.
        reason: why, if it was said.
    """

    at: datetime
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class ErrorGroupView:
    """Failures of one cause.

    Attributes:
        signature: its name; jobs can be listed by it.
        job: the name of the job that fails.
        step: where in the job; null for between steps.
        provider: whose call failed; null for none.
        operation: which call; null for none.
        kind: the error's class.
        code: for machines, such as `card_declined` or `timeout`.
        message: for people, without ids, numbers and times.
        state: `open`, `acknowledged`, `resolved` (opens again by itself when a job fails of it for good) or `ignored`.
        actions: what a person may do with it as it stands.
        failed_jobs: jobs that stand failed of it at present, counted up to 10,000.
        bounded: counting stopped there, and there may be more.
        failed_attempts: attempts that have failed of it, ever.
        failed_for_good: how many of these a job failed of for good, ever; the rest was tried again.
        trend: failed attempts in each of the last 24 hours, the oldest first; the last is the hour under way.
        first_seen_at: when it first happened.
        last_seen_at: when it last happened.
        first_release: the release of the worker that it first happened to.
        last_release: the release of the worker that it last happened to.
        example_id: the latest job that failed of it.
        reopened: how often it came back after it was resolved.
        change: the latest change of its state, null if it is still as it began.
    """

    signature: str
    job: str
    step: str | None
    provider: str | None
    operation: str | None
    kind: str
    code: str
    message: str
    state: GroupState
    actions: list[GroupAction]
    failed_jobs: int
    bounded: bool
    failed_attempts: int
    failed_for_good: int
    trend: list[int]
    first_seen_at: datetime
    last_seen_at: datetime
    first_release: str | None
    last_release: str | None
    example_id: UUID
    reopened: int
    change: ChangeView | None


@dataclass(frozen=True, slots=True)
class HourView:
    """What happened in one hour.

    Attributes:
        hour: when it begins.
        failed_attempts: attempts that failed in it.
        failed_for_good: how many of these a job failed of for good.
    """

    hour: datetime
    failed_attempts: int
    failed_for_good: int


@dataclass(frozen=True, slots=True)
class ErrorGroupDetail(ErrorGroupView):
    """Failures of one cause with more that is known of them.

    Attributes:
        hours: the last 48 hours, the oldest first; the last one is under way.
        jobs: how the latest jobs whose latest error this is stand now, by state, about 1,000 of them.
        jobs_bounded: there are more than these.
        example_message: the error of the example in full; null if that job is gone or has gone on.
    """

    hours: list[HourView]
    jobs: dict[str, int]
    jobs_bounded: bool
    example_message: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many groups there are in each state, of which a job has failed for good; and those that retries cured so far."""

    open: int
    acknowledged: int
    resolved: int
    ignored: int
    cured: int
