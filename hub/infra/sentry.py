"""Reports unexpected errors to Sentry, without anything that could be a secret.

A client of our own, and not `sentry_sdk.init`: that one is global, and its integrations patch libraries and collect
requests, arguments and log lines. Here only what `report` is handed leaves the process, scrubbed by the rules of the logs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from hub.domain.redaction import Redactor


@dataclass(frozen=True, slots=True)
class Reporter:
    """Reports errors; made by `reporter`. Without a DSN it does nothing, at no cost."""

    client: sentry_sdk.Client | None

    def report(
        self, error: BaseException, *, extra: Mapping[str, Any] | None = None, **tags: str | None
    ) -> str | None:
        """Queue one error for sending, which a thread of the client does; never raises, never waits.

        Args:
            error: with its traceback; local variables are left out.
            extra: further fields, scrubbed.
            tags: what to search by: correlation_id, job, queue. None leaves one out.

        Returns:
            the report's id at Sentry, None if it was not queued.
        """
        if self.client is None:
            return None
        event, hint = event_from_exception(error, client_options=self.client.options)
        event["tags"] = {name: value for name, value in tags.items() if value is not None}
        event["extra"] = dict(extra or {})
        # A scope of its own: nothing that anyone put into a global one goes along.
        return self.client.capture_event(event, hint, scope=sentry_sdk.Scope())

    def close(self, timeout: float = 2.0) -> None:
        """Send what is queued, for at most so many seconds. Blocks: call it in a thread, or last of all."""
        if self.client is not None:
            self.client.close(timeout=timeout)


def reporter(
    dsn: str | None, *, environment: str, release: str, redactor: Redactor | None = None
) -> Reporter:
    """A reporter for this DSN; one that does nothing where there is none."""
    if dsn is None:
        return Reporter(None)
    rules = redactor or Redactor()

    def scrub(event: Event, _hint: Hint) -> Event:
        return cast("Event", _scrubbed(cast("dict[str, Any]", event), rules))

    return Reporter(
        sentry_sdk.Client(
            dsn=dsn,
            environment=environment,
            release=release,
            before_send=scrub,
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            enable_backpressure_handling=False,
            traces_sample_rate=None,
            spotlight=False,
            debug=False,
        )
    )


# What the SDK itself writes, with nothing of ours in it; scrubbing would spoil what Sentry needs as it is.
_OWN = frozenset(
    {"event_id", "timestamp", "level", "platform", "sdk", "release", "environment", "modules", "contexts", "server_name"}
)  # fmt: skip
_LEFT_OUT = frozenset({"request", "user", "breadcrumbs"})


def _scrubbed(event: dict[str, Any], rules: Redactor) -> dict[str, Any]:
    return {
        name: value if name in _OWN else rules.value(value)
        for name, value in event.items()
        if name not in _LEFT_OUT
    }
