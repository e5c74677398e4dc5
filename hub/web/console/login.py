"""Logging in and out: the only pages for those who have not logged in."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from hub.domain.errors import LoginRefused, NotFound, TooManyLogins
from hub.domain.sessions import form_token
from hub.services.single_sign_on import Returned, SingleSignOn
from hub.web.console import guard
from hub.web.console.addresses import safe_next
from hub.web.console.page import Page, Visit

LOGIN = "/console/login"
LINK = "/console/login/link"


async def show(visit: Visit) -> web.StreamResponse:
    """The login page; whoever has logged in goes on."""
    after = safe_next(visit.request.query.get("next"))
    if visit.visitor is not None:
        return visit.redirect(after)
    return await _form(visit, after)


async def log_in(visit: Visit) -> web.StreamResponse:
    """By password."""
    after, config = safe_next(visit.form.get("next")), visit.hub.config.web
    email, password = visit.form.get("email", ""), visit.form.get("password", "")
    try:
        token = await visit.hub.logins.by_password(email, password, guard.browser_of(config, visit.request))
    except LoginRefused as refused:
        return await _form(visit, after, status=401, email=email[:254], error=str(refused))
    except TooManyLogins as refused:
        return await _too_many(visit, after, refused, email=email[:254])
    return _in(visit, after, token)


async def show_link(visit: Visit) -> web.StreamResponse:
    """What a one-time link opens: a button, as programs that look at links in mail press none."""
    token = visit.request.query.get("token", "")
    good = await visit.hub.logins.is_good_link(token)
    return _anonymous(visit, "login_link.html", status=200 if good else 410, token=token if good else None)


async def use_link(visit: Visit) -> web.StreamResponse:
    """By a one-time link, which is used up."""
    config = visit.hub.config.web
    try:
        token = await visit.hub.logins.by_link(
            visit.form.get("token", ""), guard.browser_of(config, visit.request)
        )
    except LoginRefused:
        return _anonymous(visit, "login_link.html", status=410, token=None)
    except TooManyLogins as refused:
        return await _too_many(visit, safe_next(None), refused)
    return _in(visit, "/console/account", token, "welcome")


async def go(visit: Visit) -> web.StreamResponse:
    """To the identity provider. A link and not a form, which our own policy would keep from leading there."""
    config, request = visit.hub.config.web, visit.request
    after = safe_next(request.query.get("next"))
    cookie = guard.browser_cookie(config, request)
    try:
        where = await _provider(visit).begin(after, cookie, guard.browser_of(config, request))
    except TooManyLogins as refused:
        return await _too_many(visit, after, refused)
    answer = visit.redirect(where)
    guard.know(config, request, answer, cookie)
    return answer


async def come_back(visit: Visit) -> web.StreamResponse:
    """From the identity provider."""
    config, request = visit.hub.config.web, visit.request
    returned = Returned(
        state=request.query.get("state", ""),
        code=request.query.get("code", "")[:4_000],
        error=request.query.get("error", ""),
        issuer=request.query.get("iss"),
        cookie=guard.shown_cookie(config, request),
    )
    try:
        welcome = await _provider(visit).finish(returned, guard.browser_of(config, request))
    except LoginRefused as refused:
        return await _form(visit, safe_next(None), status=401, error=str(refused))
    return _in(visit, welcome.next_path, welcome.token, "last-admin" if welcome.stays_admin else None)


async def log_out(visit: Visit) -> web.StreamResponse:
    """End one's session."""
    if visit.visitor is not None and visit.visitor.session is not None:
        await visit.hub.logins.log_out(visit.visitor.session)
    answer = visit.redirect(LOGIN, "logged-out")
    guard.let_out(visit.hub.config.web, visit.request, answer)
    return answer


def _provider(visit: Visit) -> SingleSignOn:
    if visit.hub.single_sign_on is None:
        raise NotFound("there is no identity provider")
    return visit.hub.single_sign_on


def _in(visit: Visit, after: str, token: str, notice: str | None = None) -> web.Response:
    answer = visit.redirect(after, notice)
    config = visit.hub.config
    guard.let_in(config.web, visit.request, answer, token, config.sessions)
    return answer


async def _form(
    visit: Visit, after: str, *, status: int = 200, email: str = "", error: str | None = None
) -> web.Response:
    return _anonymous(
        visit,
        "login.html",
        status=status,
        after=after,
        email=email,
        error=error,
        anybody=await visit.hub.operators.is_anybody(),
        provider=visit.hub.single_sign_on.title if visit.hub.single_sign_on else None,
    )


async def _too_many(visit: Visit, after: str, refused: TooManyLogins, email: str = "") -> web.Response:
    answer = await _form(visit, after, status=429, email=email, error=str(refused))
    answer.headers["Retry-After"] = str(max(1, round(refused.retry_after.total_seconds())))
    return answer


def _anonymous(visit: Visit, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page with a form for a browser that has not logged in, and the cookie that ties the form to it."""
    config = visit.hub.config.web
    cookie = guard.browser_cookie(config, visit.request)
    # Of who has logged in (and follows a link all the same) the form is of the session.
    csrf = visit.visitor.csrf if visit.visitor else form_token(cookie)
    answer = visit.render(template, status=status, csrf=csrf, **values)
    # The address may hold a token. Not `no-referrer`: browsers post a form from there with `Origin: null`, which is refused.
    answer.headers.update(CIMultiDict({"Referrer-Policy": "strict-origin"}))
    guard.know(config, visit.request, answer, cookie)
    return answer


PAGES = (
    Page("GET", LOGIN, show, None, open=True),
    Page("POST", LOGIN, log_in, None, open=True),
    Page("GET", LINK, show_link, None, open=True),
    Page("POST", LINK, use_link, None, open=True),
    Page("GET", "/console/login/oidc", go, None, open=True),
    Page("GET", "/console/login/oidc/done", come_back, None, open=True),
    Page("POST", "/console/logout", log_out, None),
)
