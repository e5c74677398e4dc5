"""Operators, and all the ways in which they log in."""

import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass

from hub.bootstrap.surroundings import Surroundings
from hub.config import Config
from hub.infra.connections import transport
from hub.infra.passwords import Passwords
from hub.infra.store.audit import AuditStore
from hub.infra.store.database import Database
from hub.infra.store.guesses import GuessStore
from hub.infra.store.identities import IdentityStore
from hub.infra.store.logins import LoginStore
from hub.infra.store.operators import OperatorStore
from hub.infra.store.sessions import SessionStore
from hub.services.audit import AuditTrail
from hub.services.logins import AddressLimits, Logins
from hub.services.operators import Operators
from hub.services.single_sign_on import SingleSignOn


@dataclass(frozen=True, slots=True)
class People:
    """What a hub knows of the people who work with it."""

    operators: Operators
    logins: Logins
    single_sign_on: SingleSignOn | None
    audit: AuditTrail


async def people_of(
    stack: AsyncExitStack, config: Config, database: Database, around: Surroundings
) -> People:
    """Put together what lets people in; what has to be closed is closed with the stack."""
    passwords = Passwords(around.password_cost)
    stack.callback(passwords.close)
    logins = Logins(
        LoginStore(database, config.sessions),
        GuessStore(database, config.sessions),
        SessionStore(database, config.sessions),
        passwords,
        config.sessions,
        AddressLimits(around.steady),
        new_id=around.new_id,
        new_secret=around.new_secret,
    )
    operators = Operators(
        OperatorStore(database),
        passwords,
        config.sessions,
        new_id=around.new_id,
        new_secret=around.new_secret,
    )
    single_sign_on = await _single_sign_on(stack, config, database, logins, around)
    return People(operators, logins, single_sign_on, AuditTrail(AuditStore(database)))


async def _single_sign_on(
    stack: AsyncExitStack, config: Config, database: Database, logins: Logins, around: Surroundings
) -> SingleSignOn | None:
    if config.oidc is None:
        return None
    from hub.infra.identity_provider import IdentityProvider  # noqa: PLC0415 - takes a tenth of a second, and most have none

    pool = transport(ssl.create_default_context(), reuse=False)
    stack.push_async_callback(pool.aclose)
    provider = IdentityProvider(
        config.oidc, pool, clock=lambda: around.clock().timestamp(), steady=around.steady
    )
    return SingleSignOn(
        config.oidc,
        provider,
        logins,
        IdentityStore(database),
        OperatorStore(database),
        redirect=f"{config.web.address}/console/login/oidc/done",
        new_id=around.new_id,
        new_secret=around.new_secret,
    )
