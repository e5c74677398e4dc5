"""The parts that operators' commands need, without those that serve and send: these take seconds to import."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from secrets import token_urlsafe
from typing import TypeVar
from uuid import UUID

import uuid_utils.compat as uuids
import uvloop

from hub.domain.access import Principal, Scope
from hub.domain.errors import Unavailable
from hub.domain.ids import ApplicationId, KeyId
from hub.domain.redaction import Redactor
from hub.domain.situation import Place
from hub.infra.passwords import Passwords
from hub.infra.store.audit import AuditStore
from hub.infra.store.database import Database
from hub.infra.store.edits import EditStore
from hub.infra.store.finding import FindingStore
from hub.infra.store.inbox import InboxStore
from hub.infra.store.keys import KeyStore
from hub.infra.store.operations import OperationsStore
from hub.infra.store.operators import OperatorStore
from hub.infra.store.reading import ReadingStore
from hub.infra.store.timeline import TimelineStore
from hub.infra.store.why import WhyStore
from hub.services.audit import AuditTrail
from hub.services.edits import Edits
from hub.services.finding import Find
from hub.services.inbox import Inbox
from hub.services.inspect import Inspect
from hub.services.keys import Keys
from hub.services.operate import Operate
from hub.services.operators import Operators
from hub.services.plans import Plans, plans_over
from hub.services.timeline import Timeline
from hub.services.why import Why

from .session import Session, session

T = TypeVar("T")
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operator sits. `address`: where people reach the hub."""

    inspect: Inspect
    operate: Operate
    edits: Edits
    timeline: Timeline
    why: Why
    inbox: Inbox
    keys: Keys
    operators: Operators
    plans: Plans
    audit: AuditTrail
    address: str
    principal: Principal

    @property
    def actor(self) -> str:
        """How the audit log names the operator."""
        return self.principal.acts_as or ""


def at_desk(work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do something as the operator of this machine, who may do everything, and give what comes of it."""
    with session() as opened:
        return uvloop.run(_at_desk(opened, work))


def operator() -> Principal:
    """Whoever runs the command: no key, every right, and a name in the audit log."""
    name = f"cli:{_user()}"
    return Principal(ApplicationId(_NOBODY), name, KeyId(_NOBODY), frozenset(Scope), acts_as=name)


async def _at_desk(opened: Session, work: Callable[[Desk], Awaitable[T]]) -> T:
    database = Database(opened.database_url, size=2, pooled=opened.config.database_pooled)
    passwords = Passwords()
    try:
        inspect = Inspect(ReadingStore(database), Find(FindingStore(database)), opened.registry)
        operate = Operate(
            OperationsStore(database, opened.registry.providers), inspect, opened.registry, new_id=uuids.uuid7
        )
        keys = Keys(KeyStore(database), new_id=uuids.uuid7, new_secret=lambda: token_urlsafe(32))
        people = Operators(
            OperatorStore(database),
            passwords,
            opened.config.sessions,
            new_id=uuids.uuid7,
            new_secret=lambda: token_urlsafe(32),
        )
        desk = Desk(
            inspect=inspect,
            operate=operate,
            edits=Edits(
                EditStore(database, opened.registry.providers),
                inspect,
                opened.registry,
                new_id=uuids.uuid7,
                need_approval=opened.config.edits_need_approval,
            ),
            timeline=Timeline(
                TimelineStore(database),
                Redactor.knowing(opened.config.secrets()),
                list(opened.registry.sources),
            ),
            why=Why(
                WhyStore(database),
                partial(_place, opened.redis_url),
                partial(_closed_in, opened.redis_url),
                bound=opened.config.relay.buffer_limit,
            ),
            inbox=Inbox(InboxStore(database), new_id=uuids.uuid7),
            keys=keys,
            plans=plans_over(
                database,
                opened.registry.providers,
                clock=lambda: datetime.now(UTC),
                new_id=uuids.uuid7,
            ),
            operators=people,
            audit=AuditTrail(AuditStore(database)),
            address=opened.config.web.address,
            principal=operator(),
        )
        return await work(desk)
    finally:
        passwords.close()
        await database.close()


async def _place(url: str, queue: str, job: UUID, dispatch: int) -> Place:
    from hub.infra.queue import ReadyQueue  # noqa: PLC0415 - arq takes its time to be imported

    ready = ReadyQueue(url, connections=1)
    try:
        return await ready.place(queue, job, dispatch)
    finally:
        await ready.close()


async def _closed_in(url: str, provider: str) -> timedelta | None:
    """As the fleet has found out. Raises Unavailable: the breakers themselves are the workers'."""
    from redis.exceptions import RedisError  # noqa: PLC0415 - as above

    from hub.infra.breaker_sharing import PATIENCE, BreakerSharing  # noqa: PLC0415
    from hub.infra.breakers import Breakers  # noqa: PLC0415
    from hub.infra.queue import ReadyQueue  # noqa: PLC0415

    ready, breakers = ReadyQueue(url, connections=1), Breakers()
    try:
        async with asyncio.timeout(PATIENCE):
            await BreakerSharing(breakers, ready.redis).exchange()
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(str(error)) from error
    finally:
        await ready.close()
    return breakers.closed_in(provider)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return str(os.getuid())
