"""Plans as they are shown, made of what is stored."""

from dataclasses import asdict
from uuid import UUID

from hub.domain.plan_rulings import Class
from hub.domain.plans import Counts, PlanState, commands_of, expected
from hub.domain.wording import counted
from hub.infra.store.plans import ItemRecord, PlanRecord
from hub.services.plan_views import PlanCounts, PlanItemView, PlanSettingsView, PlanVerdict, PlanView


def plan_view(plan: PlanRecord) -> PlanView:
    """A plan."""
    verdicts = [
        PlanVerdict(
            Class(one["kind"]),
            one["verdict"],
            one["text"],
            one["included"],
            one["jobs"],
            [UUID(job) for job in one["samples"]],
        )
        for one in plan.verdicts
    ]
    by_kind = {kind: sum(one.jobs for one in verdicts if one.kind is kind) for kind in Class}
    counts = plan.counts
    return PlanView(
        id=plan.id,
        action=plan.action,
        filter=plan.filter,
        state=plan.state,
        text=_told(plan),
        settings=PlanSettingsView(**asdict(plan.settings)),
        include_uncertain=plan.include_uncertain,
        reason=plan.reason,
        created_by=plan.created_by,
        started_by=plan.started_by,
        approved_by=plan.approved_by,
        counts=PlanCounts(**asdict(counts)),
        found=sum(by_kind.values()),
        safe=by_kind[Class.SAFE],
        uncertain=by_kind[Class.UNCERTAIN],
        ineligible=by_kind[Class.INELIGIBLE],
        verdicts=verdicts,
        expected_seconds=expected(counts.pending, plan.settings.rate).total_seconds(),
        failure_share=counts.failing / counts.judged if counts.judged else None,
        judgement=plan.judgement,
        held_up=plan.held_up,
        held_up_since=plan.held_up_since,
        halted_by=plan.halted[0] if plan.halted else None,
        halt_reason=plan.halted[1] if plan.halted else None,
        commands=list(commands_of(plan.state)),
        created_at=plan.created_at,
        started_at=plan.started_at,
        ended_at=plan.ended_at,
    )


def item_view(item: ItemRecord) -> PlanItemView:
    """One job of a plan."""
    return PlanItemView(
        item.position,
        item.job_id,
        item.state,
        item.verdict,
        item.seen,
        item.generation,
        item.provider,
        item.note,
        item.released_at,
        item.judged_at,
        item.ended_at,
    )


def _told(plan: PlanRecord) -> str:  # noqa: PLR0911 - one for each state
    counts, left = plan.counts, f"{plan.counts.pending} to go"
    match plan.state:
        case PlanState.DRAFT:
            return f"a dry run: nothing was touched; it would {_act(plan)} {counted(counts.pending, 'job')}"
        case PlanState.CANARY:
            few = min(plan.settings.canary, counts.wanted)
            first = "the first one is" if few == 1 else f"the first {few} are"
            return _with(f"{first} released and watched", plan)
        case PlanState.AWAITING:
            return f"{plan.judgement}; it waits for a person's go, {left}"
        case PlanState.RUNNING if counts.pending:
            return _with(f"{counts.given} released, {left}", plan)
        case PlanState.RUNNING:
            return f"all are released, {_open(counts)}"
        case PlanState.PAUSED:
            return f"paused by a person, {left}{_still(counts)}"
        case PlanState.STOPPED:
            return f"stopped by itself: {plan.judgement}; {left}{_still(counts)}"
        case PlanState.FINISHED:
            return f"finished: {plan.judgement}"
        case PlanState.ABORTED:
            return f"aborted by a person, {counts.pending} left untouched{_still(counts)}"


def _act(plan: PlanRecord) -> str:
    return {"retry": "retry", "cancel": "cancel", "discard": "discard", "requeue": "run now"}[plan.action]


def _with(text: str, plan: PlanRecord) -> str:
    return f"{text}; waits: {plan.held_up}" if plan.held_up else text


def _open(counts: Counts) -> str:
    told = [
        f"{number} {word}"
        for number, word in (
            (counts.released, "without an outcome yet"),
            (counts.waiting, "waiting for an event or a time"),
            (counts.retrying, "trying once more by themselves"),
        )
        if number
    ]
    return ", ".join(told) or "and all have ended"


def _still(counts: Counts) -> str:
    return f"; of those released {_open(counts)}" if counts.open else ""
