"""The queries that read what is on record of some jobs, each kind by its index, in order of time and bounded; what they give
is in `stories`.

Every query takes where the page begins and how many rows it may give for one job, so that a job with ten thousand attempts
costs as much as one with a hundred.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from hub.infra.store.database import Database
from hub.infra.store.stories import StoryAttempt, StoryEvent, StoryJob, StoryNote, StoryStep

MOST_JOBS = 100  # of one combined timeline
BODY = 16_384  # bytes of an event's body that are shown
ANSWER = 8_192  # bytes of a step's answer that are shown
_LAST_ID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of the time is read.

    Attributes:
        bound: nothing before it, or nothing after it if `newest_first`; None for no bound.
        limit: the most rows of one kind for one job.
        beyond: the event at the bound itself after which it begins; None if it begins after all events of that time, or,
            `newest_first`, before them.
    """

    bound: datetime | None
    limit: int
    newest_first: bool = False
    beyond: UUID | None = None


_OWN = "(CAST(:application AS uuid) IS NULL OR j.application_id = :application)"
_JOB = """
    j.id, j.name, j.state, j.reason, j.queue, j.priority, j.run_at, j.created_at, j.started_at, j.settled_at, j.undone_at,
    a.name, j.idempotency_key, j.correlation_id, j.tags, j.event_id, j.parent_id, j.attempt, j.generation, j.error_code,
    j.error_message, j.worker_id
"""
_FROM = "jobs j LEFT JOIN applications a ON a.id = j.application_id"

_BY_ID = text(f"SELECT {_JOB} FROM {_FROM} WHERE j.id = :wanted AND {_OWN} LIMIT :most")  # noqa: S608 - constants
_BY_CORRELATION = text(
    f"SELECT {_JOB} FROM {_FROM} WHERE j.correlation_id = :wanted AND {_OWN} ORDER BY j.id DESC LIMIT :most"  # noqa: S608
)
# Served by the index on tags alone: in the order of ids it would read through jobs without that tag.
_BY_TAG = text(f"""
WITH tagged AS MATERIALIZED (
    SELECT id FROM jobs WHERE tags <> '[]' AND tags @> jsonb_build_array(CAST(:wanted AS text))
)
SELECT {_JOB} FROM tagged t JOIN jobs j ON j.id = t.id LEFT JOIN applications a ON a.id = j.application_id
WHERE {_OWN} ORDER BY j.id DESC LIMIT :most
""")  # noqa: S608 - constants
# Whom its events have started, and who waits for one now.
_BY_SUBJECT = text(f"""
WITH about AS (
    SELECT id FROM events WHERE source = ANY(CAST(:sources AS text[])) AND subject = :wanted
    ORDER BY received_at DESC LIMIT :most
), concerned AS (
    SELECT j.id FROM about e JOIN jobs j ON j.event_id = e.id
    UNION
    SELECT w.job_id FROM waits w WHERE w.source = ANY(CAST(:sources AS text[])) AND w.subject = :wanted
)
SELECT {_JOB} FROM concerned c JOIN jobs j ON j.id = c.id LEFT JOIN applications a ON a.id = j.application_id
WHERE {_OWN} ORDER BY j.id DESC LIMIT :most
""")  # noqa: S608 - constants

_EVENT = """
    e.id, e.source, e.external_id, e.type, e.subject, e.correlation_id, e.occurred_at, e.received_at, octet_length(e.body),
    e.headers, substring(e.body FROM 1 FOR :body)
"""


class TimelineStore:
    """Reads what is on record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, job: UUID, application: UUID | None) -> list[StoryJob]:
        """One job, if it is there and within reach."""
        return await self._jobs(_BY_ID, application, wanted=job)

    async def correlated(self, correlation_id: str, application: UUID | None) -> list[StoryJob]:
        """Jobs of one correlation id, the newest first; one more than MOST_JOBS if there are more."""
        return await self._jobs(_BY_CORRELATION, application, wanted=correlation_id)

    async def tagged(self, tag: str, application: UUID | None) -> list[StoryJob]:
        """Jobs with one tag, the newest first; one more than MOST_JOBS if there are more."""
        return await self._jobs(_BY_TAG, application, wanted=tag)

    async def about(self, subject: str, sources: Sequence[str], application: UUID | None) -> list[StoryJob]:
        """Jobs that events about one thing have started or would wake, the newest first."""
        return await self._jobs(_BY_SUBJECT, application, wanted=subject, sources=list(sources))

    async def attempts(self, jobs: Sequence[UUID], span: Span) -> list[StoryAttempt]:
        """Finished attempts."""
        rows = await self._spanned(_ATTEMPTS[span.newest_first], span, jobs=list(jobs))
        return [StoryAttempt(*row) for row in rows]

    async def steps(self, jobs: Sequence[UUID], span: Span) -> list[StoryStep]:
        """Lines of the ledger."""
        rows = await self._spanned(_STEPS[span.newest_first], span, jobs=list(jobs), answer=ANSWER)
        return [StoryStep(*row) for row in rows]

    async def notes(self, subjects: Sequence[str], span: Span, since: Sequence[datetime]) -> list[StoryNote]:
        """What people did to each of the subjects since a time."""
        values = {"subjects": list(subjects), "since": list(since)}
        rows = await self._spanned(_NOTES[span.newest_first], span, **values)
        return [StoryNote(*row) for row in rows]

    async def planned(self, jobs: Sequence[UUID], span: Span) -> list[StoryNote]:
        """What plans did to each of the jobs."""
        rows = await self._spanned(_PLANNED[span.newest_first], span, jobs=list(jobs))
        return [StoryNote(*row) for row in rows]

    async def events(self, events: Sequence[UUID], span: Span) -> list[StoryEvent]:
        """Events by their ids."""
        return await self._received(_EVENTS, span, events=list(events))

    async def events_of(self, correlation_id: str, span: Span) -> list[StoryEvent]:
        """Events of one correlation id."""
        return await self._received(_EVENTS_CORRELATED, span, correlation_id=correlation_id)

    async def events_about(self, subject: str, sources: Sequence[str], span: Span) -> list[StoryEvent]:
        """Events about one thing."""
        return await self._received(_EVENTS_ABOUT, span, subject=subject, sources=list(sources))

    async def _received(
        self, either: Mapping[bool, TextClause], span: Span, **values: Any
    ) -> list[StoryEvent]:
        given = {**values, "beyond": span.beyond or _LAST_ID, "body": BODY}
        rows = await self._spanned(either[span.newest_first], span, **given)
        return [StoryEvent(*row) for row in rows]

    async def _jobs(self, statement: TextClause, application: UUID | None, **values: Any) -> list[StoryJob]:
        values = {**values, "application": application, "most": MOST_JOBS + 1}
        return [StoryJob(*row) for row in await self._database.run(statement, values)]

    async def _spanned(self, statement: TextClause, span: Span, **values: Any) -> Sequence[Any]:
        return await self._database.run(statement, {**values, "bound": span.bound, "limit": span.limit})


def _both_ways(sql: str) -> dict[bool, TextClause]:
    """A statement for each direction: `{since}` compares a time with the bound, `{beyond}` a time and an id with it and the
    id that was last, `{order}` is the direction.
    """
    earliest, latest = (f"coalesce(CAST(:bound AS timestamptz), '{end}infinity')" for end in ("-", ""))
    beyond = "CAST(:beyond AS uuid)"
    return {
        False: text(sql.format(since=f">= {earliest}", beyond=f"> ({earliest}, {beyond})", order="ASC")),
        True: text(sql.format(since=f"<= {latest}", beyond=f"< ({latest}, {beyond})", order="DESC")),
    }


_ATTEMPTS = _both_ways("""
SELECT t.job_id, t.number, t.generation, t.outcome, t.error_code, t.error_message, t.worker_id, t.started_at, t.finished_at,
    w.host, w.pid, w.release,
    (SELECT n.started_at FROM attempts n WHERE n.job_id = t.job_id AND n.number = t.number + 1 AND n.generation = t.generation)
FROM unnest(CAST(:jobs AS uuid[])) AS i(id) CROSS JOIN LATERAL (
    SELECT * FROM attempts t WHERE t.job_id = i.id AND t.started_at {since} ORDER BY t.number {order} LIMIT :limit
) t LEFT JOIN workers w ON w.id = t.worker_id
""")

_LINE = """job_id, position, name, provider, effect, certainty, serial, sends, attempt, idempotency_key, digest, kind, answer,
            error_code, error_message, first_sent_at, last_sent_at, answered_at"""
# Under the same key a call keeps its beginning, however often it is made again: of what was told before, the rest follows.
_STEPS = _both_ways(f"""
SELECT s.job_id, s.position, s.name, s.provider, s.effect, s.certainty, s.serial, s.sends, s.attempt, s.idempotency_key,
    encode(s.digest, 'hex'), s.kind, CASE WHEN pg_column_size(s.answer) <= :answer THEN s.answer END,
    pg_column_size(s.answer), s.error_code, s.error_message, s.began_at, s.last_sent_at, s.answered_at, s.past
FROM unnest(CAST(:jobs AS uuid[])) AS i(id) CROSS JOIN LATERAL (
    WITH told AS (
        SELECT {_LINE}, false AS past FROM steps WHERE job_id = i.id
        UNION ALL
        SELECT {_LINE}, true FROM past_steps p WHERE job_id = i.id
            AND EXISTS (SELECT FROM steps n WHERE n.job_id = p.job_id AND n.position = p.position AND n.attempt <> p.attempt)
    ), following AS (
        SELECT *, lag(last_sent_at) OVER (PARTITION BY position ORDER BY attempt) AS before FROM told
    ), begun AS (
        SELECT *, CASE WHEN first_sent_at <= before THEN last_sent_at ELSE coalesce(first_sent_at, answered_at) END AS began_at
        FROM following
    )
    SELECT * FROM begun WHERE began_at {{since}}
    ORDER BY began_at {{order}}, position {{order}}, attempt {{order}} LIMIT :limit
) s
""")  # noqa: S608 - constants

_NOTES = _both_ways("""
SELECT n.id, n.at, n.actor, n.action, n.subject, n.detail
FROM unnest(CAST(:subjects AS text[]), CAST(:since AS timestamptz[])) AS i(subject, since) CROSS JOIN LATERAL (
    SELECT id, at, actor, action, subject, detail FROM audit_log
    WHERE subject = i.subject AND at {since} AND at >= i.since ORDER BY id {order} LIMIT :limit
) n
""")

# What a plan does to its jobs is noted in its items, not in the audit log, where the plan has a line for all of them.
_PLANNED = _both_ways("""
SELECT CAST(md5(CAST(n.plan_id AS text) || n.position) AS uuid), n.released_at, coalesce(p.started_by, p.created_by),
    'plan.' || p.action || '.job', CAST(n.job_id AS text),
    jsonb_build_object('plan', n.plan_id, 'search', p.filter, 'reason', p.reason, 'outcome', n.state, 'note', n.note)
FROM unnest(CAST(:jobs AS uuid[])) AS i(id) CROSS JOIN LATERAL (
    SELECT * FROM plan_items WHERE job_id = i.id AND released_at {since} ORDER BY released_at {order} LIMIT :limit
) n JOIN plans p ON p.id = n.plan_id
""")


# Events that were taken in at the same moment, by one statement, are told apart by their ids.
def _events(where: str) -> dict[bool, TextClause]:
    return _both_ways(f"""
SELECT {_EVENT} FROM events e WHERE {where} AND e.received_at {{since}}
    AND (e.received_at, e.id) {{beyond}}
ORDER BY e.received_at {{order}}, e.id {{order}} LIMIT :limit
""")  # noqa: S608 - constants


_EVENTS = _events("e.id = ANY(CAST(:events AS uuid[]))")
_EVENTS_CORRELATED = _events("e.correlation_id = :correlation_id")
_EVENTS_ABOUT = _events("e.source = ANY(CAST(:sources AS text[])) AND e.subject = :subject")
