"""Frozen settings, made of the environment: a module for each part of them.

A process reads its settings once, at its start. Whatever is wrong is told in one message, and nothing starts.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from hub import __version__
from hub.config.alerts import AlertConfig, problems_of, read_alerts
from hub.config.credentials import ProviderSettings, lacking, read_provider, read_webhook_secrets
from hub.config.environment import Environment, Setting
from hub.config.sign_in import OidcConfig, read_oidc, read_sessions
from hub.config.web import PendingConfig, WebConfig, read_pending, read_web, unbound
from hub.config.workers import RelayConfig, WorkerConfig, read_relay, read_worker
from hub.domain.errors import ConfigurationError
from hub.domain.providers import Call, Provider
from hub.domain.redaction import Secret
from hub.domain.sessions import SessionLimits
from hub.domain.sources import Source
from hub.urls import check_dsn, check_postgres, check_redis, passwords_in

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "console"]


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`auto` is for people where the output is a terminal, else JSON."""

    level: LogLevel
    format: LogFormat


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
    secrets = {name: read_webhook_secrets(env, source) for name, source in sources.items()}
    settings = {name: read_provider(env, provider) for name, provider in providers.items()}
    env.problems += problems_of(env, config.alerts)
    return replace(
        config,
        webhook_secrets={name: given for name, given in secrets.items() if given},
        providers=settings,
        warnings=(*unbound(config.web), *lacking(secrets, settings)),
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
        var_dir=env.parsed(
            "HUB_VAR_DIR",
            Path("var"),
            "where the embedded servers keep their data; a relative one is another in every directory",
            Path,
        ),
        web=read_web(env),
        pending=read_pending(env),
        worker=read_worker(env),
        relay=read_relay(env),
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
