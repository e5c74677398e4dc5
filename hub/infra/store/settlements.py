"""The end of an attempt, as it is written: what becomes of the job, and what its success brings with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TextClause, text

from hub.domain.jobs import Ending, Failure, JobState, Reason, Transition
from hub.domain.tags import MAX_TAGS
from hub.infra.store import grouping
from hub.infra.store.arrays import Element, literal
from hub.infra.store.waits import Wait


@dataclass(frozen=True, slots=True)
class Child:
    """A job that is made when its parent succeeds; `args` is JSON, and so are `tags`, besides which it has its parent's."""

    id: UUID
    name: str
    args: str = field(repr=False)
    queue: str
    priority: int
    delay: timedelta
    tags: str = "[]"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of an attempt. `delay` is counted from the database's clock."""

    job: UUID
    attempt: int
    transition: Transition
    delay: timedelta | None
    result: str | None = field(default=None, repr=False)
    children: tuple[Child, ...] = ()
    waits: tuple[Wait, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the job's own row is all that there is to write, as for nearly all."""
        move = self.transition
        return not (self.children or self.waits or move.ending or move.undone)


# Most batches hold nothing but plain ends, and do not pay for what the others need.
_DONE_MORE = ", CAST(CAST(:ending AS text) AS text[]), CAST(CAST(:undone AS text) AS boolean[])"
_SET_MORE = """,
        ending = coalesce({ending}, j.ending),
        undone_at = CASE WHEN d.undone THEN clock_timestamp() END
"""
_RETURN_MORE = ", j.correlation_id, j.application_id, j.created_at, j.tags"
_ERROR = "d.code, d.message, d.kind, m.error_signature"
# What the job failed of stays its own. The attempt that did the undoing did it, so it has no error.
_ERROR_MORE = ", ".join(f"CASE WHEN NOT d.undone THEN {column} END" for column in _ERROR.split(", "))
# Of a child's tags its own come first: a chain of jobs that tags each of them anew keeps the latest.
_WITH_MORE = f"""
, children AS (
    INSERT INTO jobs (id, name, args, queue, priority, correlation_id, state, run_at, application_id, parent_id, tags)
    SELECT c.id, c.name, CAST(c.args AS jsonb), c.queue, c.priority, m.correlation_id,
           CASE WHEN c.delay > 0 THEN 'scheduled' ELSE 'queued' END, now() + make_interval(secs => c.delay), m.application_id, m.id,
           CASE WHEN m.tags = '[]' THEN CAST(c.tags AS jsonb) ELSE (
               SELECT jsonb_agg(k.tag ORDER BY k.place) FROM (
                   SELECT t.tag, min(t.place) AS place
                   FROM jsonb_array_elements(CAST(c.tags AS jsonb) || m.tags) WITH ORDINALITY AS t(tag, place)
                   GROUP BY t.tag ORDER BY 2 LIMIT {MAX_TAGS}
               ) k
           ) END
    FROM unnest(CAST(CAST(:child AS text) AS uuid[]), CAST(CAST(:parent AS text) AS uuid[]), CAST(CAST(:child_name AS text) AS text[]),
                CAST(CAST(:child_args AS text) AS text[]), CAST(CAST(:child_queue AS text) AS text[]),
                CAST(CAST(:child_priority AS text) AS smallint[]), CAST(CAST(:child_delay AS text) AS float8[]), CAST(CAST(:child_tags AS text) AS text[]))
         AS c(id, parent, name, args, queue, priority, delay, tags)
    JOIN moved m ON m.id = c.parent
), waiting AS (
    INSERT INTO waits (job_id, position, source, subject, types, since, consumed)
    SELECT m.id, w.position, w.source, w.subject, CAST(w.types AS text[]), coalesce(w.since, m.created_at), CAST(w.consumed AS uuid[])
    FROM unnest(CAST(CAST(:waiter AS text) AS uuid[]), CAST(CAST(:wait_position AS text) AS int[]), CAST(CAST(:source AS text) AS text[]),
                CAST(CAST(:subject AS text) AS text[]), CAST(CAST(:types AS text) AS text[]), CAST(CAST(:since AS text) AS timestamptz[]),
                CAST(CAST(:consumed AS text) AS text[]))
         AS w(job, position, source, subject, types, since, consumed)
    JOIN moved m ON m.id = w.job
    ON CONFLICT (job_id, position) DO UPDATE SET source = excluded.source, subject = excluded.subject,
        types = excluded.types, since = excluded.since, consumed = excluded.consumed
    RETURNING job_id
), stale AS (
    DELETE FROM waits w USING moved m WHERE w.job_id = m.id AND NOT EXISTS (
        SELECT FROM unnest(CAST(CAST(:waiter AS text) AS uuid[]), CAST(CAST(:wait_position AS text) AS int[])) AS n(job, position)
        WHERE n.job = w.job_id AND n.position = w.position
    )
)
"""  # noqa: S608 - constants


@cache
def _statement(*, more: bool, failing: bool) -> TextClause:
    signature = grouping.SIGNATURE if failing else "d.signature"
    set_more = _SET_MORE.format(ending=grouping.ENDING if failing else "CAST(d.ending AS jsonb)")
    return text(f"""
WITH done AS (
    SELECT * FROM unnest(CAST(CAST(:job AS text) AS uuid[]), CAST(CAST(:attempt AS text) AS int[]), CAST(CAST(:state AS text) AS text[]),
        CAST(CAST(:reason AS text) AS text[]), CAST(CAST(:delay AS text) AS float8[]), CAST(CAST(:failures AS text) AS int[]), CAST(CAST(:crashes AS text) AS int[]),
        CAST(CAST(:outcome AS text) AS text[]), CAST(CAST(:code AS text) AS text[]), CAST(CAST(:message AS text) AS text[]), CAST(CAST(:kind AS text) AS text[]),
        CAST(CAST(:signature AS text) AS text[]), CAST(CAST(:result AS text) AS text[]){_DONE_MORE if more else ""})
    AS d(job, attempt, state, reason, delay, failures, crashes, outcome, code, message, kind, signature, result{", ending, undone" if more else ""}){grouping.BOUNDED if failing else ""}
), moved AS (
    UPDATE jobs j SET
        state = d.state,
        reason = d.reason,
        run_at = CASE WHEN d.delay IS NULL THEN j.run_at ELSE now() + make_interval(secs => d.delay) END,
        failures = d.failures,
        crashes = d.crashes,
        worker_id = NULL,
        error_code = d.code, error_message = d.message, error_kind = d.kind, error_signature = {signature},
        result = CAST(d.result AS jsonb),
        settled_at = CASE WHEN d.state IN ('succeeded', 'failed', 'cancelled') THEN clock_timestamp() END{set_more if more else ""}
    FROM done d
    WHERE j.id = d.job AND j.attempt = d.attempt AND j.state = 'running' AND j.worker_id = :worker
    RETURNING j.id, j.attempt, j.generation, j.started_at, j.error_signature{_RETURN_MORE if more else ""}
), logged AS (
    INSERT INTO attempts (job_id, number, generation, outcome, error_code, error_message, error_kind, error_signature,
                          worker_id, started_at)
    SELECT m.id, m.attempt, m.generation, d.outcome, {_ERROR_MORE if more else _ERROR}, :worker, m.started_at
    FROM moved m JOIN done d ON d.job = m.id AND d.attempt = m.attempt
){grouping.COUNTED if failing else ""}{_WITH_MORE if more else ""}
SELECT id FROM moved
""")  # noqa: S608 - the parts are constants


def settling(settlements: Sequence[Settlement]) -> tuple[TextClause, dict[str, Any]]:
    """The statement that writes these ends, and its parameters but for the worker."""
    ordered = sorted(settlements, key=lambda settlement: settlement.job)
    moves = [settlement.transition for settlement in ordered]
    more = not all(settlement.is_plain for settlement in ordered)
    failing = any(map(grouping.counts, moves))
    columns = _columns(ordered)
    if more:
        columns |= _more(ordered)
    if failing:
        columns |= grouping.causes([(s.job, s.transition) for s in ordered])
    return _statement(more=more, failing=failing), columns


def _columns(settlements: Sequence[Settlement]) -> dict[str, Any]:
    moves = [s.transition for s in settlements]
    failures = [move.failure for move in moves]
    return {
        "job": literal([s.job for s in settlements]),
        "attempt": literal([s.attempt for s in settlements]),
        "state": literal([move.state.value for move in moves]),
        "reason": literal([move.reason.value if move.reason else None for move in moves]),
        "delay": literal([None if s.delay is None else s.delay.total_seconds() for s in settlements]),
        "failures": literal([move.failures for move in moves]),
        "crashes": literal([move.crashes for move in moves]),
        "outcome": literal([move.outcome.value for move in moves]),
        "code": literal([failure.code if failure else None for failure in failures]),
        "message": literal([failure.message if failure else None for failure in failures]),
        "kind": literal([failure.kind if failure else None for failure in failures]),
        "signature": literal([failure.signature if failure else None for failure in failures]),
        "result": literal([s.result for s in settlements]),
    }


def _more(settlements: Sequence[Settlement]) -> dict[str, Any]:
    children = [(s.job, child) for s in settlements for child in s.children]
    waits = [(s.job, wait) for s in settlements for wait in s.waits]
    endings = [s.transition.ending for s in settlements]
    return {
        "ending": literal([ending_as_json(ending) if ending else None for ending in endings]),
        "undone": _booleans(s.transition.undone for s in settlements),
        "child": literal([child.id for _, child in children]),
        "parent": literal([parent for parent, _ in children]),
        "child_name": literal([child.name for _, child in children]),
        "child_args": literal([child.args for _, child in children]),
        "child_queue": literal([child.queue for _, child in children]),
        "child_priority": literal([child.priority for _, child in children]),
        "child_tags": literal([child.tags for _, child in children]),
        "child_delay": literal([child.delay.total_seconds() for _, child in children]),
        "waiter": literal([job for job, _ in waits]),
        "wait_position": literal([wait.position for _, wait in waits]),
        "source": literal([wait.source for _, wait in waits]),
        "subject": literal([wait.subject for _, wait in waits]),
        "types": literal([_nested(wait.types) for _, wait in waits]),
        "since": literal([wait.since for _, wait in waits]),
        "consumed": literal([_nested(wait.consumed) for _, wait in waits]),
    }


def _booleans(values: Iterable[bool]) -> str | None:
    return literal([str(value).lower() for value in values])


def _nested(values: Sequence[Element]) -> str:
    """An array inside a column, whose elements may differ in number: a literal of its own, as text."""
    return literal(values) or "{}"


def ending_as_json(ending: Ending) -> str:
    """An ending as it is stored with its job."""
    failure = ending.failure
    said = failure and {
        "code": failure.code,
        "message": failure.message,
        "kind": failure.kind,
        "signature": failure.signature,
    }
    return orjson.dumps({"state": ending.state, "reason": ending.reason, "failure": said}).decode()


def ending_from_json(stored: Mapping[str, Any] | None) -> Ending | None:
    """What `ending_as_json` made."""
    if stored is None:
        return None
    failure = Failure(**stored["failure"]) if stored.get("failure") else None
    return Ending(JobState(stored["state"]), Reason(stored["reason"]), failure)
