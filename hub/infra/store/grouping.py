"""Parts of the statement that ends attempts: failures are counted by cause in the transaction in which they happen.

Only batches that hold a failure pay for it. Every such statement first moves its jobs, then takes its groups in the order
of their signatures, then the hours of these: two workers may have to wait for each other, and never in a circle.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from hub.domain.causes import MOST_OF_A_JOB, Cause, rest_of
from hub.domain.inbox import BY_ITSELF, GroupState
from hub.domain.jobs import Transition
from hub.infra.store.arrays import literal

# Behind `done`, which holds what the settlements say: the causes of those that failed, and no row for the others. A cause that
# was not seen before, of a job that has too many, is counted as the rest of them.
BOUNDED = f"""
), causes AS (
    SELECT * FROM unnest(CAST(CAST(:failing AS text) AS uuid[]), CAST(CAST(:own AS text) AS text[]), CAST(CAST(:rest AS text) AS text[]),
        CAST(CAST(:lost AS text) AS boolean[]), CAST(CAST(:cause_job AS text) AS text[]), CAST(CAST(:cause_step AS text) AS text[]),
        CAST(CAST(:cause_provider AS text) AS text[]), CAST(CAST(:cause_operation AS text) AS text[]),
        CAST(CAST(:cause_kind AS text) AS text[]), CAST(CAST(:cause_code AS text) AS text[]), CAST(CAST(:cause_message AS text) AS text[]))
    AS c(failing, own, rest, lost, job, step, provider, operation, kind, code, message)
), fresh AS (
    SELECT n.own, n.job, n.rest, row_number() OVER (PARTITION BY n.job ORDER BY n.own) AS place
    FROM (SELECT DISTINCT own, job, rest FROM causes) n
    WHERE NOT EXISTS (SELECT FROM error_groups g WHERE g.signature = n.own)
), crowded AS (
    SELECT f.own, f.rest FROM fresh f
    WHERE f.place + (SELECT count(*) FROM error_groups g WHERE g.job = f.job) > {MOST_OF_A_JOB}
"""  # noqa: S608 - constants

_REST = "(SELECT c.rest FROM crowded c WHERE c.own = d.signature)"
SIGNATURE = f"CASE WHEN d.signature IS NOT NULL THEN coalesce({_REST}, d.signature) END"
"""Under which signature a failure is counted."""
ENDING = f"""CASE WHEN d.ending IS NOT NULL AND {_REST} IS NOT NULL
            THEN jsonb_set(CAST(d.ending AS jsonb), '{{failure,signature}}', to_jsonb({_REST})) ELSE CAST(d.ending AS jsonb) END"""
"""What a job becomes, by the signature under which what it failed of was counted."""

COUNTED = f""", sums AS (
    SELECT coalesce(r.rest, c.own) AS signature, min(c.job) AS job, count(r.rest) > 0 AS crowded, min(c.step) AS step,
        min(c.provider) AS provider, min(c.operation) AS operation, min(c.kind) AS kind, min(c.code) AS code,
        min(c.message) AS message, count(*) AS attempts, count(*) FILTER (WHERE c.lost) AS lost,
        (array_agg(m.id ORDER BY c.lost DESC, m.id DESC))[1] AS example,
        (SELECT w.release FROM workers w WHERE w.id = :worker) AS release
    FROM moved m JOIN causes c ON c.failing = m.id LEFT JOIN crowded r ON r.own = c.own GROUP BY 1
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


def causes(moves: Iterable[tuple[UUID, Transition]]) -> dict[str, Any]:
    """The parameters of `BOUNDED`, from jobs and what becomes of them."""
    failing = [(job, move, move.failure.cause) for job, move in moves if counts(move) and move.failure]
    known = [cause for _, _, cause in failing if cause is not None]
    return {
        "failing": literal([job for job, _, _ in failing]),
        "own": literal([move.failure.signature for _, move, _ in failing if move.failure]),
        "rest": _column(known, lambda cause: _rest(cause.job)),
        "lost": literal([str(move.is_lost).lower() for _, move, _ in failing]),
        "cause_job": _column(known, lambda cause: cause.job),
        "cause_step": _column(known, lambda cause: cause.place.step),
        "cause_provider": _column(known, lambda cause: cause.place.provider),
        "cause_operation": _column(known, lambda cause: cause.place.operation),
        "cause_kind": _column(known, lambda cause: cause.kind),
        "cause_code": _column(known, lambda cause: cause.code),
        "cause_message": _column(known, lambda cause: cause.message),
    }


@lru_cache(maxsize=1024)
def _rest(job: str) -> str:
    return rest_of(job).signature


def _column(causes: Sequence[Cause], of: Callable[[Cause], str]) -> str | None:
    return literal([of(cause) for cause in causes])
