"""Who there is, and who may not be taken away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from hub.domain.access import Role
from hub.domain.errors import Conflict, Invalid, NotFound
from hub.services.hub import Hub
from tests.services.people import PASSWORD, VISITOR, peopled, somebody


@pytest.fixture
async def hub(database_url: str, redis_url: str) -> AsyncIterator[Hub]:
    """A hub."""
    async with peopled(database_url, redis_url) as built:
        yield built


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables, behind the hub's back."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_there_is_nobody_until_somebody_is_made(hub: Hub) -> None:
    """Nobody can log in to a new hub, and one address is one operator."""
    assert not await hub.operators.is_anybody()
    await somebody(hub, "Ada@Example.com")
    assert await hub.operators.is_anybody()
    with pytest.raises(Conflict, match="already"):
        await hub.operators.create("ADA@example.com", "Ada", "viewer", actor="test")
    assert [one.email for one in await hub.operators.list()] == ["ada@example.com"]


async def test_what_does_not_fit_is_refused_with_pointers(hub: Hub, database: Any) -> None:
    """And nothing is stored or noted."""
    with pytest.raises(Invalid) as refused:
        await hub.operators.create("ada", "", "viewer", actor="test")
    assert [problem.pointer for problem in refused.value.problems] == ["/email", "/name"]
    with pytest.raises(Invalid, match="no role"):
        await hub.operators.create("ada@example.com", "Ada", "root", actor="test")
    ada = await somebody(hub, password=None)
    with pytest.raises(Invalid, match="at least 12"):
        await hub.operators.set_password(ada, "short", actor="test")
    assert await database.fetchval("SELECT count(*) FROM audit_log") == 1


async def test_of_two_admins_who_take_each_other_away_one_stays(hub: Hub) -> None:
    """However they do it, at the same moment: there is always an administrator."""
    ada, eve = await somebody(hub, role="admin"), await somebody(hub, "eve@example.com", "admin")
    answers = await asyncio.gather(
        hub.operators.disable(ada.id, actor="eve@example.com"),
        hub.operators.set_role(eve.id, Role.VIEWER, actor="ada@example.com"),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1
    admins = [one for one in await hub.operators.list() if one.role is Role.ADMIN and one.disabled_at is None]
    assert len(admins) == 1


async def test_every_change_is_noted_with_who_and_why(hub: Hub, database: Any) -> None:
    """In the statement that changes; what changed nothing is not noted."""
    await somebody(hub, "root@example.com", "admin")
    ada = await somebody(hub, password=None)
    await hub.operators.set_role(ada.id, "admin", actor="cli:root", reason="on call")
    await hub.operators.set_role(ada.id, "admin", actor="cli:root")
    await hub.operators.set_password(ada, PASSWORD, actor="ada@example.com")
    await hub.operators.login_link(ada.id, actor="cli:root")
    await hub.operators.reset(ada.id, actor="cli:root", reason="lost laptop")
    await hub.operators.disable(ada.id, actor="cli:root")
    await hub.operators.disable(ada.id, actor="cli:root")
    await hub.operators.enable(ada.id, actor="cli:root")
    rows = await database.fetch(
        "SELECT action, actor, detail::text FROM audit_log WHERE subject = $1 ORDER BY id", str(ada.id)
    )
    assert [(row[0].removeprefix("operator."), row[1], row[2]) for row in rows] == [
        ("create", "test", '{"role": "operator", "email": "ada@example.com"}'),
        ("role", "cli:root", '{"role": "admin", "reason": "on call"}'),
        ("password", "ada@example.com", "{}"),
        ("link", "cli:root", "{}"),
        ("reset", "cli:root", '{"reason": "lost laptop"}'),
        ("disable", "cli:root", "{}"),
        ("enable", "cli:root", "{}"),
    ]


async def test_a_reset_takes_password_and_sessions_away(hub: Hub) -> None:
    """And a link lets in again."""
    ada = await somebody(hub)
    token = await hub.logins.by_password(ada.email, PASSWORD, VISITOR)
    reset = await hub.operators.reset(ada.id, actor="test")
    assert not reset.has_password
    assert await hub.logins.session(token) is None
    link = await hub.operators.login_link(ada.id, actor="test", invitation=True)
    assert await hub.logins.by_link(link.path.partition("token=")[2], VISITOR)


async def test_whoever_is_not_there_is_not_found(hub: Hub) -> None:
    """By address or id."""
    with pytest.raises(NotFound):
        await hub.operators.find("nobody@example.com")
    ada = await somebody(hub)
    assert (await hub.operators.find(" ADA@example.com")).id == ada.id
    await hub.operators.disable(ada.id, actor="test")
    with pytest.raises(Conflict, match="disabled"):
        await hub.operators.login_link(ada.id, actor="test")
    with pytest.raises(Conflict, match="disabled"):
        await hub.operators.set_password(ada, PASSWORD, actor="test")
