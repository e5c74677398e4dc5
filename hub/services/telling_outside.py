"""From records of what came from outside a job, webhooks and people, to entries of a timeline, in words for people."""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.domain.redaction import Redactor
from hub.domain.timeline import Entry, EntryKind
from hub.infra.store.stories import StoryEvent, StoryNote
from hub.infra.store.timeline import BODY


@dataclass(frozen=True, slots=True)
class Sight:
    """What of an event the caller may see.

    Attributes:
        raw: its headers and body as received; else both without secrets.
    """

    raw: bool


def told_of_events(events: Iterable[StoryEvent], sight: Sight, redactor: Redactor) -> Iterable[Entry]:
    """What came in: as received for those who may see that, without secrets for others."""
    for one in events:
        about = f" about {one.subject}" if one.subject else ""
        detail = {
            "event_id": one.id,
            "source": one.source,
            "type": one.type,
            "external_id": one.external_id,
            "subject": one.subject,
            "correlation_id": one.correlation_id,
            "occurred_at": one.occurred_at,
            "size": one.size,
            "headers": one.headers if sight.raw else redactor.mapping(one.headers),
            "body": _body(one, sight, redactor),
            "body_cut": bool(one.size and one.size > BODY),
        }
        text = f"{one.source} sent {one.type}{about}"
        yield Entry(one.received_at, EntryKind.RECEIVED, str(one.id), None, text, detail=detail)


def _body(one: StoryEvent, sight: Sight, redactor: Redactor) -> Any:
    if one.body is None:
        return None
    try:
        text = one.body.decode()
    except UnicodeDecodeError as error:
        if error.start < len(one.body) - 3 or not one.size or one.size <= BODY:
            return base64.b64encode(one.body).decode() if sight.raw else f"<{one.size} bytes>"
        # The cut went through a character.
        text = one.body[: error.start].decode()
    if sight.raw:
        return text
    try:
        return redactor.value(orjson.loads(text))
    except orjson.JSONDecodeError:
        # Of half a document the names that tell what is secret cannot be read as well as of a whole one.
        return f"<{one.size} bytes>" if one.size and one.size > BODY else redactor.text(text)


# How an action reads in a sentence; what is not listed is told by its name.
_ACTIONS: Mapping[str, str] = {
    "job.retry": "retried it",
    "job.cancel": "cancelled it",
    "job.close": "closed it: the rest of what it did is taken care of",
    "job.edit": "edited its arguments and retried it",
    "job.edit_propose": "proposed to edit its arguments",
    "job.edit_approve": "approved the edit of its arguments",
    "job.edit_reject": "rejected the edit of its arguments",
    "plan.retry.job": "retried it with others, by a plan",
    "plan.requeue.job": "had it run now with others, by a plan",
    "plan.cancel.job": "cancelled it with others, by a plan",
    "plan.discard.job": "closed it with others, by a plan",
    "event.replay": "replayed the event",
    "queue.pause": "paused its queue",
    "queue.resume": "resumed its queue",
}


def told_of_notes(
    notes: Iterable[StoryNote], redactor: Redactor, job_of: Callable[[str], Any]
) -> Iterable[Entry]:
    """What people did, and why."""
    for one in notes:
        reason = one.detail.get("reason") if isinstance(one.detail, dict) else None
        done = _ACTIONS.get(one.action, one.action)
        text = f"{one.actor} {done}{f': {reason}' if reason else ''}"
        detail = {
            "actor": one.actor,
            "action": one.action,
            "subject": one.subject,
            "reason": reason,
            "detail": redactor.value(one.detail),
        }
        yield Entry(one.at, EntryKind.OPERATOR, str(one.id), job_of(one.subject), text, detail=detail)
