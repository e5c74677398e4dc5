"""What is configured of the web process: where it listens, and what it takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hub.config.environment import Environment
from hub.urls import listening, site_url

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The web process. Sizes in bytes; `rate_limit` in requests a second of one API key, 0 for none.

    Attributes:
        public_url: where people reach it, without a slash at its end; None if that is where it listens.
        proxies: how many stand before it and add to X-Forwarded-For.
    """

    host: str
    port: int
    public_url: str | None
    proxies: int
    rate_limit: float
    rate_burst: int
    max_body: int
    max_batch_body: int
    max_webhook_body: int
    max_json_depth: int
    shutdown_grace: timedelta

    @property
    def address(self) -> str:
        """Where people on this machine, or all if `public_url` is set, reach the hub."""
        return self.public_url or listening(self.host, self.port)


@dataclass(frozen=True, slots=True)
class PendingConfig:
    """What may wait to be stored, in one web process, of webhooks, of jobs and of batches each; beyond it: 503.

    Attributes:
        patience: while something that came longer ago is not stored, nothing more is taken.
        deadline: how long anybody waits for an answer.
    """

    limit: int
    bytes: int
    patience: timedelta
    deadline: timedelta


def read_web(env: Environment) -> WebConfig:
    """Read where it listens, and the limits of one request."""
    most = 64 * MIB
    return WebConfig(
        host=env.text("HUB_HOST", "127.0.0.1", "the address to listen on"),
        port=env.integer("HUB_PORT", 8080, "the port to listen on, 0 for any free one", low=0, high=65_535),
        public_url=env.parsed(
            "HUB_PUBLIC_URL",
            None,
            "where people reach the hub, such as https://hub.example.com; without it, alerts hold no links",
            site_url,
            shown="where it listens",
        ),
        proxies=env.integer(
            "HUB_PROXIES",
            0,
            "how many proxies stand before the hub and add to X-Forwarded-For",
            low=0,
            high=10,
        ),
        rate_limit=env.number(
            "HUB_RATE_LIMIT", 2_000, "requests a second of one API key, 0 for no limit", low=0, high=1e6
        ),
        rate_burst=env.integer(
            "HUB_RATE_BURST", 4_000, "requests of one API key at once", low=1, high=10_000_000
        ),
        max_body=env.integer("HUB_MAX_BODY", MIB, "the largest request, in bytes", low=1024, high=most),
        max_batch_body=env.integer(
            "HUB_MAX_BATCH_BODY", 16 * MIB, "the largest request of many jobs, in bytes", low=1024, high=most
        ),
        max_webhook_body=env.integer(
            "HUB_MAX_WEBHOOK_BODY", MIB, "the largest webhook, in bytes", low=1024, high=most
        ),
        max_json_depth=env.integer(
            "HUB_MAX_JSON_DEPTH", 64, "how deep a JSON body may be nested", low=4, high=200
        ),
        shutdown_grace=env.seconds(
            "HUB_WEB_SHUTDOWN_GRACE", 10, "how long requests under way may take to end", low=0, high=600
        ),
    )


def unbound(web: WebConfig) -> Iterator[str]:
    """A sentence where the hub cannot know that browsers reach it over TLS, and looks as if they did."""
    if web.proxies and web.public_url is None:
        yield "HUB_PROXIES is set and HUB_PUBLIC_URL is not: the console's cookies are not bound to TLS"


def read_pending(env: Environment) -> PendingConfig:
    """Read how much of what was taken may wait to be stored."""
    pending = PendingConfig(
        limit=env.integer(
            "HUB_PENDING_LIMIT", 2_000, "requests that may wait to be stored, of each kind", low=1, high=100_000
        ),
        bytes=env.integer(
            "HUB_PENDING_BYTES", 64 * MIB, "bytes of them, and of bodies being read", low=MIB, high=4096 * MIB
        ),
        patience=env.seconds(
            "HUB_PENDING_PATIENCE", 3, "while something waits for longer, more is refused at once", low=0.1, high=60
        ),
        deadline=env.seconds(
            "HUB_PENDING_DEADLINE", 8, "after how long whatever waits is answered with 503", low=0.1, high=300
        ),
    )  # fmt: skip
    if pending.patience > pending.deadline:
        env.problems.append(
            "HUB_PENDING_PATIENCE must be at most HUB_PENDING_DEADLINE: what has waited for that long is refused"
        )
    return pending
