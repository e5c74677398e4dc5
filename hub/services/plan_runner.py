"""The runner: releases the jobs of plans at their rate, watches what becomes of them, and stops when too many fail.

Every worker runs one; they do not need to agree, because a look at a plan is one transaction that holds the plan's row, and
whoever comes second takes another plan. What was earned and not used is kept in that row, and time is the database's, so the
rate is the plan's, however many runners there are and whichever of them looks next.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from hub.domain.errors import Unavailable
from hub.domain.overrides import Forced
from hub.domain.plan_decisions import (
    TICK,
    Barrier,
    Decision,
    Sample,
    Standing,
    Unwell,
    barrier,
    decide,
    held_up_by,
)
from hub.domain.plans import AT_WORK, Action, Counts, PlanState
from hub.infra.breaker_states import State
from hub.infra.breakers import Breakers
from hub.infra.recurring import Recurring
from hub.infra.store.plan_ticks import PlanTickStore, Taken, Turn

log = structlog.get_logger("hub.plans")

# Seconds. The first is how soon a plan that a person has started is noticed, the second how often two runners that look at
# the same moment look again.
_IDLE = 1.0
_AGAIN = 0.05


class PlanRunner:
    """Runs for as long as its process.

    Args:
        store: the plans.
        breakers: of this process, which knows those of the others and what persons ordered.
        clock: now, for the times at which breakers let calls through again.
        released: told how many jobs were queued, so that somebody hands them over at once.
        moved: told of what became of jobs, for the metrics: the state, how many.
        turned: told that a plan has come to a state by itself.
    """

    def __init__(
        self,
        store: PlanTickStore,
        breakers: Breakers,
        *,
        clock: Callable[[], datetime],
        released: Callable[[int], None],
        moved: Callable[[str, int], None],
        turned: Callable[[str], None],
    ) -> None:
        self._store = store
        self._breakers = breakers
        self._clock = clock
        self._released = released
        self._moved = moved
        self._turned = turned
        self._away = Recurring(log, "store away", ended="store back")

    async def run(self) -> None:
        """Look after plans until cancelled. Troubles of the store are reported, and pass."""
        while True:
            pause = _IDLE
            try:
                pause = await self._look_around()
                self._away.over()
            except Unavailable as error:
                self._away.note(str(error))
            except Exception:
                # The runner outlives its own mistakes.
                log.exception("a look at a plan failed")
            await asyncio.sleep(pause)

    async def _look_around(self) -> float:
        """Look at a plan if one is due; gives the seconds until the next look."""
        again = await self.tick()
        if again is None:
            due = await self._store.until_next()
            return _IDLE if due is None else min(_IDLE, max(_AGAIN, due))
        return min(_IDLE, again)

    async def tick(self) -> float | None:
        """One look at the plan that has waited longest for one.

        Returns:
            The seconds until this runner should look again; None if no plan is due.
        """
        async with self._store.turn() as turn:
            if turn is None:
                return None
            before = turn.plan.counts
            decision, after = await self._look(turn)
        # Committed: only now is it so.
        self._tell(turn.plan, decision, before, after)
        if not turn.plan.alone:
            return 0.0
        return _IDLE if decision.again is None else decision.again.total_seconds()

    async def _look(self, turn: Turn) -> tuple[Decision, Counts]:
        plan, swept = turn.plan, await turn.collect()
        judged = plan.state is PlanState.RUNNING and swept.counts.failing
        recent = await turn.recent() if judged else Sample()
        before = await turn.before() if plan.state is PlanState.CANARY else Sample()
        standing = Standing(plan.state, plan.settings, swept.counts, recent, plan.credit, plan.idle, before)
        decision, counts = decide(standing), swept.counts
        if decision.release:
            shut = barrier([*self._unwell(plan)])
            counts = await turn.release(decision.release, counts, shut)
            decision = _as_it_went(decision, swept.counts, counts, shut, more=turn.more)
        await turn.write(decision, counts, swept.to)
        return decision, counts

    def _unwell(self, plan: Taken) -> Iterable[Unwell]:
        if plan.action not in {Action.RETRY, Action.REQUEUE}:
            return  # nobody is called, or only to undo, which waits for its provider by itself
        now = self._clock()
        held = {name: found for name in plan.providers if (found := self._breakers.standing(name))}
        for name, standing in held.items():
            if standing.override.state is Forced.OPEN:
                yield Unwell(name, standing.override.until, held=standing.override.why())
        for state in self._breakers.snapshot():
            # One of a single host says nothing about the jobs that call another.
            if state.provider not in plan.providers or state.provider in held or state.target:
                continue
            if state.state is not State.CLOSED:
                yield Unwell(state.provider, now + state.retry_after if state.retry_after else None)

    def _tell(self, plan: Taken, decision: Decision, before: Counts, after: Counts) -> None:
        taken = before.pending - after.pending
        released = taken - (after.skipped - before.skipped)
        if released:
            self._released(released)
        for state in ("skipped", "succeeded", "failed", "cancelled"):
            if more := getattr(after, state) - getattr(before, state):
                self._moved(state, more)
        if decision.state is not plan.state and plan.state in AT_WORK:
            self._turned(decision.state)
            log.info(
                "plan moved",
                plan=str(plan.id),
                before=plan.state,
                after=decision.state,
                why=decision.judgement,
            )


def _as_it_went(decision: Decision, before: Counts, after: Counts, shut: Barrier, *, more: bool) -> Decision:
    """The decision with what could not be released kept for later; for now, if not all was looked through."""
    taken = before.pending - after.pending
    kept = replace(decision, release=taken, credit=decision.credit + decision.release - taken)
    if more:
        return replace(kept, again=timedelta(0))
    if not shut.text or taken == decision.release:
        return kept
    held = held_up_by(kept, shut)
    # Whoever was to ask may be among those that were skipped: the next one does not wait for an answer.
    return replace(held, again=TICK) if after.skipped > before.skipped else held
