"""Alerts for people and programs: what is open, what was, whom they are told, and whether that works."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from hub.config.alerts import AlertConfig
from hub.domain.access import Principal
from hub.domain.alerts import AlertKind, Message, Told, compose
from hub.domain.errors import Conflict
from hub.infra.store.alerts import AlertRecord, AlertStore, TellingJob
from hub.infra.store.operations import Audit
from hub.registry import Registry
from hub.services.alert_views import AlertTest, AlertView, TestedChannel
from hub.services.cursors import format_cursor, parse_cursor
from hub.services.listings import Page
from hub.services.operate import actor_of

ALERTS_PAGE = "/console/alerts"
MOST_OPEN = 500


@dataclass(frozen=True, slots=True)
class Channel:
    """Where messages go.

    Attributes:
        name: as people call it.
        job: the job that tells it.
        to: an argument of that job; None where its address is a setting of its own.
    """

    name: str
    job: str
    to: str | None = None


def channels_of(config: AlertConfig, registry: Registry, *, slack: bool) -> tuple[Channel, ...]:
    """The channels that are configured, as far as this release has jobs for them."""
    wanted = [Channel("slack", "alerts.to_slack")] if slack else []
    wanted += [Channel("email", "alerts.to_email", address) for address in config.email_to]
    if config.webhook_url:
        wanted.append(Channel("webhook", "alerts.to_webhook", config.webhook_url))
    return tuple(channel for channel in wanted if channel.job in registry.jobs)


class Telling:
    """Makes jobs of messages.

    Args:
        channels: whom to tell.
        registry: the jobs that do.
        site: where people reach the hub; empty if nobody has said.
        clock: now.
        new_id: makes UUIDv7s.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        registry: Registry,
        site: str,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
    ) -> None:
        self.channels = tuple(channels)
        self._registry = registry
        self._site = site
        self._clock = clock
        self._new_id = new_id

    def jobs(self, told: Sequence[Told]) -> list[TellingJob]:
        """One job for each channel, of all that there is to tell."""
        message = compose(told)
        return [self.job(channel, message) for channel in self.channels]

    def job(self, channel: Channel, message: Message) -> TellingJob:
        """The job that tells one channel."""
        spec = self._registry.jobs[channel.job]
        args = self._notice(message) | ({"to": channel.to} if channel.to is not None else {})
        return TellingJob(self._new_id(), spec.name, orjson.dumps(args).decode(), spec.queue, spec.priority)

    def _notice(self, message: Message) -> dict[str, Any]:
        return {
            "title": message.title[:2000],
            "items": [
                {
                    "kind": item.kind.value,
                    "standing": item.standing.value,
                    "title": item.title[:500],
                    "detail": item.detail[:3000],
                    "url": self._url(item.path),
                }
                for item in message.items
            ],
            "more": message.more,
            "url": self._url(ALERTS_PAGE),
            "at": f"{self._clock():%Y-%m-%dT%H:%M:%SZ}",
        }

    def _url(self, path: str) -> str:
        return f"{self._site}{path}" if self._site else ""


class Alerts:
    """Reads alerts, and tries the channels.

    Args:
        store: where they are.
        telling: makes the jobs of a test.
        new_id: makes UUIDv7s.
    """

    def __init__(self, store: AlertStore, telling: Telling, *, new_id: Callable[[], UUID]) -> None:
        self._store = store
        self._telling = telling
        self._new_id = new_id

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Whom alerts are told."""
        return self._telling.channels

    async def open(self) -> list[AlertView]:
        """What is not over, the latest first; 500 at most."""
        return [_view(record) for record in await self._store.open(MOST_OPEN)]

    async def list_all(
        self, *, limit: int = 50, cursor: str | None = None, past: bool = False
    ) -> Page[AlertView]:
        """Every alert of the last three months, or every one that is over, newest first. Raises Invalid for a bad cursor."""
        after = parse_cursor("alerts", cursor) if cursor is not None else None
        records = await self._store.all(limit + 1, after=after, past=past)
        more = format_cursor("alerts", records[limit - 1].id) if len(records) > limit else None
        return Page([_view(record) for record in records[:limit]], more)

    async def test(self, principal: Principal) -> AlertTest:
        """Send a test message to every channel, by the jobs that tell alerts. Raises Conflict if there is none."""
        if not self.channels:
            raise Conflict(
                "no channel is configured: set HUB_SLACK_WEBHOOK_URL, HUB_ALERTS_EMAIL_TO or HUB_ALERTS_WEBHOOK_URL",
                code="no_channel",
            )
        who = actor_of(principal)
        message = Message(f"This is a test, asked for by {who}: alerts of this hub reach you here.", ())
        jobs = [self._telling.job(channel, message) for channel in self.channels]
        detail = orjson.dumps({"channels": [channel.name for channel in self.channels]}).decode()
        await self._store.enqueue(jobs, Audit(self._new_id(), who, detail))
        return AlertTest(
            [
                TestedChannel(channel.name, channel.to or "", job.id)
                for channel, job in zip(self.channels, jobs, strict=True)
            ]
        )


def _view(record: AlertRecord) -> AlertView:
    fields = {name: getattr(record, name) for name in AlertView.__slots__}
    return AlertView(**{**fields, "kind": AlertKind(record.kind)})
