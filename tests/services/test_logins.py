"""Who gets in, for how long, and who does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from hub.domain.access import Role, Scope
from hub.domain.errors import LoginRefused, NotFound, TooManyLogins, Unavailable
from hub.domain.sessions import LoginKind, device_token
from hub.infra.passwords import Cost, Passwords, Verified
from hub.services.hub import Hub
from hub.services.logins import AddressLimits, Visitor
from tests.clock import Clock
from tests.services.people import CHEAP, PASSWORD, VISITOR, peopled, somebody
from tests.until import until

EMAIL = "ada@example.com"


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


async def test_a_password_lets_its_operator_in_with_their_role(hub: Hub, database: Any) -> None:
    """However the address is typed; the audit log says so; the token is not in the database."""
    ada = await somebody(hub)
    token = await hub.logins.by_password(" ADA@example.com", PASSWORD, VISITOR)
    session = await hub.logins.session(token)
    assert session is not None
    assert (session.operator, session.email, session.kind) == (ada.id, EMAIL, LoginKind.PASSWORD)
    assert session.principal.acts_as == EMAIL
    assert session.principal.may(Scope.JOBS_OPERATE)
    assert not session.principal.may(Scope.ADMIN)
    assert await database.fetchval("SELECT actor FROM audit_log WHERE action = 'operator.login'") == EMAIL
    everything = [str(row) for table in ("operators", "sessions", "audit_log") for row in await database.fetch(f"SELECT * FROM {table}")]  # fmt: skip  # noqa: S608
    assert token not in "".join(everything)
    assert PASSWORD not in "".join(everything)


async def test_a_wrong_password_an_unknown_address_and_nobody_are_refused_alike(hub: Hub) -> None:
    """The words do not tell who exists."""
    await somebody(hub)
    await somebody(hub, "no-password@example.com", password=None)
    told = set()
    for email, password in (
        (EMAIL, "wrong password"),
        ("eve@example.com", PASSWORD),
        ("no-password@example.com", PASSWORD),
        ("no-password@example.com", ""),
        ("\0", PASSWORD),
        ("x" * 10_000, PASSWORD),
        (EMAIL, PASSWORD + "x" * 10_000),
    ):
        with pytest.raises(LoginRefused) as refused:
            await hub.logins.by_password(email, password, VISITOR)
        told.add(str(refused.value))
    assert len(told) == 1


async def test_an_unknown_address_takes_as_long_as_a_wrong_password(
    database_url: str, redis_url: str
) -> None:
    """Nor less, so that time does not tell who exists either: each judges one hash, which a write or two do not outweigh."""
    async with peopled(database_url, redis_url, cost=Cost(passes=4, memory=32 * 1024, lanes=1)) as hub:
        await somebody(hub)

        async def seconds(email: str) -> float:
            began = perf_counter()
            with pytest.raises(LoginRefused):
                await hub.logins.by_password(email, "wrong password", VISITOR)
            return perf_counter() - began

        known = min([await seconds(EMAIL) for _ in range(4)])
        unknown = min([await seconds("eve@example.com") for _ in range(4)])
        assert known / 2 < unknown < known * 2


async def test_guesses_made_at_once_count_each(hub: Hub, database: Any) -> None:
    """Of twenty at the same moment five are judged: the rest finds the account closed, the right one too."""
    await somebody(hub)
    guesses = [hub.logins.by_password(EMAIL, f"wrong password {n}", VISITOR) for n in range(19)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LoginRefused}
    wrong, locked = await database.fetchrow("SELECT failed_logins, locked_until > now() FROM operators")
    assert (wrong, locked) == (5, True)
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    assert await database.fetchval("SELECT count(*) FROM audit_log WHERE action = 'operator.lock'") == 1


async def test_a_lock_out_passes_and_the_next_is_longer(hub: Hub, database: Any) -> None:
    """After it the right password lets in, and wrong ones begin anew."""
    await somebody(hub)
    await database.execute("UPDATE operators SET failed_logins = 5, locked_until = now() - interval '1 s'")
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, "wrong password", VISITOR)
    left = await database.fetchval("SELECT locked_until - now() FROM operators")
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    await database.execute("UPDATE operators SET locked_until = now() - interval '1 s'")
    assert await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    assert await database.fetchval("SELECT failed_logins FROM operators") == 0


async def known_browser(hub: Hub, email: str = EMAIL, password: str = PASSWORD) -> Visitor:
    """One that somebody has logged in with, and out."""
    token = await hub.logins.by_password(email, password, VISITOR)
    return Visitor("192.0.2.7", "Firefox", device=device_token(token))


async def test_strangers_who_close_an_account_do_not_keep_its_operator_out(hub: Hub, database: Any) -> None:
    """Of a browser that they have logged in with; and getting in there gives strangers no new tries."""
    await somebody(hub)
    known = await known_browser(hub)
    await database.execute("UPDATE operators SET failed_logins = 9, locked_until = now() + interval '1 h'")
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, "wrong password", known)
    assert await hub.logins.by_password(EMAIL, PASSWORD, known)
    assert await database.fetchval("SELECT failed_logins FROM operators WHERE locked_until > now()") == 9


async def test_a_browser_that_is_known_has_a_bound_of_its_own(hub: Hub, database: Any) -> None:
    """Whoever steals it guesses no faster; and does not keep its operator out elsewhere."""
    await somebody(hub)
    known = await known_browser(hub)
    guesses = [hub.logins.by_password(EMAIL, f"wrong password {n}", known) for n in range(15)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LoginRefused}
    counted = await database.fetchrow("SELECT failed_logins, locked_until > now() FROM devices")
    assert tuple(counted) == (5, True)
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, known)
    [detail] = await database.fetch("SELECT detail FROM audit_log WHERE action = 'operator.lock'")
    assert detail[0] == '{"known_browser": true}'
    assert await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)


async def test_only_a_browser_of_their_own_is_known(hub: Hub, database: Any) -> None:
    """Not another operator's, one of half a year ago, or one from before a reset: there everybody is a stranger."""
    await somebody(hub)
    await somebody(hub, "eve@example.com")
    close = "UPDATE operators SET failed_logins = 9, locked_until = now() + interval '1 h' WHERE email = $1"
    await database.execute(close, EMAIL)
    eves = await known_browser(hub, "eve@example.com")
    for device in (eves.device, "A" * 43, None):
        with pytest.raises(LoginRefused):
            await hub.logins.by_password(EMAIL, PASSWORD, Visitor("192.0.2.7", "", device=device))
    await database.execute(close, "eve@example.com")
    await database.execute("UPDATE devices SET created_at = now() - interval '181 days'")
    with pytest.raises(LoginRefused):
        await hub.logins.by_password("eve@example.com", PASSWORD, eves)
    await database.execute("UPDATE devices SET created_at = now()")
    eve = await hub.operators.find("eve@example.com")
    await hub.operators.reset(eve.id, actor="test")
    assert await database.fetchval("SELECT count(*) FROM devices") == 0


async def test_a_browser_is_known_by_its_last_log_in(hub: Hub, database: Any) -> None:
    """What it showed before is worth nothing any more, however often it logs in."""
    await somebody(hub)
    first = await known_browser(hub)
    await hub.logins.by_password(EMAIL, PASSWORD, first)
    assert await database.fetchval("SELECT count(*) FROM devices") == 1
    await database.execute("UPDATE operators SET failed_logins = 9, locked_until = now() + interval '1 h'")
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, first)


CLOSED = "UPDATE operators SET failed_logins = 9, locked_until = now() + interval '1 h'"


async def test_a_browser_from_before_a_new_password_is_a_strangers(hub: Hub, database: Any) -> None:
    """Whoever knew the old one may have logged in with many, and each had guesses of its own. The one it is set in stays."""
    ada = await somebody(hub)
    others = [await known_browser(hub) for _ in range(3)]
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    session = await hub.logins.session(token)
    assert session is not None
    await hub.operators.set_password(ada, "another long one", actor=EMAIL, kept=session.id)
    await database.execute(CLOSED)
    for other in others:
        with pytest.raises(LoginRefused):
            await hub.logins.by_password(EMAIL, "another long one", other)
    mine = Visitor("192.0.2.7", "Firefox", device=device_token(token))
    assert await hub.logins.by_password(EMAIL, "another long one", mine)
    await database.execute("UPDATE devices SET session_id = NULL")  # as the release before knew them
    await hub.operators.set_password(ada, "a third long one", actor="cli:root")
    assert await database.fetchval("SELECT count(*) FROM devices") == 0


WAITING = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("how", ["password", "reset", "disable"])
async def test_a_log_in_that_is_being_written_down_does_not_outlive_what_ends_all(
    hub: Hub, database: Any, how: str
) -> None:
    """Or whoever knew the old password and was quick would stay in for a week, with a browser that is known."""
    ada = await somebody(hub)
    async with database.transaction():
        await database.execute("UPDATE operators SET last_login_at = now()")
        await database.execute(
            "INSERT INTO sessions (id, digest, operator_id, kind, user_agent, expires_at)"
            " SELECT id, sha256('a'), id, 'password', '', now() + interval '1 h' FROM operators"
        )
        await database.execute(
            "INSERT INTO devices (digest, operator_id, session_id) SELECT sha256('b'), id, id FROM operators"
        )
        if how == "password":
            change = hub.operators.set_password(ada, "another long one", actor="test")
        else:
            change = getattr(hub.operators, how)(ada.id, actor="test")
        changing = asyncio.create_task(change)

        async def waits() -> bool:
            return bool(await hub.database.run(WAITING))

        await until(waits)
    await changing
    assert await hub.logins.sessions(ada.id) == []
    assert await database.fetchval("SELECT count(*) FROM devices") == 0


@pytest.mark.parametrize("how", ["password", "reset", "disable"])
async def test_a_link_that_is_used_while_all_is_ended_lets_nobody_in(
    hub: Hub, database: Any, how: str
) -> None:
    """And neither waits for what the other holds."""
    ada = await somebody(hub)
    link = (await hub.operators.login_link(ada.id, actor="test")).path.partition("=")[2]

    async def waiting() -> int:
        return len(await hub.database.run(WAITING))

    async with database.transaction():
        await database.execute("UPDATE operators SET last_login_at = now()")
        if how == "password":
            change = hub.operators.set_password(ada, "another long one", actor="test")
        else:
            change = getattr(hub.operators, how)(ada.id, actor="test")
        changing = asyncio.create_task(change)
        await until(lambda: is_so(waiting, 1))
        using = asyncio.create_task(hub.logins.by_link(link, VISITOR))
        await until(lambda: is_so(waiting, 2))
    await changing
    with pytest.raises(LoginRefused):
        await using
    assert await hub.logins.sessions(ada.id) == []


async def is_so(count: Callable[[], Awaitable[int]], expected: int) -> bool:
    return await count() == expected


async def test_twenty_browsers_of_an_operator_are_known(hub: Hub, database: Any) -> None:
    """Those that logged in last: each has guesses of its own, so that any number would be any number of guesses."""
    await somebody(hub)
    await somebody(hub, "eve@example.com")
    eves = await known_browser(hub, "eve@example.com")
    make = "INSERT INTO devices (digest, operator_id, created_at) SELECT sha256(n::text::bytea), id, now() - interval '1 h' FROM operators, generate_series(1, 25) n WHERE email = $1"  # fmt: skip
    await database.execute(make, EMAIL)
    last = await known_browser(hub)
    count = "SELECT count(*) FROM devices d JOIN operators o ON o.id = d.operator_id WHERE o.email = $1"
    assert await database.fetchval(count, EMAIL) == 20
    assert await hub.logins.by_password(EMAIL, PASSWORD, last)
    assert await database.fetchval(count, EMAIL) == 20, "it took the place of its own"
    await database.execute(CLOSED)
    assert await hub.logins.by_password("eve@example.com", PASSWORD, eves)


async def test_a_browser_whose_session_one_ends_is_a_strangers_and_one_that_is_logged_out_is_not(
    hub: Hub, database: Any
) -> None:
    """The former may be lost."""
    ada = await somebody(hub)
    lost = await known_browser(hub)
    [lost_session] = await hub.logins.sessions(ada.id)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    session = await hub.logins.session(token)
    assert session is not None
    await hub.logins.revoke(ada.id, lost_session.id, actor=EMAIL)
    await hub.logins.log_out(session)
    await database.execute(CLOSED)
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, lost)
    mine = Visitor("192.0.2.7", "Firefox", device=device_token(token))
    assert await hub.logins.by_password(EMAIL, PASSWORD, mine)


async def test_strangers_do_not_keep_an_operator_from_changing_their_password(
    hub: Hub, database: Any
) -> None:
    """It is asked of the browser that is logged in; with the new one its count begins anew, and strangers' goes on."""
    ada = await somebody(hub)
    session = await hub.logins.session(await hub.logins.by_password(EMAIL, PASSWORD, VISITOR))
    assert session is not None
    await database.execute("UPDATE operators SET failed_logins = 9, locked_until = now() + interval '1 h'")
    for _ in range(4):
        assert not await hub.logins.is_own_password(session, "wrong password")
    assert await hub.logins.is_own_password(session, PASSWORD)
    assert not await hub.logins.is_own_password(session, PASSWORD), "the fifth guess has closed it"
    await hub.operators.set_password(ada, "another long one", actor=EMAIL, kept=session.id)
    assert await hub.logins.is_own_password(session, "another long one")
    assert await database.fetchval("SELECT failed_logins FROM operators WHERE locked_until > now()") == 9
    await hub.operators.set_password(ada, "a third long one", actor="cli:root")
    assert await hub.logins.by_password(EMAIL, "a third long one", VISITOR)


async def test_log_ins_from_one_address_are_limited(database_url: str, redis_url: str) -> None:
    """Whoever they are for; another address is not, and time brings them back."""
    clock = Clock()
    async with peopled(database_url, redis_url, steady=clock) as hub:
        for number in range(20):
            with pytest.raises(LoginRefused):
                await hub.logins.by_password(f"{number}@example.com", PASSWORD, VISITOR)
        with pytest.raises(TooManyLogins) as refused:
            await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
        with pytest.raises(LoginRefused):
            await hub.logins.by_password(EMAIL, PASSWORD, Visitor("192.0.2.8", ""))
        clock.now += refused.value.retry_after.total_seconds()
        with pytest.raises(LoginRefused):
            await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)


async def test_addresses_that_are_remembered_are_bounded(database_url: str, redis_url: str) -> None:
    """The least recently used is forgotten, so that no number of addresses fills the memory."""
    limits = AddressLimits(Clock(), burst=1, addresses=2)
    limits.take("192.0.2.1")
    limits.take("192.0.2.2")
    limits.take("192.0.2.3")
    limits.take("192.0.2.1")
    with pytest.raises(TooManyLogins):
        limits.take("192.0.2.3")
    assert len(limits._buckets) == 2


async def test_more_hashes_at_once_than_fit_are_refused() -> None:
    """Memory and threads are bounded; those that fit are judged."""
    passwords = Passwords(CHEAP, threads=1, waiting=1)
    answers = await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in answers) == 2
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
    assert await passwords.hash(PASSWORD)
    passwords.close()


async def test_strangers_who_take_all_room_leave_that_of_known_browsers() -> None:
    """However many they are: whoever is known waits for those before them, and is judged."""
    passwords = Passwords(CHEAP, threads=1, waiting=1)
    stored = await passwords.hash(PASSWORD)
    strangers = [passwords.verify(None, PASSWORD, known=False) for _ in range(5)]
    answers = await asyncio.gather(
        *strangers, passwords.verify(stored, PASSWORD, known=True), return_exceptions=True
    )
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 3
    assert answers[-1] == Verified(right=True)
    passwords.close()


async def test_a_hash_of_another_cost_is_renewed_when_its_operator_logs_in(
    database_url: str, redis_url: str, database: Any
) -> None:
    """So that raising the cost reaches everybody."""
    async with peopled(database_url, redis_url) as cheap:
        await somebody(cheap)
    async with peopled(database_url, redis_url, cost=Cost(passes=2, memory=16, lanes=1)) as hub:
        assert await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
        assert "m=16,t=2,p=1" in await database.fetchval("SELECT password_hash FROM operators")
        assert await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)


async def test_a_password_is_the_same_however_a_keyboard_composes_it(hub: Hub) -> None:
    """One é or an e with an accent behind it."""
    await somebody(hub, password="caf\u00e9 caf\u00e9 caf\u00e9")
    assert await hub.logins.by_password(EMAIL, "cafe\u0301 cafe\u0301 cafe\u0301", VISITOR)


async def test_a_session_ends_by_itself(hub: Hub, database: Any) -> None:
    """When its time has come by the database's clock."""
    await somebody(hub)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    await database.execute("UPDATE sessions SET expires_at = now()")
    assert await hub.logins.session(token) is None


async def test_being_used_moves_the_end_of_a_session_up_to_its_whole_time(hub: Hub, database: Any) -> None:
    """Written once a minute at most."""
    await somebody(hub)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    first = await database.fetchval("SELECT expires_at FROM sessions")
    await hub.logins.session(token)
    assert await database.fetchval("SELECT expires_at FROM sessions") == first
    await database.execute("UPDATE sessions SET last_seen_at = now() - interval '2 min', expires_at = now() + interval '1 s'")  # fmt: skip
    await hub.logins.session(token)
    assert await database.fetchval("SELECT expires_at FROM sessions") >= first
    await database.execute("UPDATE sessions SET last_seen_at = now() - interval '2 min', created_at = now() - interval '7 d' + interval '1 min'")  # fmt: skip
    await hub.logins.session(token)
    left = await database.fetchval("SELECT expires_at - now() FROM sessions")
    assert left <= timedelta(minutes=1)


async def test_logging_in_again_ends_the_session_that_the_browser_had(hub: Hub) -> None:
    """A token that somebody planted before is worth nothing afterwards."""
    await somebody(hub)
    first = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    second = await hub.logins.by_password(EMAIL, PASSWORD, Visitor("192.0.2.7", "Firefox", former=first))
    assert await hub.logins.session(first) is None
    assert await hub.logins.session(second) is not None


async def test_a_log_in_that_lets_nobody_in_ends_nothing(hub: Hub) -> None:
    """Whoever follows a link that is used up stays who they are."""
    await somebody(hub)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    with pytest.raises(LoginRefused):
        await hub.logins.by_link("A" * 43, Visitor("192.0.2.7", "Firefox", former=token))
    assert await hub.logins.session(token) is not None


async def test_logging_out_and_revoking_end_sessions_at_once(hub: Hub) -> None:
    """One's own only: another operator's id is refused."""
    ada, eve = await somebody(hub), await somebody(hub, "eve@example.com")
    mine = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    other = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    [newest, _] = await hub.logins.sessions(ada.id)
    with pytest.raises(NotFound):
        await hub.logins.revoke(eve.id, newest.id, actor="eve@example.com")
    await hub.logins.revoke(ada.id, newest.id, actor=EMAIL)
    assert await hub.logins.session(other) is None
    session = await hub.logins.session(mine)
    assert session is not None
    await hub.logins.log_out(session)
    assert await hub.logins.session(mine) is None


async def test_a_link_lets_in_once(hub: Hub) -> None:
    """Asking whether it is good does not use it up; of two who use it at once one gets in."""
    ada = await somebody(hub, password=None)
    link = (await hub.operators.login_link(ada.id, actor="test")).path.partition("token=")[2]
    assert await hub.logins.is_good_link(link)
    answers = await asyncio.gather(
        *(hub.logins.by_link(link, VISITOR) for _ in range(4)), return_exceptions=True
    )
    tokens = [answer for answer in answers if isinstance(answer, str)]
    assert len(tokens) == 1
    session = await hub.logins.session(tokens[0])
    assert session is not None
    assert session.fresh
    assert not await hub.logins.is_good_link(link)


async def test_an_old_link_lets_nobody_in(hub: Hub, database: Any) -> None:
    """Nor does one that never was."""
    ada = await somebody(hub)
    link = (await hub.operators.login_link(ada.id, actor="test")).path.partition("token=")[2]
    await database.execute("UPDATE login_links SET expires_at = now()")
    for wrong in (link, "A" * 43, "", "\0"):
        with pytest.raises(LoginRefused):
            await hub.logins.by_link(wrong, VISITOR)


async def test_whoever_is_disabled_is_out_at_once(hub: Hub) -> None:
    """Their sessions end, and neither password nor link lets them in; enabled again, the password does."""
    ada = await somebody(hub)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    link = (await hub.operators.login_link(ada.id, actor="test")).path.partition("token=")[2]
    await hub.operators.disable(ada.id, actor="test")
    assert await hub.logins.session(token) is None
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    with pytest.raises(LoginRefused):
        await hub.logins.by_link(link, VISITOR)
    await hub.operators.enable(ada.id, actor="test")
    assert await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    assert await hub.logins.session(token) is None


async def test_a_new_role_holds_from_the_next_request(hub: Hub) -> None:
    """The session does not carry it."""
    ada = await somebody(hub)
    token = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    await hub.operators.set_role(ada.id, Role.VIEWER, actor="test")
    session = await hub.logins.session(token)
    assert session is not None
    assert not session.principal.may(Scope.JOBS_OPERATE)


async def test_a_changed_password_ends_every_other_session(hub: Hub) -> None:
    """Whoever knew the old one may be in one."""
    ada = await somebody(hub)
    mine = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    other = await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    session = await hub.logins.session(mine)
    assert session is not None
    assert await hub.logins.is_own_password(session, PASSWORD)
    assert not await hub.logins.is_own_password(session, "wrong password")
    await hub.operators.set_password(ada, "another long one", actor=EMAIL, kept=session.id)
    assert await hub.logins.session(mine) is not None
    assert await hub.logins.session(other) is None
    with pytest.raises(LoginRefused):
        await hub.logins.by_password(EMAIL, PASSWORD, VISITOR)
    assert await hub.logins.by_password(EMAIL, "another long one", VISITOR)
