"""What is configured of alerts: which there are, and whom they are told."""

import re
from dataclasses import dataclass

from hub.config.environment import Environment
from hub.domain.alerts import AlertRules
from hub.urls import base_url

_ADDRESS = re.compile(r"[^\s@,]{1,64}@[^\s@,]{1,255}")


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """Alerts, and their channels; Slack is one where HUB_SLACK_WEBHOOK_URL is set.

    Attributes:
        email_to: everybody who gets a mail.
        webhook_url: what is told by a signed request; None for none.
    """

    rules: AlertRules
    email_to: tuple[str, ...]
    webhook_url: str | None


def read_alerts(env: Environment) -> AlertConfig:
    """Read all about alerts."""
    return AlertConfig(
        AlertRules(
            oldest_due=env.seconds(
                "HUB_ALERTS_OLDEST_DUE", 300, "alert when due work of a queue waits for longer, 0 for never", low=0, high=86_400
            ),
            remind=env.seconds(
                "HUB_ALERTS_REMIND", 4 * 3_600, "tell again of what lasts, so often, 0 for never", low=0, high=7 * 86_400
            ),
        ),
        env.parsed("HUB_ALERTS_EMAIL_TO", (), "who is mailed about alerts, comma-separated", _addresses, shown="nobody"),
        env.parsed("HUB_ALERTS_WEBHOOK_URL", None, "what is told of alerts by a signed request", _url, shown="none"),
    )  # fmt: skip


def problems_of(env: Environment, alerts: AlertConfig) -> list[str]:
    """What a channel needs and does not have."""
    found = []
    if alerts.email_to and not (env.is_given("HUB_EMAIL_BASE_URL") and env.is_given("HUB_EMAIL_FROM")):
        found.append(
            "HUB_ALERTS_EMAIL_TO needs HUB_EMAIL_BASE_URL and HUB_EMAIL_FROM: there is no mail without them"
        )
    if alerts.webhook_url and not env.is_given("HUB_HTTP_SIGNING_SECRET"):
        found.append(
            "HUB_ALERTS_WEBHOOK_URL needs HUB_HTTP_SIGNING_SECRET: nobody could tell that it is the hub who speaks"
        )
    return found


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(part.strip() for part in text.split(","))
    if not all(_ADDRESS.fullmatch(address) for address in addresses):
        raise ValueError("must be mail addresses with commas between")
    return addresses


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be http:// or https:// and a host, perhaps with a path")
    # Without what might be a secret: it stands in the arguments of jobs.
    return base_url(text)
