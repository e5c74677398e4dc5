"""Doing one thing to many jobs: a dry run first, then, at a person's word, a few, and then the rest."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.domain.access import Principal, Scope
from hub.domain.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from hub.domain.plan_rulings import Ruling, rule
from hub.domain.plans import (
    MAX_CANARY,
    MAX_IN_FLIGHT,
    MAX_RATE,
    MIN_RATE,
    Action,
    Command,
    ItemState,
    PlanState,
    Settings,
    follow,
)
from hub.domain.providers import Provider
from hub.domain.safety import Facts
from hub.domain.search import NotUnderstood, parse
from hub.infra.store.database import Database
from hub.infra.store.operations import Audit
from hub.infra.store.plan_snapshots import Draft, PlanSnapshots
from hub.infra.store.plans import PlanRecord, PlanStore, SharedRecord
from hub.infra.store.reading import Where
from hub.services.cursors import format_cursor, format_number, parse_cursor, parse_number
from hub.services.listings import Page
from hub.services.operate import actor_of
from hub.services.plan_showing import item_view, plan_view
from hub.services.plan_views import PlanItemView, PlanView
from hub.services.searching import where_of

SHARED_LOOKED = 1_000
"""Of how many of a plan's jobs, the first, it is looked up which other plans have them."""

_PAGE, _SHARED_PLANS = 2_000, 3
_HINTS = {
    PlanState.DRAFT: "start it first",
    PlanState.FINISHED: "it is over: make a new one",
    PlanState.ABORTED: "it is over: make a new one",
}


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What is to be done, to which jobs, how carefully.

    Attributes:
        filter: which jobs, in the search language.
        include_uncertain: those whose effects may exist, too; takes `jobs:decide` and a reason.
        reason: why; kept with the plan and in the audit log.
    """

    action: Action
    filter: str
    settings: Settings = field(default_factory=Settings)
    include_uncertain: bool = False
    reason: str | None = None


class Plans:
    """Makes, shows and steers plans.

    Args:
        store: where they are.
        snapshots: makes them.
        search: what a text of the search language means; raises Invalid.
        new_id: makes UUIDv7s.
    """

    def __init__(
        self,
        store: PlanStore,
        snapshots: PlanSnapshots,
        search: Callable[[str], Where],
        *,
        new_id: Callable[[], UUID],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._search = search
        self._new_id = new_id

    async def create(self, principal: Principal, wanted: PlanRequest) -> PlanView:
        """Make a dry run: find the jobs, say what would become of each, and write it down. No job is touched.

        Raises:
            Invalid: a setting or the filter is wrong, or it finds too many.
            Forbidden: it is to include uncertain effects, which the caller may not judge.
            Conflict: it is to include those, and no reason was given.
        """
        reason = (wanted.reason or "").strip() or None
        if problems := _problems(wanted):
            raise Invalid("the plan does not fit", problems=problems)
        if wanted.include_uncertain:
            _insist_on_decision(principal, reason)
        plan, where = self._new_id(), self._found(wanted.filter)
        draft = Draft(
            plan,
            wanted.action,
            wanted.filter.strip(),
            where,
            wanted.settings,
            wanted.include_uncertain,
            reason,
        )

        def ruled(facts: Facts, undoable: bool) -> tuple[Ruling, bool]:  # noqa: FBT001 - as it is asked
            ruling = rule(wanted.action, facts, undoable=undoable)
            return ruling, ruling.includes(uncertain=wanted.include_uncertain)

        noted = {"action": wanted.action, "filter": draft.filter, "reason": reason}
        await self._snapshots.take(draft, ruled, self._audit(principal, **noted))
        return await self.get(plan)

    async def get(self, plan: UUID) -> PlanView:
        """One plan. Raises NotFound."""
        return plan_view(await self._record(plan))

    async def list_plans(
        self, states: Sequence[PlanState] = (), *, limit: int = 50, cursor: str | None = None
    ) -> Page[PlanView]:
        """Plans, newest first. Raises Invalid for a bad cursor."""
        where = Where()
        if states:
            where = where.and_("p.state = ANY(CAST(:states AS text[]))", states=[one.value for one in states])
        if cursor is not None:
            where = where.and_("p.id < CAST(:after AS uuid)", after=parse_cursor("plans", cursor))
        records = await self._store.plans(where, limit + 1)
        more = format_cursor("plans", records[limit - 1].id) if len(records) > limit else None
        return Page([plan_view(record) for record in records[:limit]], more)

    async def list_items(
        self, plan: UUID, states: Sequence[ItemState] = (), *, limit: int = 50, cursor: str | None = None
    ) -> Page[PlanItemView]:
        """A plan's jobs in its order. Raises NotFound, and Invalid for a bad cursor."""
        after = 0 if cursor is None else parse_number("plan_items", cursor, bits=32)
        await self._record(plan)
        records = await self._store.items(plan, _in_states(states), after, limit + 1)
        more = format_number("plan_items", records[limit - 1].position) if len(records) > limit else None
        return Page([item_view(record) for record in records[:limit]], more)

    async def others(self, plan: UUID) -> list[SharedRecord]:
        """Plans that are to release some of the same jobs: the few with most of the first SHARED_LOOKED of them."""
        return await self._store.shared(plan, SHARED_LOOKED, _SHARED_PLANS)

    async def report(self, plan: UUID, states: Sequence[ItemState] = ()) -> AsyncIterator[list[PlanItemView]]:
        """All of a plan's jobs in its order, page by page, so that a million take no more memory than one page."""
        after, where = 0, _in_states(states)
        while records := await self._store.items(plan, where, after, _PAGE):
            yield [item_view(record) for record in records]
            after = records[-1].position

    async def command(
        self, principal: Principal, plan: UUID, command: Command, *, reason: str | None = None
    ) -> PlanView:
        """Tell a plan to start, go on after its canary, pause, resume or abort.

        Raises:
            NotFound: there is no such plan.
            Forbidden: it includes uncertain effects, which the caller may not judge.
            Conflict: its state forbids it.
        """
        record = await self._record(plan)
        to = follow(command, record.state, canary_open=record.canary_open)
        if to is None:
            raise _not_allowed(command, record.state)
        if record.include_uncertain and command is not Command.ABORT and command is not Command.PAUSE:
            _insist_on_decision(principal, record.reason)
        if command is Command.START and not record.counts.pending:
            raise Conflict("nothing that it found can be released: see its verdicts", code="plan_empty")
        audit = self._audit(principal, reason=reason)
        if not await self._store.command(plan, command, record.state, to, audit):
            raise Conflict("the plan has just changed; look again", code="just_changed")
        return await self.get(plan)

    def _found(self, text: str) -> Where:
        try:
            return self._search(text)
        except NotUnderstood as error:
            raise Invalid(str(error), code=error.code, problems=(Problem("/filter", error.what),)) from None

    async def _record(self, plan: UUID) -> PlanRecord:
        record = await self._store.one(plan)
        if record is None:
            raise NotFound(f"there is no plan {plan}", code="unknown_plan_id")
        return record

    def _audit(self, principal: Principal, **detail: Any) -> Audit:
        given = {name: value for name, value in detail.items() if value is not None}
        return Audit(self._new_id(), actor_of(principal), orjson.dumps(given).decode())


def plans_over(
    database: Database,
    providers: Mapping[str, Provider],
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], UUID],
) -> Plans:
    """Plans in a database, made by searches.

    Args:
        database: the pool.
        providers: whose keys make repeats harmless, and for how long.
        clock: now, for searches that say how long ago.
        new_id: makes UUIDv7s.
    """

    def search(text: str) -> Where:
        return where_of(parse(text, clock()))

    return Plans(PlanStore(database), PlanSnapshots(database, providers), search, new_id=new_id)


def _in_states(states: Sequence[ItemState]) -> Where:
    if not states:
        return Where()
    return Where().and_("i.state = ANY(CAST(:states AS text[]))", states=[one.value for one in states])


def _problems(wanted: PlanRequest) -> tuple[Problem, ...]:
    settings = wanted.settings
    bounds = (
        ("canary", settings.canary, 0, MAX_CANARY),
        ("rate", settings.rate, MIN_RATE, MAX_RATE),
        ("stop_above", settings.stop_above, 0, 1),
        ("max_in_flight", settings.max_in_flight, 1, MAX_IN_FLIGHT),
    )
    problems = [
        Problem(f"/{name}", f"must be from {least:g} to {most:g}")
        for name, value, least, most in bounds
        if not least <= value <= most
    ]
    if not wanted.filter.strip():
        problems.append(Problem("/filter", "must say which jobs, as `state:failed provider:stripe`"))
    return tuple(problems)


def _insist_on_decision(principal: Principal, reason: str | None) -> None:
    if not principal.may(Scope.JOBS_DECIDE):
        message = (
            f"it includes jobs whose effects may exist already, and that takes the scope {Scope.JOBS_DECIDE}"
        )
        raise Forbidden(message, code="decision_needed")
    if reason is None:
        message = 'it includes jobs whose effects may exist already: give {"reason": "what you found"}'
        raise Conflict(message, code="reason_needed")


def _not_allowed(command: Command, state: PlanState) -> Conflict:
    hint = _HINTS.get(state, "")
    told = f"a plan that is {state.value} cannot be told to {command.value}"
    return Conflict(f"{told}: {hint}" if hint else told, code=f"plan_{state.value}")
