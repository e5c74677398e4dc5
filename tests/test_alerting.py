"""Settings of alerts: a channel that could not work stops the start."""

import pytest

from hub.config import Config, load
from hub.domain.errors import ConfigurationError
from hub.registry import load as registry

REGISTRY = registry()
MAIL = {"HUB_EMAIL_BASE_URL": "smtp://mail.example.com", "HUB_EMAIL_FROM": "hub@example.com"}


def config(**environ: str) -> Config:
    return load(environ, sources=REGISTRY.sources, providers=REGISTRY.providers)


def test_nobody_is_told_unless_somebody_is_named() -> None:
    """Alerts are found and shown all the same."""
    alerts = config().alerts
    assert (alerts.email_to, alerts.webhook_url) == ((), None)
    assert alerts.rules.oldest_due.total_seconds() == 300


def test_several_addresses_may_be_named() -> None:
    """With commas between."""
    assert config(HUB_ALERTS_EMAIL_TO="a@example.com, b@example.com", **MAIL).alerts.email_to == (
        "a@example.com",
        "b@example.com",
    )


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"HUB_ALERTS_EMAIL_TO": "a@example.com"}, "HUB_ALERTS_EMAIL_TO needs HUB_EMAIL_BASE_URL"),
        ({"HUB_ALERTS_EMAIL_TO": "nobody", **MAIL}, "must be mail addresses"),
        ({"HUB_ALERTS_WEBHOOK_URL": "https://example.com/hooks"}, "needs HUB_HTTP_SIGNING_SECRET"),
        (
            {"HUB_ALERTS_WEBHOOK_URL": "smtp://example.com", "HUB_HTTP_SIGNING_SECRET": "whsec_c2VjcmV0"},
            "must be http",
        ),
        (
            {"HUB_ALERTS_WEBHOOK_URL": "https://e.com/?token=1", "HUB_HTTP_SIGNING_SECRET": "whsec_c2VjcmV0"},
            "no user",
        ),
        ({"HUB_ALERTS_OLDEST_DUE": "-1"}, "must be a number"),
    ],
)
def test_what_could_not_work_stops_the_start(environ: dict[str, str], problem: str) -> None:
    """With a word about what to set."""
    with pytest.raises(ConfigurationError, match=problem):
        config(**environ)


def test_the_address_of_slack_is_a_secret() -> None:
    """No log may show it."""
    url = "https://hooks.slack.com/services/T012/B345/abcdefghijklmnop"
    assert url in set(config(HUB_SLACK_WEBHOOK_URL=url).secrets())
