"""The audit log over HTTP."""

from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from aiohttp import web
from pydantic import StringConstraints, model_validator

from hub.domain.access import Scope
from hub.services.audit import AuditEntry, AuditFilter
from hub.services.listings import Page
from hub.web.answers import json_answer
from hub.web.endpoints import Context, Endpoint, Outcome, Shape
from hub.web.reading import query_of
from hub.web.schemas import Moment, PageQuery

Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class AuditQuery(PageQuery):
    """Which entries."""

    actor: Text | None = None
    """By whom: an operator's e-mail address, as an entry has it."""
    action: Text | None = None
    """What was done, as `job.retry`."""
    subject: Text | None = None
    """To what: the id of a job, an event, an operator or a key, or the name of a queue."""
    since: Moment | None = None
    """At this time or later."""
    until: Moment | None = None
    """Before this time."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("since must lie before until")
        return self


async def list_entries(request: web.Request, context: Context) -> web.StreamResponse:
    """A part of the log."""
    query = query_of(request, AuditQuery)
    wanted = AuditFilter(query.actor, query.action, query.subject, query.since, query.until)
    return json_answer(await context.hub.audit.list(wanted, limit=query.limit, cursor=query.cursor))


_ENTRY = AuditEntry(
    seq=1042,
    id=UUID("01980a3c-9b2e-7c41-8f02-7d1e5c0a9b33"),
    at=datetime(2027, 1, 31, 9, 0, tzinfo=UTC),
    actor="ada@example.com",
    action="job.retry",
    subject="01980a3c-7d1e-7cc3-9a41-5f0c2b7e8d10",
    detail={"reason": "Stripe's dashboard shows no charge"},
    previous="5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    hash="9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0",
)


def endpoints() -> tuple[Endpoint, ...]:
    """The audit log."""
    return (
        Endpoint(
            "GET", "/v1/audit", list_entries, Scope.AUDIT_READ, "listAudit", "Audit", "List what people did",
            "Newest first. Every entry carries the hash of the one before, so that a change, or a gap, shows:"
            " `hub audit verify` recomputes them.",
            (Outcome(200, "A part of the log", Shape(Page[AuditEntry], Page([_ENTRY], None))),),
            query=AuditQuery,
        ),
    )  # fmt: skip
