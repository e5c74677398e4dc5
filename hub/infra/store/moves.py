"""What people may do to jobs, and what becomes of these: parts of statements, the same for one job and for thousands.

`j` is the row that is changed, `b` the same job as it was before; `:decided` says that a person has judged its uncertain
effect. What a part of this page allows, a pure rule in `hub.domain` has to allow too; the statement is the last word.
"""

# Calls that take something back are recorded for the job, and were not made.
UNDOABLE = (
    "EXISTS (SELECT FROM steps s WHERE s.job_id = j.id AND s.kind = 'undo' AND s.certainty <> 'confirmed')"
)

RETRYABLE = """
    (j.state IN ('cancelled', 'retrying') OR j.state = 'failed' AND (j.reason <> 'uncertain' OR :decided)
     OR j.state = 'held' AND j.reason IN ('args_unknown', 'steps_changed'))
    AND j.undone_at IS NULL
"""

# A retry by a person opens a new generation with a fresh budget; running a planned retry now does not, and neither does
# trying a held job again: its steps stay those of its generation, so that nothing recorded is sent again.
RETRIED = """
    generation = j.generation + CASE WHEN b.state IN ('retrying', 'held') THEN 0 ELSE 1 END,
    failures = CASE WHEN b.state IN ('retrying', 'held') THEN j.failures ELSE 0 END,
    crashes = 0, state = 'queued', reason = NULL, run_at = now(), settled_at = NULL, dispatched_at = NULL
"""

# A new generation vouches for the effects that may exist (see hub.domain.effects.resume) only where the job said that
# they are in doubt, so that the person has looked: elsewhere they are carried into the new generation as they are.
IN_THE_DARK = "b.state NOT IN ('retrying', 'held') AND b.reason IS DISTINCT FROM 'uncertain' AS in_the_dark"
DOUBTED = """
    UPDATE steps s SET generation = m.generation FROM moved m
    WHERE m.in_the_dark AND s.job_id = m.id AND s.certainty = 'unknown'
"""

# What has recorded how to undo what it did does that first: see hub.domain.jobs.Ending. So may a failed job whose uncertain
# effect kept it from doing so, once a person has looked, for which the new generation vouches; it alone is failed and has
# something left to undo.
CANCELLABLE = """
    j.ending IS NULL
    AND (j.state IN ('scheduled', 'queued', 'retrying', 'waiting', 'held') OR j.state = 'failed' AND :decided)
"""
CANCEL_FITS = "(b.state <> 'failed' OR b.undoable)"
CANCELLED = """
    state = CASE WHEN b.undoable THEN 'queued' ELSE 'cancelled' END,
    reason = CASE WHEN NOT b.undoable THEN 'by_operator' END,
    ending = CASE WHEN b.undoable THEN jsonb_build_object('state', 'cancelled', 'reason', 'by_operator') END,
    generation = j.generation + CASE WHEN b.state = 'failed' THEN 1 ELSE 0 END,
    failures = CASE WHEN b.undoable THEN 0 ELSE j.failures END,
    run_at = CASE WHEN b.undoable THEN now() ELSE j.run_at END,
    settled_at = CASE WHEN NOT b.undoable THEN now() END,
    dispatched_at = NULL
"""
