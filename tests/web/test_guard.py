"""The console's guard: cookies, forms, and the way in and out."""

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from hub.domain.access import Role
from hub.web.addresses import client_address
from tests.services.people import PASSWORD, somebody
from tests.web.client import Answer
from tests.web.people import LOGIN, Town, hidden, town

EMAIL = "ada@example.com"


@pytest.fixture
async def place(database_url: str, redis_url: str) -> AsyncIterator[Town]:
    """A hub that is served."""
    async with town(database_url, redis_url) as made:
        yield made


def cookies_of(answer: Answer) -> list[str]:
    """What an answer sets."""
    assert isinstance(answer.headers, CIMultiDict)
    return answer.headers.getall("Set-Cookie", [])


async def test_without_operators_the_console_says_how_to_make_one(place: Town) -> None:
    """And lets nobody in."""
    browser = await place.browser()
    page = (await browser.get(LOGIN)).body.decode()
    assert "hub operators create" in page
    assert (await browser.log_in(EMAIL)).status == 401
    await somebody(place.hub)
    assert "hub operators create" not in (await browser.get(LOGIN)).body.decode()


async def test_the_bare_address_leads_a_browser_to_the_console(place: Town) -> None:
    """Whatever else asks is told that nothing is there."""
    browser = await place.browser()
    for method in ("GET", "HEAD"):
        answer = await browser.send(method, "/", {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert (answer.status, answer.headers.get("Location")) == (303, "/console/inbox")
    told = await browser.get("/", Accept="application/json")
    assert (told.status, told.json["code"]) == (404, "not_found")
    assert (await browser.send("POST", "/", {"Accept": "text/html"})).status == 404


async def test_whoever_is_not_logged_in_is_led_to_the_login_and_on_from_there(place: Town) -> None:
    """To the page that was asked for, with its query."""
    await somebody(place.hub)
    browser = await place.browser()
    asked = "/console/queues?x=a%20b&y=1"
    turned = await browser.get(asked)
    assert turned.status == 303
    where = urlsplit(turned.headers["Location"])
    assert (where.path, parse_qs(where.query)["next"]) == (LOGIN, [asked])
    answer = await browser.form(turned.headers["Location"], LOGIN, email=EMAIL, password=PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (303, asked)
    assert (await browser.get(asked)).status == 200


@pytest.mark.parametrize(
    "where", ["https://evil.example", "//evil.example", "/\\evil.example", "/console/logout"]
)
async def test_a_log_in_leads_nowhere_else(place: Town, where: str) -> None:
    """Whatever the address or the form says."""
    await somebody(place.hub)
    browser = await place.browser()
    page = await browser.get(f"{LOGIN}?next={where}")
    assert "evil" not in page.body.decode()
    answer = await browser.form(LOGIN, LOGIN, email=EMAIL, password=PASSWORD, next=where)
    assert answer.headers["Location"] == "/console/inbox"


async def test_a_wrong_password_says_nothing_of_who_exists(place: Town) -> None:
    """The same page for everybody, with the address still there."""
    await somebody(place.hub)
    pages = set()
    for email in (EMAIL, "eve@example.com"):
        browser = await place.browser()
        answer = await browser.log_in(email, "wrong password")
        assert answer.status == 401
        page = re.sub(r'name="csrf" value="[^"]*"', "", answer.body.decode()).replace(email, "")
        pages.add(page)
        assert "hub-session" not in browser.cookies
    assert len(pages) == 1


async def test_too_many_log_ins_from_one_address_are_429(place: Town) -> None:
    """With when to come back."""
    browser = await place.browser()
    for number in range(20):
        assert (await browser.log_in(f"{number}@example.com")).status == 401
    answer = await browser.log_in(EMAIL)
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1


async def test_the_cookies_are_for_the_browser_alone(place: Town) -> None:
    """No script reads them, no other site sends them; the log-in brings a new one and takes the old one away."""
    await somebody(place.hub)
    browser = await place.browser()
    [first] = cookies_of(await browser.get(LOGIN))
    assert re.fullmatch(r"hub-browser=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax", first)
    ended, kept, begun = sorted(cookies_of(await browser.log_in(EMAIL)))
    assert re.fullmatch(r"hub-session=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax", begun)
    assert re.fullmatch(r"hub-device=[\w-]{43}; HttpOnly; Max-Age=15552000; Path=/; SameSite=Lax", kept)
    assert ended.startswith('hub-browser="";')


async def test_strangers_keep_nobody_out_of_a_browser_that_they_have_logged_in_with(place: Town) -> None:
    """Though it is logged out now: it shows that it is known. A browser that is not finds the account closed."""
    browser = await place.logged_in(Role.VIEWER, EMAIL)
    await browser.form("/console/account", "/console/logout")
    stranger = await place.browser()
    for _ in range(5):
        assert (await stranger.log_in(EMAIL, "wrong password")).status == 401
    assert (await stranger.log_in(EMAIL)).status == 401
    assert (await browser.log_in(EMAIL)).status == 303
    known = browser.cookies["hub-device"]
    new = await place.browser()
    assert (
        await new.get("/console/account", Cookie=f"hub-device={known}; hub-session={known}")
    ).status == 303


async def test_over_tls_the_cookies_are_bound_to_the_host(database_url: str, redis_url: str) -> None:
    """`__Host-` and Secure; a cookie without the prefix, which another host of the domain could set, is not looked at."""
    async with town(database_url, redis_url, HUB_PUBLIC_URL="https://hub.example.com") as place:
        await somebody(place.hub)
        browser = await place.browser()
        page = await browser.get(LOGIN)
        [cookie] = cookies_of(page)
        assert re.fullmatch(r"__Host-hub-browser=[\w-]{43}; HttpOnly; Path=/; SameSite=Lax; Secure", cookie)
        fields = {**hidden(page, LOGIN), "email": EMAIL, "password": PASSWORD}
        shown = {"Cookie": cookie.partition(";")[0], "Origin": "https://hub.example.com"}
        answer = await browser.send("POST", LOGIN, shown, fields)
        assert answer.status == 303
        begun = dict(cookie.partition(";")[0].split("=", 1) for cookie in cookies_of(answer))
        assert set(begun) == {"__Host-hub-session", "__Host-hub-device", "__Host-hub-browser"}
        assert all("; Secure" in cookie for cookie in cookies_of(answer))
        session = f"__Host-hub-session={begun['__Host-hub-session']}"
        assert (await browser.get("/console/queues", Cookie=session)).status == 200
        page = await browser.get("/console/queues", Cookie=session)
        shown_in = {"Cookie": session, "Origin": "https://hub.example.com"}
        chosen = {**hidden(page, "/console/theme"), "theme": "dark"}
        [theme] = cookies_of(await browser.send("POST", "/console/theme", shown_in, chosen))
        assert theme.endswith("; Secure")
        without = session.removeprefix("__Host-")
        assert (await browser.get("/console/queues", Cookie=without)).status == 303
        foreign = {**shown, "Origin": "http://hub.example.com"}
        assert (await browser.send("POST", LOGIN, foreign, fields)).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_log_in_from_another_site_is_refused(place: Town, headers: dict[str, str]) -> None:
    """Also with a good token and the right password: nobody logs a browser in behind its owner's back."""
    await somebody(place.hub)
    browser = await place.browser()
    fields = {**hidden(await browser.get(LOGIN), LOGIN), "email": EMAIL, "password": PASSWORD}
    answer = await browser.send("POST", LOGIN, {"Origin": browser.base, **headers}, fields)
    assert answer.status == 403
    assert "hub-session" not in browser.cookies


async def test_a_log_in_takes_the_token_of_the_browser_that_got_the_form(place: Town) -> None:
    """None, a wrong one, or another browser's is refused."""
    await somebody(place.hub)
    browser, other = await place.browser(), await place.browser()
    await browser.get(LOGIN)
    foreign = hidden(await other.get(LOGIN), LOGIN)
    for fields in ({}, {"csrf": ""}, {"csrf": "A" * 43}, foreign):
        answer = await browser.post(LOGIN, {"email": EMAIL, "password": PASSWORD, **fields})
        assert answer.status == 403, fields


async def test_a_planted_session_is_not_taken_over(place: Town) -> None:
    """Whoever set a cookie in somebody's browser is not logged in with them."""
    await somebody(place.hub)
    await somebody(place.hub, "eve@example.com")
    eve = await place.browser()
    await eve.log_in("eve@example.com")
    planted = eve.cookies["hub-session"]
    ada = await place.browser()
    ada.session.cookie_jar.update_cookies({"hub-session": planted})
    await ada.form("/console/account", "/console/logout")
    await ada.log_in(EMAIL)
    assert ada.cookies["hub-session"] != planted
    assert (await eve.get("/console/account")).status == 303


async def test_logging_out_ends_the_session_and_not_only_the_cookie(place: Town) -> None:
    """Whoever kept the cookie has nothing."""
    browser = await place.logged_in(Role.VIEWER)
    kept = browser.cookies["hub-session"]
    answer = await browser.form("/console/account", "/console/logout")
    assert answer.headers["Location"] == f"{LOGIN}?notice=logged-out"
    assert "hub-session" not in browser.cookies
    assert "You are logged out" in (await browser.get(answer.headers["Location"])).body.decode()
    other = await place.browser()
    assert (await other.get("/console/account", Cookie=f"hub-session={kept}")).status == 303


async def test_a_link_shows_a_button_and_lets_in_once(place: Town) -> None:
    """Looking at it, as programs that read mail do, does not use it up; then a password can be set without an old one."""
    ada = await somebody(place.hub, password=None)
    link = (await place.hub.operators.login_link(ada.id, actor="test")).path
    browser = await place.browser()
    for _ in range(2):
        page = await browser.get(link)
        assert (page.status, page.headers["Referrer-Policy"]) == (200, "strict-origin")
    answer = await browser.form(link, "/console/login/link")
    assert (answer.status, answer.headers["Location"]) == (303, "/console/account?notice=welcome")
    later = await place.browser()
    assert (await later.get(link)).status == 410
    again = await later.post(
        "/console/login/link", {**hidden(await later.get(LOGIN), LOGIN), "token": link[-43:]}
    )
    assert again.status == 410
    set_one = "/console/account/password"
    answer = await browser.form("/console/account", set_one, password=PASSWORD, again=PASSWORD)
    assert answer.headers["Location"] == "/console/account?notice=password-set"
    assert (await later.log_in(EMAIL)).status == 303


async def test_a_password_is_changed_by_who_knows_the_old_one(place: Town) -> None:
    """And every other session of theirs ends."""
    browser = await place.logged_in(Role.VIEWER, EMAIL)
    other = await place.browser()
    await other.log_in(EMAIL)
    path, new = "/console/account/password", "a new long password"
    for fields, told in (
        ({"current": "wrong password", "password": new, "again": new}, "present password"),
        ({"current": PASSWORD, "password": new, "again": "another"}, "not the same"),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "at least 12"),
        ({"current": PASSWORD, "password": EMAIL, "again": EMAIL}, "e-mail address"),
    ):
        answer = await browser.form("/console/account", path, **fields)
        assert answer.status == 422
        assert told in answer.body.decode()
    answer = await browser.form("/console/account", path, current=PASSWORD, password=new, again=new)
    assert answer.status == 303
    assert (await browser.get("/console/account")).status == 200
    assert (await other.get("/console/account")).status == 303


async def test_one_ends_ones_own_sessions_and_nobody_elses(place: Town) -> None:
    """Each by its button; another operator's is not found."""
    ada = await place.logged_in(Role.VIEWER, EMAIL)
    eve = await place.logged_in(Role.ADMIN, "eve@example.com")
    [session] = await place.hub.logins.sessions((await place.hub.operators.find(EMAIL)).id)
    path = f"/console/account/sessions/{session.id}/revoke"
    fields = hidden(await eve.get("/console/account"), "/console/logout")
    assert (await eve.post(path, fields)).status == 404
    answer = await ada.form("/console/account", path)
    assert answer.headers["Location"] == f"{LOGIN}?notice=logged-out"
    assert (await ada.get("/console/account")).status == 303


async def test_an_admin_makes_changes_and_shuts_out_operators(place: Town) -> None:
    """All with plain forms; the link is shown once and lets the new one in."""
    admin = await place.logged_in(Role.ADMIN)
    people = "/console/people"
    page = await admin.form(people, people, email="New@example.com", name="New", role="viewer")
    found = re.search(r"/console/login/link\?token=[\w-]{43}", page.body.decode())
    assert page.status == 200
    assert found
    new = await place.browser()
    assert (await new.form(found[0], "/console/login/link")).status == 303
    one = await place.hub.operators.find("new@example.com")
    path = f"{people}/{one.id}"
    assert (await admin.form(path, f"{path}/role", role="operator", reason="on call")).status == 303
    assert (await place.hub.operators.get(one.id)).role is Role.OPERATOR
    assert (await admin.form(path, f"{path}/disable", reason="gone")).status == 303
    assert (await new.get("/console/account")).status == 303
    assert (await admin.form(path, f"{path}/enable")).status == 303
    assert (await admin.form(path, f"{path}/link")).status == 200
    assert (await admin.form(path, f"{path}/reset")).status == 303
    again = await admin.form(people, people, email="new@example.com", name="New", role="viewer")
    assert (again.status, "already" in again.body.decode()) == (422, True)
    bad = await admin.form(people, people, email="nobody", name="", role="viewer")
    assert (bad.status, "must be an e-mail address" in bad.body.decode()) == (422, True)


async def test_the_last_admin_stays(place: Town) -> None:
    """The page says why."""
    admin = await place.logged_in(Role.ADMIN)
    one = await place.hub.operators.find("admin@example.com")
    path = f"/console/people/{one.id}"
    for answer in (
        await admin.form(path, f"{path}/disable"),
        await admin.form(path, f"{path}/role", role="viewer"),
    ):
        assert answer.status == 409
        assert "last administrator" in answer.body.decode()


async def test_the_audit_page_lists_and_filters(place: Town) -> None:
    """By whom, what, to what and on which days; a day that is none is told."""
    admin = await place.logged_in(Role.ADMIN)
    await place.hub.operators.create("x@example.com", "X", "viewer", actor="someone-else")
    page = (await admin.get("/console/audit")).body.decode()
    assert "operator.login" in page
    assert "someone-else" in page
    page = (await admin.get("/console/audit?actor=someone-else")).body.decode()
    assert "<code>operator.create</code>" in page
    assert "<code>operator.login</code>" not in page
    assert (
        "Nobody has done anything that matches"
        in (await admin.get("/console/audit?until=2001-01-01")).body.decode()
    )
    assert (await admin.get("/console/audit?since=yesterday")).status == 422


async def test_the_address_of_a_client_is_what_the_outermost_proxy_saw(
    database_url: str, redis_url: str
) -> None:
    """What a client writes into X-Forwarded-For itself gives it no other address, and without proxies nothing does."""
    async with town(database_url, redis_url, HUB_PROXIES="2") as place:
        config = place.hub.config.web
        request = make_mocked_request("GET", "/", {"X-Forwarded-For": "1.1.1.1, 192.0.2.7, 10.0.0.2"})
        assert client_address(config, request) == "192.0.2.7"
        for forged in ("192.0.2.7", "", "x, y, z"):
            request = make_mocked_request("GET", "/", {"X-Forwarded-For": forged})
            assert client_address(config, request) == (request.remote or "")
