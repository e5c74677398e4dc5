"""What people may do to jobs, and what becomes of these: parts of statements, the same for one job and for thousands.

`j` is the row that is changed, `b` the same job as it was before; `:decided` says that a person who may judge effects says
why, and `:judged` that they have looked up even what the job itself did not call uncertain; of `b`, `uncertain` is
`hub.infra.store.safety.UNCERTAIN`, which takes the parameters of `protection`. What a part of this page allows, a pure rule
in `hub.domain` has to allow too; the statement is the last word.
"""

from hub.infra.store.safety import UNCERTAIN

# Calls that take something back are recorded for the job, and were not made.
UNDOABLE = (
    "EXISTS (SELECT FROM steps s WHERE s.job_id = j.id AND s.kind = 'undo' AND s.certainty <> 'confirmed')"
)


def retryable(decided: str = ":decided", judged: str = ":judged") -> str:
    """The condition of a retry; `decided` and `judged` are conditions that stand for those of this page."""
    return f"""
        (j.state IN ('failed', 'cancelled') AND (NOT {UNCERTAIN} OR {decided} AND (j.reason = 'uncertain' OR {judged}))
         OR j.state = 'retrying'
         OR j.state = 'held' AND j.reason IN ('args_unknown', 'steps_changed'))
        AND j.undone_at IS NULL
    """


RETRYABLE = retryable()

# A retry by a person opens a new generation with a fresh budget; running a planned retry now does not, and neither does
# trying a held job again: its steps stay those of its generation, so that nothing recorded is sent again.
RETRIED = """
    generation = j.generation + CASE WHEN b.state IN ('retrying', 'held') THEN 0 ELSE 1 END,
    failures = CASE WHEN b.state IN ('retrying', 'held') THEN j.failures ELSE 0 END,
    crashes = 0, state = 'queued', reason = NULL, run_at = now(), settled_at = NULL, dispatched_at = NULL
"""

# A new generation vouches for the effects that may exist (see hub.domain.effects.resume) only where no key protects a
# repeat, so that a person has had to look: elsewhere they are carried into the new generation as they are.
IN_THE_DARK = "b.state NOT IN ('retrying', 'held') AND NOT b.uncertain AS in_the_dark"
DOUBTED = """
    UPDATE steps s SET generation = m.generation FROM moved m
    WHERE m.in_the_dark AND s.job_id = m.id AND s.certainty = 'unknown'
"""

# What the ledger says of calls that were tried and may be made again, which are written over their lines: of those that are
# confirmed, what changes nothing is asked anew where the job has another question.
KEPT = """
    INSERT INTO past_steps (job_id, position, attempt, name, provider, effect, certainty, serial, sends, idempotency_key, digest,
        kind, answer, error_code, error_message, first_sent_at, last_sent_at, answered_at)
    SELECT s.job_id, s.position, s.attempt, s.name, s.provider, s.effect, s.certainty, s.serial, s.sends, s.idempotency_key,
        s.digest, s.kind, s.answer, s.error_code, s.error_message, s.first_sent_at, s.last_sent_at, s.answered_at
    FROM moved m JOIN steps s ON s.job_id = m.id
    WHERE s.provider IS NOT NULL AND (s.sends > 0 OR s.error_code IS NOT NULL) AND (s.certainty <> 'confirmed' OR s.effect = 'read')
    ON CONFLICT DO NOTHING
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

# Closing for good what a person has given up, where nothing is to be undone: nothing runs for it, so its generation stays.
DISCARDABLE = """
    j.state IN ('failed', 'held') AND (j.ending IS NULL OR j.undone_at IS NOT NULL)
    AND (:decided OR j.reason <> 'uncertain' AND NOT EXISTS (
        SELECT FROM steps s WHERE s.job_id = j.id AND s.certainty = 'unknown' AND s.effect <> 'read'
    ))
"""
DISCARDED = """
    state = 'cancelled', reason = 'by_operator', settled_at = now(), dispatched_at = NULL
"""

# What is put off runs now, as it stands: its generation and its budget stay.
REQUEUEABLE = "(j.state IN ('scheduled', 'retrying') OR j.state = 'held' AND j.reason IN ('args_unknown', 'steps_changed'))"
REQUEUED = "state = 'queued', reason = NULL, crashes = 0, run_at = now(), dispatched_at = NULL"
