"""What is shown of plans: the shapes of the API's answers."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub.domain.plan_rulings import Class
from hub.domain.plans import Action, Command, ItemState, PlanState


@dataclass(frozen=True, slots=True)
class PlanSettingsView:
    """How carefully a plan goes.

    Attributes:
        canary: how many jobs are released and judged before the rest; 0 for none.
        rate: jobs released in a second, at most.
        stop_above: the share of failures, 0 to 1, above which it stops by itself; 1 for never.
        max_in_flight: released jobs without an outcome, at most.
        wait_for_go: a person says go after the canary.
    """

    canary: int
    rate: float
    stop_above: float
    max_in_flight: int
    wait_for_go: bool


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """How many of a plan's jobs are where. They add up to all that its filter found.

    Attributes:
        excluded: found, and not part of it; see its verdicts.
        pending: to be released.
        skipped: not released, as they had changed since the dry run.
        released: queued or running, without an outcome yet.
        waiting: released, and waiting for a time or an event of their own.
        retrying: failed again, and trying once more by themselves: they count as failing.
        succeeded: came to what the plan wanted.
        failed: failed for good again.
        cancelled: cancelled by somebody else after they were released.
    """

    excluded: int
    pending: int
    skipped: int
    released: int
    waiting: int
    retrying: int
    succeeded: int
    failed: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class PlanVerdict:
    """Some of the jobs that a plan was made of, and what it makes of them.

    Attributes:
        kind: `safe`, `uncertain` (an effect may exist: a person with `jobs:decide` answers for it) or `ineligible`.
        verdict: more exactly.
        text: why, in words.
        included: whether they are part of the plan.
        jobs: how many they are.
        samples: some of them.
    """

    kind: Class
    verdict: str
    text: str
    included: bool
    jobs: int
    samples: list[UUID]


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: one thing to be done to many jobs.

    Attributes:
        id: a UUIDv7: ids are in the order of creation.
        action: what is done to each of its jobs.
        filter: the search that it was made of.
        state: where it is in its life.
        text: the same in words, with what keeps it.
        settings: how carefully it goes.
        include_uncertain: a person answers for the effects that may exist.
        reason: why it is done.
        created_by: who made the dry run.
        started_by: who started it.
        approved_by: who said go after, or without, the canary's judgement.
        counts: how many jobs are where.
        found: how many jobs its filter found.
        safe: how many of them nothing can happen to twice.
        uncertain: how many of them only a person can judge.
        ineligible: how many of them it cannot be done to.
        verdicts: the same more exactly, with the reasons.
        expected_seconds: how long it takes to release what is pending, if nothing gets in the way.
        failure_share: of the released jobs with an outcome, the part that failed again; null without any.
        judgement: what was found when it was judged last.
        held_up: why nothing is released right now, though it goes on.
        held_up_since: since when.
        halted_by: who has paused or aborted it, where it stands so.
        halt_reason: why, if that was said.
        commands: what a person may tell it now.
        created_at: when the dry run was made.
        started_at: when it was started.
        ended_at: when it was finished or aborted.
    """

    id: UUID
    action: Action
    filter: str
    state: PlanState
    text: str
    settings: PlanSettingsView
    include_uncertain: bool
    reason: str | None
    created_by: str
    started_by: str | None
    approved_by: str | None
    counts: PlanCounts
    found: int
    safe: int
    uncertain: int
    ineligible: int
    verdicts: list[PlanVerdict]
    expected_seconds: float
    failure_share: float | None
    judgement: str | None
    held_up: str | None
    held_up_since: datetime | None
    halted_by: str | None
    halt_reason: str | None
    commands: list[Command]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlanItemView:
    """One job of a plan, and what became of it.

    Attributes:
        position: its place in the order of the plan.
        job_id: the job.
        state: where it is.
        verdict: what the dry run made of it.
        seen: the job's state at the dry run.
        generation: the job's generation then; of a released one, the one it was released in.
        provider: whom it called last.
        note: why it was skipped, or what it failed of.
        released_at: when it was released.
        judged_at: when its first outcome was seen.
        ended_at: when its end was seen.
    """

    position: int
    job_id: UUID
    state: ItemState
    verdict: str
    seen: str
    generation: int
    provider: str | None
    note: str | None
    released_at: datetime | None
    judged_at: datetime | None
    ended_at: datetime | None
