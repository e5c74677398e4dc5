"""Parts of the statement that ends attempts: failures are counted by cause in the transaction in which they happen.

Only batches that hold a failure pay for it. Every such statement first moves its jobs, then takes its groups in the order
of their signatures, then the hours of these: two workers may have to wait for each other, and never in a circle.
"""

from collections.abc import Callable, Sequence
from typing import Any

from hub.domain.causes import MOST_OF_A_JOB, Cause, rest_of
from hub.domain.inbox import BY_ITSELF, GroupState
from hub.domain.jobs import Transition
from hub.infra.store.arrays import literal

COLUMNS = ("cause_job", "cause_step", "cause_provider", "cause_operation", "cause_message", "rest", "lost")
ARRAYS = """, CAST(CAST(:cause_job AS text) AS text[]), CAST(CAST(:cause_step AS text) AS text[]),
        CAST(CAST(:cause_provider AS text) AS text[]), CAST(CAST(:cause_operation AS text) AS text[]),
        CAST(CAST(:cause_message AS text) AS text[]), CAST(CAST(:rest AS text) AS text[]), CAST(CAST(:lost AS text) AS boolean[])"""

# Behind `told`, which holds what the settlements say. A cause that was not seen before, of a job that has too many, is
# counted as the rest of them; so `done` is `told` with the signature that each failure is to have.
BOUNDED = f"""
), fresh AS (
    SELECT n.own, n.cause_job, n.rest, row_number() OVER (PARTITION BY n.cause_job ORDER BY n.own) AS place
    FROM (SELECT DISTINCT own, cause_job, rest FROM told WHERE cause_job IS NOT NULL) n
    WHERE NOT EXISTS (SELECT FROM error_groups g WHERE g.signature = n.own)
), crowded AS (
    SELECT f.own, f.rest FROM fresh f
    WHERE f.place + (SELECT count(*) FROM error_groups g WHERE g.job = f.cause_job) > {MOST_OF_A_JOB}
), done AS (
    -- No join: the order of the jobs, in which they are locked, stays as it is.
    SELECT b.*, coalesce(b.fold, b.own) AS signature, b.fold IS NOT NULL AS crowded
    FROM (SELECT t.*, (SELECT c.rest FROM crowded c WHERE c.own = t.own) AS fold FROM told t) b
"""  # noqa: S608 - constants

COUNTED = f""", sums AS (
    SELECT d.signature, min(d.cause_job) AS job, bool_or(d.crowded) AS crowded, min(d.cause_step) AS step,
        min(d.cause_provider) AS provider, min(d.cause_operation) AS operation, min(d.kind) AS kind, min(d.code) AS code,
        min(d.cause_message) AS message, count(*) AS attempts, count(*) FILTER (WHERE d.lost) AS lost,
        (array_agg(d.job ORDER BY d.lost DESC, d.job DESC))[1] AS example,
        (SELECT w.release FROM workers w WHERE w.id = :worker) AS release
    FROM moved m JOIN done d ON d.job = m.id AND d.attempt = m.attempt
    WHERE d.cause_job IS NOT NULL GROUP BY d.signature
), groups AS (
    INSERT INTO error_groups AS g (signature, job, step, provider, operation, kind, code, message, attempts, lost,
        first_seen_at, last_seen_at, first_release, last_release, example_id)
    SELECT s.signature, s.job, CASE WHEN s.crowded THEN '' ELSE s.step END, CASE WHEN s.crowded THEN '' ELSE s.provider END,
        CASE WHEN s.crowded THEN '' ELSE s.operation END, CASE WHEN s.crowded THEN '' ELSE s.kind END,
        CASE WHEN s.crowded THEN '{rest_of("").code}' ELSE s.code END, CASE WHEN s.crowded THEN '{rest_of("").message}' ELSE s.message END,
        s.attempts, s.lost, now(), now(), s.release, s.release, s.example
    FROM sums s ORDER BY s.signature
    ON CONFLICT (signature) DO UPDATE SET
        attempts = g.attempts + excluded.attempts, lost = g.lost + excluded.lost, last_seen_at = excluded.last_seen_at,
        last_release = coalesce(excluded.last_release, g.last_release), example_id = excluded.example_id,
        state = CASE WHEN g.state = '{GroupState.RESOLVED}' AND excluded.lost > 0 THEN '{GroupState.OPEN}' ELSE g.state END,
        reopened = g.reopened + CASE WHEN g.state = '{GroupState.RESOLVED}' AND excluded.lost > 0 THEN 1 ELSE 0 END,
        changed_at = CASE WHEN g.state = '{GroupState.RESOLVED}' AND excluded.lost > 0 THEN now() ELSE g.changed_at END,
        changed_by = CASE WHEN g.state = '{GroupState.RESOLVED}' AND excluded.lost > 0 THEN '{BY_ITSELF}' ELSE g.changed_by END,
        change_reason = CASE WHEN g.state = '{GroupState.RESOLVED}' AND excluded.lost > 0 THEN 'it came back' ELSE g.change_reason END
    RETURNING signature
), hours AS (
    INSERT INTO error_hours AS h (signature, hour, attempts, lost)
    SELECT s.signature, date_trunc('hour', now(), 'UTC'), s.attempts, s.lost
    FROM sums s JOIN groups g ON g.signature = s.signature ORDER BY s.signature
    ON CONFLICT (signature, hour) DO UPDATE SET attempts = h.attempts + excluded.attempts, lost = h.lost + excluded.lost
)"""  # noqa: S608 - the parts are constants


def counts(move: Transition) -> bool:
    """Whether a settlement with this move counts as a failure of a cause."""
    return move.is_failing and move.failure is not None and move.failure.cause is not None


def causes(moves: Sequence[Transition]) -> dict[str, Any]:
    """The parameters of ARRAYS."""
    known = [move.failure.cause if move.failure and counts(move) else None for move in moves]
    return {
        "cause_job": _column(known, lambda cause: cause.job),
        "cause_step": _column(known, lambda cause: cause.place.step),
        "cause_provider": _column(known, lambda cause: cause.place.provider),
        "cause_operation": _column(known, lambda cause: cause.place.operation),
        "cause_message": _column(known, lambda cause: cause.message),
        "rest": _column(known, lambda cause: rest_of(cause.job).signature),
        "lost": literal([str(move.is_lost).lower() for move in moves]),
    }


def _column(known: Sequence[Cause | None], of: Callable[[Cause], str]) -> str | None:
    return literal([of(cause) if cause else None for cause in known])
