"""Pages that are followed live: for as long as their reader is logged in, and not too many at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from hub.domain.access import Principal, Role, Scope
from hub.domain.errors import Unavailable
from hub.domain.sessions import LoginKind
from hub.services.hub import Hub
from hub.services.logins import Session
from hub.services.submit import JobRequest
from hub.web.console.audience import Audience
from hub.web.console.live import Part, Streams
from hub.web.console.visitor import Visitor
from tests.services.people import somebody
from tests.until import until
from tests.web.people import Browser, Town, town

EMAIL = "ada@example.com"


@pytest.fixture
async def place(database_url: str, redis_url: str) -> AsyncIterator[Town]:
    """A hub that is served."""
    async with town(database_url, redis_url) as made:
        yield made


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables, behind the hub's back."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def live_page(hub: Hub) -> str:
    """The page of a job that waits for a worker, live."""
    made = await hub.keys.create("shop", [Scope.JOBS_WRITE], actor="test")
    key = await hub.keys.authenticate(made.token)
    assert key is not None
    stored = await hub.submit.submit(
        key, JobRequest("registry.send_receipt", {"to": EMAIL, "amount": 1}, "test")
    )
    return f"/console/jobs/{stored.id}/live"


@asynccontextmanager
async def following(browser: Browser, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a stream."""
    async with browser.session.get(browser.base + path, allow_redirects=False) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield response


async def ada(place: Town) -> UUID:
    """Who follows."""
    return (await place.hub.operators.find(EMAIL)).id


async def revoke(place: Town, _database: Any) -> None:
    """By a button."""
    [session] = await place.hub.logins.sessions(await ada(place))
    await place.hub.logins.revoke(await ada(place), session.id, actor="test")


async def disable(place: Town, _database: Any) -> None:
    """Of the operator."""
    await place.hub.operators.disable(await ada(place), actor="test")


async def expire(place: Town, database: Any) -> None:
    """By the database's clock."""
    await database.execute("UPDATE sessions SET expires_at = now() WHERE operator_id = $1", await ada(place))


async def demote(place: Town, _database: Any) -> None:
    """To a role with fewer permissions."""
    await place.hub.operators.set_role(await ada(place), "viewer", actor="test")


@pytest.mark.parametrize("end", [revoke, disable, expire, demote])
async def test_a_stream_ends_with_its_session(
    place: Town, database: Any, end: Callable[[Town, Any], Awaitable[None]]
) -> None:
    """Within seconds, and says why; whoever else follows goes on."""
    path = await live_page(place.hub)
    browser, other = await place.logged_in(Role.OPERATOR, EMAIL), await place.logged_in(Role.OPERATOR)
    async with following(browser, path) as stream, following(other, path) as others:
        assert (await stream.content.readuntil(b"\n\n")).startswith(b"data: ")
        assert (await others.content.readuntil(b"\n\n")).startswith(b"data: ")
        await end(place, database)
        async with asyncio.timeout(15):
            rest = await stream.content.read()
        assert rest.startswith(b"event: note\ndata: This page no longer updates by itself")
        await database.execute(
            "UPDATE jobs SET state = 'cancelled', settled_at = now(), dispatched_at = NULL"
        )
        async with asyncio.timeout(15):
            assert (await others.content.readuntil(b"\n\n")).startswith(b"data: ")


async def test_a_stream_is_no_sign_of_anybody_at_the_keyboard(place: Town, database: Any) -> None:
    """A page left open comes back every few minutes, and would keep its session for a week."""
    path = await live_page(place.hub)
    browser = await place.logged_in(Role.OPERATOR, EMAIL)
    await database.execute("UPDATE sessions SET last_seen_at = now() - interval '2 min'")
    seen = await database.fetchval("SELECT last_seen_at FROM sessions")
    async with following(browser, path):
        assert await database.fetchval("SELECT last_seen_at FROM sessions") == seen
    await browser.get(path.removesuffix("/live"))
    assert await database.fetchval("SELECT last_seen_at FROM sessions") > seen


async def test_one_person_follows_five_pages_at_once(place: Town) -> None:
    """The sixth is told so and is a page all the same; others still find room, and so does the sixth once one is closed."""
    path = await live_page(place.hub)
    browser, other = await place.browser(), await place.logged_in(Role.VIEWER, "eve@example.com")
    await somebody(place.hub)
    await browser.log_in(EMAIL)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(following(browser, path)) for _ in range(5)]
        async with following(browser, path) as refused, asyncio.timeout(15):
            assert (await refused.content.read()).startswith(b"event: note\ndata: This page does not update")
        assert (await browser.get(path.removesuffix("/live"))).status == 200
        async with following(other, path) as stream:
            assert (await stream.content.readuntil(b"\n\n")).startswith(b"data: ")
        streams[0].close()

        async def follows_again() -> bool:
            async with following(browser, path) as stream:
                return (await stream.content.readuntil(b"\n\n")).startswith(b"data: ")

        await until(follows_again)


def reader(role: Role = Role.OPERATOR, operator: UUID | None = None) -> Visitor:
    """Somebody with a session."""
    principal = Principal.of_operator(operator or uuid4(), EMAIL, role)
    now = datetime.now(UTC)
    session = Session(
        uuid4(), principal.key, EMAIL, "Ada", LoginKind.LINK, now, role, principal, False, True, ""
    )
    return Visitor(principal, "Ada", role, "", session)


class Sessions:
    """Sessions that last until they are taken out; counts how often it was asked."""

    def __init__(self, *visitors: Visitor) -> None:
        self.roles = {visitor.session.id: visitor.role for visitor in visitors if visitor.session}
        self.asked = 0

    async def standing(self, sessions: Collection[UUID]) -> Mapping[UUID, Role]:
        """Those of them that last."""
        self.asked += 1
        await asyncio.sleep(0)
        return {session: role for session, role in self.roles.items() if session in sessions}


async def test_one_look_is_for_all_who_read() -> None:
    """However many ask at once; the next comes when it is due."""
    visitors = [reader() for _ in range(50)]
    sessions = Sessions(*visitors[1:])
    audience = Audience(sessions.standing, every=3600)
    with ExitStack() as stack:
        readers = [stack.enter_context(audience.joined_by(visitor)) for visitor in visitors]
        assert await asyncio.gather(*(audience.is_in(one) for one in readers)) == [False] + [True] * 49
    assert sessions.asked == 1
    often = Audience(sessions.standing, every=0)
    with often.joined_by(visitors[1]) as one:
        assert await often.is_in(one)
        sessions.roles.clear()
        assert not await often.is_in(one)


async def test_all_together_have_a_bound_too() -> None:
    """Whoever they are."""
    audience = Audience(Sessions().standing, most=2)
    with audience.joined_by(reader()), audience.joined_by(reader()):
        assert not audience.has_room_for(reader())
    assert audience.has_room_for(reader())


@asynccontextmanager
async def streaming(
    audience: Audience, visitor: Visitor, part: Part, *, patience: float = 10.0, every: float = 0.001
) -> AsyncIterator[str]:
    """A server of one stream; gives its address."""
    streams = Streams(audience, patience=patience)

    async def follow(request: web.Request) -> web.StreamResponse:
        return await streams.follow(request, visitor, {}, part, every=every)

    async with serving(follow, streams.stop) as url:
        yield url


@asynccontextmanager
async def serving(
    follow: Handler, *stops: Callable[[web.Application], Awaitable[None]]
) -> AsyncIterator[str]:
    """A server of one address; gives it."""
    app = web.Application()
    app.router.add_get("/", follow)
    app.on_shutdown.extend(stops)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


async def test_whoever_leaves_gives_their_place_back_at_once() -> None:
    """Though their stream looks up once an hour: their next page asks right away, and a no is final there."""
    visitor = reader()
    audience = Audience(Sessions(visitor).standing, most=1)
    async with (
        streaming(audience, visitor, parts(), every=3600) as url,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(url) as response:
            assert await response.content.readuntil(b"\n\n") == b"data: one\n\n"
            assert not audience.has_room_for(visitor)
        await until(lambda: audience.has_room_for(visitor))


@pytest.mark.parametrize("most", [0, 1])
async def test_whoever_leaves_before_anything_is_sent_is_no_error(most: int) -> None:
    """Whether there was room for them or not."""
    visitor = reader()
    audience = Audience(Sessions(visitor).standing, most=most)
    outcome: asyncio.Future[web.StreamResponse] = asyncio.get_running_loop().create_future()

    async def follow(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await until(lambda: request.transport is None)
        try:
            outcome.set_result(await Streams(audience).follow(request, visitor, {}, parts(), every=0.001))
        except ConnectionError as error:
            outcome.set_exception(error)
        return web.Response()

    arrived = asyncio.Event()
    async with serving(follow) as url:
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        await arrived.wait()
        writer.close()
        async with asyncio.timeout(15):
            await outcome


def parts(*errors: Exception) -> Part:
    """A part that changes once, and then fails."""
    return saying("one", "two", *errors)


def saying(*all_of_it: str | Exception) -> Part:
    """A part that is one after the other."""
    coming = [*all_of_it]

    async def part() -> str:
        made = coming.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    return part


async def test_what_time_alone_changes_is_not_sent() -> None:
    """The page's own script keeps "5 s ago" true: a list of times would be sent anew every second."""
    said = [f"<b>{state}</b> <time data-ago>{at} s ago</time>" for state, at in ((1, 5), (1, 6), (2, 7))]
    visitor = reader()
    async with (
        streaming(Audience(Sessions(visitor).standing), visitor, saying(*said, Unavailable("away"))) as url,
        aiohttp.ClientSession() as session,
        session.get(url) as response,
    ):
        sent = (await response.read()).decode()
    assert [one in sent for one in ("5 s ago", "6 s ago", "7 s ago")] == [True, False, True]


async def test_a_browser_that_takes_nothing_gives_its_place_back() -> None:
    """Or a few of them would keep all others out for as long as they like."""
    count = iter(range(10**6))

    async def part() -> str:
        return f"{next(count)} " + "x" * 4_000_000

    visitor = reader()
    audience = Audience(Sessions(visitor).standing, most=1)
    async with streaming(audience, visitor, part, patience=0.1) as url:
        host, port = url.removeprefix("http://").rstrip("/").split(":")
        _, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        await until(lambda: not audience.has_room_for(reader()))
        await until(lambda: audience.has_room_for(reader()))
        writer.close()


async def test_a_stream_whose_store_is_away_ends_and_one_that_breaks_is_cut_off() -> None:
    """Neither has an answer of its own in the middle of the other; the browser asks again, and is told then."""
    visitor = reader()
    for error, whole in ((Unavailable("away"), True), (RuntimeError("unforeseen"), False)):
        async with (
            streaming(Audience(Sessions(visitor).standing), visitor, parts(error)) as url,
            aiohttp.ClientSession() as session,
            session.get(url) as response,
        ):
            got = b""
            try:
                async for chunk in response.content.iter_any():
                    got += chunk
            except aiohttp.ClientPayloadError:
                assert not whole
            assert got == b"data: one\n\ndata: two\n\n"
