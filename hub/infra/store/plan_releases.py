"""The statements that find those of a plan whose turn it is, and do its thing to them: one for each action.

The latter are made of the parts of the single action, so that one retry and a thousand cannot drift apart.
"""

from collections.abc import Mapping

from sqlalchemy import TextClause, text

from hub.domain.plans import Action
from hub.domain.safety import Verdict
from hub.infra.store import moves
from hub.infra.store.safety import UNCERTAIN

# Whoever is to ask is the first of its provider wherever it stands, unless another of that provider's is on its way already.
# Of the others so many places of the list are looked through and no more, however many of them are of no use. The jobs of all
# are locked in a statement of its own, and in the order of ids as all others have it: see hub.infra.store.operations.
UPCOMING = text("""
WITH asking AS MATERIALIZED (
    SELECT n.position, n.job_id FROM unnest(CAST(:ask AS text[])) AS asked(provider) CROSS JOIN LATERAL (
        SELECT i.position, i.job_id FROM plan_items i
        WHERE i.plan_id = :plan AND i.provider = asked.provider AND i.state = 'pending' ORDER BY i.position LIMIT 1
    ) n WHERE NOT EXISTS (
        SELECT FROM plan_items r WHERE r.plan_id = :plan AND r.provider = asked.provider AND r.state = 'released'
    ) ORDER BY n.position LIMIT :limit
), upcoming AS MATERIALIZED (
    SELECT position, job_id FROM plan_items
    WHERE plan_id = :plan AND position > :from AND position <= :to AND state = 'pending'
      AND (provider IS NULL OR provider <> ALL(CAST(:blocked AS text[])))
    ORDER BY position LIMIT CAST(:limit AS bigint) - (SELECT count(*) FROM asking)
), chosen AS MATERIALIZED (
    SELECT position, job_id, true AS asks FROM asking UNION ALL SELECT position, job_id, false FROM upcoming
), locked AS MATERIALIZED (
    SELECT FROM jobs WHERE id IN (SELECT job_id FROM chosen) ORDER BY id FOR NO KEY UPDATE
)
SELECT position, asks, (SELECT count(*) FROM locked) AS locked FROM chosen ORDER BY position
""")

_NOTE_ITEMS = """
    UPDATE plan_items i SET
        state = CASE WHEN m.id IS NULL THEN 'skipped' ELSE m.becomes END,
        note = CASE WHEN m.id IS NULL THEN CASE
            WHEN l.state IS NULL THEN 'the job is gone'
            WHEN l.unchanged THEN 'it may not be done any more: a key that made it harmless protects no longer'
            ELSE 'it is ' || l.state || ' now'
        END END,
        generation = coalesce(m.generation, i.generation), failures = m.failures, undoing = coalesce(m.undoing, false),
        released_at = CASE WHEN m.id IS NOT NULL THEN clock_timestamp() END,
        judged_at = CASE WHEN m.becomes = 'succeeded' THEN clock_timestamp() END,
        ended_at = CASE WHEN m.id IS NULL OR m.becomes = 'succeeded' THEN clock_timestamp() END
    FROM looked l LEFT JOIN moved m ON m.id = l.job_id
    WHERE i.plan_id = :plan AND i.position = l.position
    RETURNING i.state
"""


def _release(fits: str, also: str, move: str, returned: str, *more: str) -> TextClause:
    """Do the thing to those jobs that are as they were seen, and note what became of each item.

    Args:
        fits: what a single action of the kind demands of the job.
        also: what else `move` has to know of the job as it was.
        move: what becomes of it.
        returned: of the moved job: `becomes`, the item's state, and what `more` needs.
        more: statements that go with it.
    """
    return text(f"""
WITH looked AS MATERIALIZED (
    SELECT i.position, i.job_id, i.seen, i.generation, i.attempt, i.verdict, j.state,
           j.state = i.seen AND j.generation = i.generation AND j.attempt = i.attempt AS unchanged
    FROM unnest(CAST(:positions AS int[])) AS n(position)
    JOIN plan_items i ON i.plan_id = :plan AND i.position = n.position LEFT JOIN jobs j ON j.id = i.job_id
), before AS (
    SELECT j.id, j.state, {also} FROM looked l JOIN jobs j ON j.id = l.job_id WHERE l.unchanged AND {fits}
), moved AS (
    UPDATE jobs j SET {move} RETURNING j.id, j.generation, j.failures, j.ending IS NOT NULL AS undoing, {returned}
){"".join(more)}, noted AS ({_NOTE_ITEMS})
SELECT state, count(*) AS items FROM noted GROUP BY state
""")  # noqa: S608 - the parts are constants


# Who asks for uncertain jobs in so many words has looked up those that the dry run called so. One whose key has lapsed since,
# which it called safe, nobody has looked up.
_LOOKED_UP = f"(:decided AND l.verdict = '{Verdict.UNCERTAIN}')"
_RUNS = "'released' AS becomes"
_ENDS = "'succeeded' AS becomes"
RELEASES: Mapping[Action, TextClause] = {
    Action.RETRY: _release(
        moves.retryable(_LOOKED_UP, _LOOKED_UP),
        f"{UNCERTAIN} AS uncertain",
        f"{moves.RETRIED} FROM before b WHERE j.id = b.id",
        f"{_RUNS}, {moves.IN_THE_DARK}",
        f", doubted AS ({moves.DOUBTED}), kept AS ({moves.KEPT})",
    ),
    Action.CANCEL: _release(
        moves.CANCELLABLE,
        f"{moves.UNDOABLE} AS undoable",
        f"{moves.CANCELLED} FROM before b WHERE j.id = b.id AND {moves.CANCEL_FITS}",
        "CASE WHEN j.state = 'cancelled' THEN 'succeeded' ELSE 'released' END AS becomes",
    ),
    Action.DISCARD: _release(
        moves.DISCARDABLE,
        f"{moves.UNDOABLE} AS undoable",
        f"{moves.DISCARDED} FROM before b WHERE j.id = b.id AND NOT b.undoable",
        _ENDS,
    ),
    Action.REQUEUE: _release(
        moves.REQUEUEABLE,
        "j.reason",
        f"{moves.REQUEUED} FROM before b WHERE j.id = b.id",
        _RUNS,
        f", kept AS ({moves.KEPT})",
    ),
}
