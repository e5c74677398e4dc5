"""`hub check`: what is wrong, and what to do about it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import click
from redis import RedisError

from hub.domain.errors import ConfigurationError
from hub.domain.wording import counted
from hub.infra import revisions
from hub.infra.addresses import allows_private, is_address, is_public
from hub.infra.queue import ReadyQueue
from hub.infra.revisions import Standing
from hub.infra.store.database import Database
from hub.infra.store.fleet import FleetStore
from hub.urls import shown

from .commands import Command
from .errors import Exit, Failure
from .options import as_json as json_option
from .output import print_json, print_table
from .session import Session, Settings, read_settings, revision_of, servers

_PATIENCE = 5.0  # seconds for an answer


class Verdict(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"  # usable, and may not be what is meant
    WRONG = "wrong"  # the hub cannot be used


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the thing.
        verdict: how it is.
        detail: what was found.
        todo: what to do about it, if anything.
    """

    what: str
    verdict: Verdict
    detail: str
    todo: str | None = None


@click.command(cls=Command)
@json_option
def check(*, as_json: bool) -> None:
    """Tell what is wrong, and what to do about it: settings, servers, schema, credentials.

    Ends with 1 when the hub cannot be used as it is.
    """
    findings = list(examine())
    is_usable = all(finding.verdict is not Verdict.WRONG for finding in findings)
    if as_json:
        print_json({"usable": is_usable, "findings": findings})
    else:
        print_table(
            ("WHAT", "STATE", "FOUND"),
            [(one.what, one.verdict, "\n→ ".join(filter(None, (one.detail, one.todo)))) for one in findings],
            empty="",
        )
    if not is_usable:
        raise click.exceptions.Exit(Exit.REFUSED)


def examine() -> Iterator[Finding]:
    """Look at everything that a hub needs."""
    try:
        settings = read_settings()
    except ConfigurationError as error:
        for problem in error.problems:
            yield Finding("configuration", Verdict.WRONG, problem)
        return
    registry = settings.registry
    known = {"provider": registry.providers, "source": registry.sources, "job": registry.jobs}
    found = ", ".join(counted(len(named), thing) for thing, named in known.items())
    yield Finding("configuration", Verdict.OK, found)
    try:
        with servers(settings) as opened:
            yield from _database(opened)
            yield _redis(opened)
    except Failure as failure:
        yield Finding("embedded servers", Verdict.WRONG, failure.message, failure.hint)
    yield from _credentials(settings)


def _database(opened: Session) -> Iterator[Finding]:
    try:
        revision = revision_of(opened.database_url)
    except Failure as failure:
        yield Finding("PostgreSQL", Verdict.WRONG, failure.message, failure.hint)
        return
    place = "embedded" if opened.is_embedded else shown(opened.database_url)
    yield Finding("PostgreSQL", Verdict.OK, place)
    at = f"at revision {revision}" if revision else "empty"
    match revisions.standing(revision):
        case Standing.BEHIND:
            # The hub's own database is migrated by whoever starts next.
            verdict = Verdict.WARNING if opened.is_embedded else Verdict.WRONG
            yield Finding("schema", verdict, f"{at}; this release needs {revisions.newest()}", "hub migrate")
            return
        case Standing.AHEAD:
            yield Finding("schema", Verdict.OK, f"{at}, which a newer release has brought")
        case Standing.CURRENT:
            yield Finding("schema", Verdict.OK, at)
    yield _workers(asyncio.run(_alive(opened.database_url)))


def _workers(alive: int) -> Finding:
    if alive:
        return Finding("workers", Verdict.OK, f"{alive} at work")
    return Finding(
        "workers", Verdict.WARNING, "none at work, so jobs wait", "hub worker, or hub dev for everything"
    )


async def _alive(database_url: str) -> int:
    database = Database(database_url, size=1)
    try:
        return sum(worker.alive for worker in await FleetStore(database).workers())
    finally:
        await database.close()


def _redis(opened: Session) -> Finding:
    try:
        info = asyncio.run(_asked(opened.redis_url))
    except (RedisError, OSError) as error:
        why = " ".join(str(error).split())
        todo = "start it, or set HUB_REDIS_URL right; unset it, and the hub uses one of its own"
        return Finding("Redis", Verdict.WRONG, f"{shown(opened.redis_url)} is not available: {why}", todo)
    place = "embedded" if opened.config.redis_url is None else shown(opened.redis_url)
    if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
        found = f"{place} may throw work away when it is full ({info['maxmemory_policy']})"
        return Finding("Redis", Verdict.WARNING, found, "set its maxmemory-policy to noeviction")
    return Finding("Redis", Verdict.OK, f"{place}, version {info.get('redis_version', 'unknown')}")


async def _asked(redis_url: str) -> dict[str, Any]:
    queue = ReadyQueue(redis_url, connections=1)
    try:
        async with asyncio.timeout(_PATIENCE):
            info: dict[str, Any] = await queue.redis.info()
            return info
    finally:
        await queue.close()


def _credentials(settings: Settings) -> Iterator[Finding]:
    config = settings.config
    for source in settings.registry.sources:
        if secrets := config.secrets_of(source):
            yield Finding(f"webhooks of {source}", Verdict.OK, f"{len(secrets)} secret(s)")
    for name, provider in config.providers.items():
        address = provider.base_url or settings.registry.providers[name].base_url
        if not provider.missing and address:
            yield Finding(f"provider {name}", Verdict.OK, address)
    if _is_refused(settings):
        found = f"{config.alerts.webhook_url} is no public address, so nothing is sent to it"
        yield Finding("alerts webhook", Verdict.WARNING, found, "set HUB_HTTP_ALLOW_PRIVATE=1 if it is meant")
    for warning in config.warnings:
        yield Finding("settings", Verdict.WARNING, warning)


def _is_refused(settings: Settings) -> bool:
    """Whether alerts go to an address that is refused; of a name, only resolving it would tell."""
    url = settings.config.alerts.webhook_url
    host = urlsplit(url or "").hostname
    http = settings.config.providers.get("http")
    if host is None or (http is not None and allows_private(http.revealed())):
        return False
    return host == "localhost" or host.endswith(".localhost") or (is_address(host) and not is_public(host))
