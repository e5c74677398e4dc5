"""Frozen settings, and the only reader of the environment.

A process reads its settings once, at its start. Whatever is wrong is told in one message, and nothing starts.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args

from hub import __version__
from hub.alerting import AlertConfig, problems_of, read_alerts
from hub.domain.errors import ConfigurationError
from hub.domain.providers import Call, Provider
from hub.domain.redaction import Secret
from hub.domain.sessions import SessionLimits
from hub.domain.sources import Source
from hub.domain.specs import QUEUE_NAME
from hub.environment import Environment, Setting, variable
from hub.signing_in import OidcConfig, read_oidc, read_sessions
from hub.urls import (
    base_url,
    check_dsn,
    check_postgres,
    check_redis,
    listening,
    passwords_in,
    site_url,
)

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]
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


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The worker process; no `queues` means all of them, no `metrics_port` that it serves nothing."""

    concurrency: int
    queues: tuple[str, ...]
    lease: timedelta
    heartbeat: timedelta
    shutdown_grace: timedelta
    metrics_port: int | None


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """What moves due work from PostgreSQL into Redis; `buffer_limit` in jobs of one queue."""

    buffer_limit: int
    tick: timedelta
    rehand_after: timedelta


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`auto` is for people where the output is a terminal, else JSON."""

    level: LogLevel
    format: LogFormat


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What is configured of one provider.

    Attributes:
        base_url: where it lives, without a slash at its end; None leaves it to the provider's own.
        credentials: by their names in the provider's file; only those that are set.
        secrets: those of the credentials that no log may show.
        missing: the variables without which it cannot be called.
    """

    base_url: str | None
    credentials: Mapping[str, Secret]
    secrets: tuple[Secret, ...]
    missing: tuple[str, ...]

    def revealed(self) -> dict[str, str]:
        """The credentials themselves, for a `Call`."""
        return {name: secret.reveal() for name, secret in self.credentials.items()}


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of a process. No repr of it shows a secret.

    Attributes:
        database_url: None for the embedded PostgreSQL.
        database_pooled: whether a transaction-mode pooler stands before it.
        redis_url: None for the embedded Redis.
        webhook_secrets: only the sources that have any, oldest first as configured.
        edits_need_approval: whether an edit of arguments takes two parties.
        environment: such as `production`, for error reports; so is `release`.
        warnings: sentences worth logging at the start, of what is allowed and may not be meant.
    """

    web: WebConfig
    pending: PendingConfig
    worker: WorkerConfig
    relay: RelayConfig
    log: LogConfig
    sessions: SessionLimits
    alerts: AlertConfig
    oidc: OidcConfig | None
    var_dir: Path
    database_url: Secret | None
    database_pooled: bool
    redis_url: Secret | None
    sentry_dsn: Secret | None
    environment: str
    release: str
    edits_need_approval: bool = False
    webhook_secrets: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict)
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def site(self) -> str:
        """Where people reach the hub, for links; empty if nobody has said."""
        return self.web.public_url or ""

    def can_call(self, provider: str) -> bool:
        """Whether what a provider needs is configured."""
        settings = self.providers.get(provider)
        return settings is not None and not settings.missing

    def secrets_of(self, source: str) -> tuple[str, ...]:
        """The secrets that a source may sign with; none if it is not configured."""
        return tuple(secret.reveal() for secret in self.webhook_secrets.get(source, ()))

    def call(self, provider: Provider, key: str, correlation_id: str) -> Call:
        """What one call is built from: where the provider lives, the credentials, the idempotency key."""
        settings = self.providers.get(provider.name)
        base_url = (settings and settings.base_url) or provider.base_url
        return Call(base_url, settings.revealed() if settings else {}, key, correlation_id)

    def secrets(self) -> Iterator[str]:
        """Every secret there is, for a `Redactor` to know."""
        for secrets in self.webhook_secrets.values():
            yield from (secret.reveal() for secret in secrets)
        for provider in self.providers.values():
            yield from (secret.reveal() for secret in provider.secrets)
        if self.oidc is not None:
            yield self.oidc.client_secret.reveal()
        for url in (self.database_url, self.redis_url):
            yield from passwords_in(url.reveal()) if url else ()


def from_environment(*, sources: Mapping[str, Source], providers: Mapping[str, Provider]) -> Config:
    """`load` of the process's own environment."""
    return load(os.environ, sources=sources, providers=providers)


def load(
    environ: Mapping[str, str], *, sources: Mapping[str, Source], providers: Mapping[str, Provider]
) -> Config:
    """Make settings of environment variables (and of the files that `…_FILE` names).

    Raises:
        ConfigurationError: all that is wrong, with what to do about it.
    """
    env = Environment(environ)
    config = _read(env, sources, providers)
    if env.problems:
        raise ConfigurationError(*env.problems, *env.unknown())
    return replace(config, warnings=(*env.unknown(), *config.warnings))


def describe(sources: Mapping[str, Source], providers: Mapping[str, Provider]) -> list[Setting]:
    """Every setting there is, in the order of reading: the reference table."""
    env = Environment({})
    _read(env, sources, providers)
    return env.settings


def _read(env: Environment, sources: Mapping[str, Source], providers: Mapping[str, Provider]) -> Config:
    config = _own(env)
    secrets = {name: _webhook_secrets(env, source) for name, source in sources.items()}
    settings = {name: _provider(env, provider) for name, provider in providers.items()}
    env.problems += problems_of(env, config.alerts)
    return replace(
        config,
        webhook_secrets={name: given for name, given in secrets.items() if given},
        providers=settings,
        warnings=tuple(_warnings(secrets, settings)),
    )


def _own(env: Environment) -> Config:
    return Config(
        database_url=env.secret(
            "HUB_DATABASE_URL", "PostgreSQL", default="the embedded PostgreSQL", check=check_postgres
        ),
        database_pooled=env.choice(
            "HUB_DATABASE_POOLED",
            "no",
            "whether a pooler in transaction mode (PgBouncer) stands before PostgreSQL",
            ("no", "yes"),
        )
        == "yes",
        redis_url=env.secret("HUB_REDIS_URL", "Redis", default="the embedded Redis", check=check_redis),
        var_dir=env.parsed("HUB_VAR_DIR", Path("var"), "where the embedded servers keep their data", Path),
        web=_web(env),
        pending=_pending(env),
        worker=_worker(env),
        relay=_relay(env),
        log=LogConfig(
            level=env.choice("HUB_LOG_LEVEL", "info", "what is logged", get_args(LogLevel)),
            format=env.choice("HUB_LOG_FORMAT", "auto", "how it is written", get_args(LogFormat)),
        ),
        sessions=read_sessions(env),
        alerts=read_alerts(env),
        oidc=read_oidc(env),
        edits_need_approval=env.choice(
            "HUB_EDITS_NEED_APPROVAL",
            "no",
            "whether another person, or between API keys another application's, must approve an edit of arguments",
            ("no", "yes"),
        )
        == "yes",
        sentry_dsn=env.secret(
            "HUB_SENTRY_DSN", "where errors are reported", default="nowhere", check=check_dsn
        ),
        environment=env.text("HUB_ENVIRONMENT", "development", "what this installation is, in error reports"),
        release=env.text("HUB_RELEASE", __version__, "what is running, in error reports"),
    )


def _web(env: Environment) -> WebConfig:
    most = 64 * MIB
    return WebConfig(
        host=env.text("HUB_HOST", "127.0.0.1", "the address to listen on"),
        port=env.integer("HUB_PORT", 8080, "the port to listen on, 0 for any free one", low=0, high=65_535),
        public_url=env.parsed(
            "HUB_PUBLIC_URL",
            None,
            "where people reach the hub, such as https://hub.example.com",
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


def _pending(env: Environment) -> PendingConfig:
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


def _worker(env: Environment) -> WorkerConfig:
    worker = WorkerConfig(
        concurrency=env.integer("HUB_WORKER_CONCURRENCY", 100, "jobs at once", low=1, high=10_000),
        queues=env.parsed(
            "HUB_WORKER_QUEUES", (), "the queues to work on, comma-separated", _queues, shown="all"
        ),
        lease=env.seconds(
            "HUB_WORKER_LEASE", 8, "after how much silence a worker's jobs go to another", low=1, high=600
        ),
        heartbeat=env.seconds("HUB_WORKER_HEARTBEAT", 2, "how often leases are renewed", low=0.05, high=300),
        shutdown_grace=env.seconds(
            "HUB_WORKER_SHUTDOWN_GRACE", 20, "how long running jobs may take to end", low=0, high=3_600
        ),
        metrics_port=env.parsed(
            "HUB_WORKER_METRICS_PORT",
            None,
            "where a worker serves /metrics, /livez and /readyz, 0 for any free port",
            _port,
            shown="none",
        ),
    )
    if worker.heartbeat * 2 > worker.lease:
        env.problems.append(
            "HUB_WORKER_HEARTBEAT must be at most half of HUB_WORKER_LEASE: one late renewal would lose every job"
        )
    return worker


def _relay(env: Environment) -> RelayConfig:
    return RelayConfig(
        buffer_limit=env.integer(
            "HUB_RELAY_BUFFER_LIMIT", 5_000, "jobs of one queue that Redis holds ready", low=10, high=1_000_000
        ),
        tick=env.seconds("HUB_RELAY_TICK", 0.5, "how often due work is looked for", low=0.01, high=60),
        rehand_after=env.seconds(
            "HUB_RELAY_REHAND_AFTER", 2, "when a job that was handed over and not started is again", low=0.05, high=3_600
        ),
    )  # fmt: skip


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ValueError("must be a whole number from 0 to 65,535")
    return int(text)


def _queues(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(QUEUE_NAME.fullmatch(name) for name in names):
        raise ValueError(
            "must be names of queues (lower-case letters, digits, '-' and '_') with commas between"
        )
    return names


def _webhook_secrets(env: Environment, source: Source) -> tuple[Secret, ...]:
    def check(text: str) -> None:
        for place, secret in enumerate((part.strip() for part in text.split(",")), 1):
            if not secret:
                raise ValueError(f"secret {place} of the list is empty, which anyone could sign with")
            try:
                source.scheme.key(secret)
            except ValueError:
                raise ValueError(f"secret {place} of the list cannot be one of {source.name}'s") from None

    what = f"what {source.name} signs with; while rotating several, comma-separated"
    secret = env.secret(variable("webhook", source.name, "secret"), what, check=check)
    return tuple(Secret(part.strip()) for part in secret.reveal().split(",")) if secret else ()


def _provider(env: Environment, provider: Provider) -> ProviderSettings:
    url_name = variable(provider.name, "base_url")
    default = provider.base_url or None
    where = env.parsed(url_name, default, f"where {provider.name} lives", base_url, shown=default or "none")
    needed = (provider.auth.credential,) if provider.auth.credential else ()
    names = {credential: variable(provider.name, credential) for credential in (*needed, *provider.settings)}
    values = {
        credential: env.secret(name, f"{provider.name}'s {credential.replace('_', ' ')}")
        for credential, name in names.items()
    }
    missing = tuple(names[credential] for credential in needed if not env.is_given(names[credential]))
    given = [name for name in (url_name, *names.values()) if env.is_given(name)]
    env.problems += [
        f"{name} is missing, and {given[0]} is set: set both or none" for name in missing if given
    ]
    credentials = {credential: value for credential, value in values.items() if value is not None}
    return ProviderSettings(
        base_url=where if url_name in env.variables else None,
        credentials=credentials,
        secrets=tuple(value for name, value in credentials.items() if provider.keeps_secret(name)),
        missing=missing,
    )


def _warnings(
    secrets: Mapping[str, tuple[Secret, ...]], providers: Mapping[str, ProviderSettings]
) -> Iterator[str]:
    for source, given in secrets.items():
        if not given:
            name = variable("webhook", source, "secret")
            yield f"{name} is not set: every delivery of {source} is answered with 401"
    for provider, settings in providers.items():
        for name in settings.missing:
            yield f"{name} is not set: {provider} cannot be called"
