"""Who is at the console: its cookies, and how a form shows that it comes from our own pages.

A browser has one of two cookies: of its session, or, until it has logged in, one that only ties the form of the login
page to it. A third stays when it has logged out, and shows that somebody has logged in with it before. All are HttpOnly
and SameSite=Lax; over TLS they are Secure and begin with `__Host-`, so that no other site under the same domain can set
them (https://www.rfc-editor.org/rfc/rfc6265, and its successor's 4.1.3.2).
"""

from datetime import timedelta
from secrets import token_urlsafe

from aiohttp import web

from hub.config.web import WebConfig
from hub.domain.sessions import SessionLimits, device_token, form_token, is_token
from hub.services.hub import Hub
from hub.services.logins import Visitor as Browser
from hub.web.addresses import client_address, is_secure, public_url
from hub.web.console.visitor import Visitor
from hub.web.problems import HttpProblem

_SESSION = "hub-session"
_BROWSER = "hub-browser"
_DEVICE = "hub-device"


class Guard:
    """Knows who has logged in, by the session that their browser shows."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def of(self, request: web.Request, *, used: bool) -> Visitor | None:
        """Who sends this request; None if they have not logged in. `used`: it moves the end of their session.

        Raises Unavailable.
        """
        token = session_token(self._hub.config.web, request)
        session = await self._hub.logins.session(token, used=used) if token else None
        if session is None:
            return None
        return Visitor(session.principal, session.name, session.role, form_token(session.token), session)


def session_token(config: WebConfig, request: web.Request) -> str | None:
    """The token of the session that a browser shows."""
    return _cookie(config, request, _SESSION)


def browser_token(config: WebConfig, request: web.Request) -> str | None:
    """What the forms of a browser that has not logged in must bring along; None if it shows no cookie."""
    cookie = _cookie(config, request, _BROWSER)
    return form_token(cookie) if cookie else None


def shown_cookie(config: WebConfig, request: web.Request) -> str | None:
    """The cookie that a browser shows that has not logged in."""
    return _cookie(config, request, _BROWSER)


def browser_cookie(config: WebConfig, request: web.Request) -> str:
    """The cookie of a browser that has not logged in: the one it has, else a new one, to be set by `know`."""
    return _cookie(config, request, _BROWSER) or token_urlsafe(32)


def know(config: WebConfig, request: web.Request, answer: web.Response, cookie: str) -> None:
    """Set the cookie of a browser that has not logged in."""
    _set(config, request, answer, _BROWSER, cookie)


def let_in(
    config: WebConfig, request: web.Request, answer: web.Response, token: str, limits: SessionLimits
) -> None:
    """Set the cookies of a new session. Its own ends with the browser; the session itself ends by the database's clock."""
    _set(config, request, answer, _SESSION, token)
    _set(config, request, answer, _DEVICE, device_token(token), kept=limits.device)
    _delete(config, request, answer, _BROWSER)


def let_out(config: WebConfig, request: web.Request, answer: web.Response) -> None:
    """Take the session's cookie away."""
    _delete(config, request, answer, _SESSION)


def browser_of(config: WebConfig, request: web.Request) -> Browser:
    """The browser as the services see it."""
    return Browser(
        client_address(config, request),
        request.headers.get("User-Agent", ""),
        former=session_token(config, request),
        device=_cookie(config, request, _DEVICE),
    )


def check_origin(config: WebConfig, request: web.Request) -> None:
    """A form comes from our own pages: browsers say so. Beside the token, in case one leaks.

    Raises HttpProblem, 403.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site not in {None, "same-origin"} or (origin is not None and not _is_own(config, request, origin)):
        raise HttpProblem(403, "csrf", "the form was posted from another site")


def _is_own(config: WebConfig, request: web.Request, origin: str) -> bool:
    if config.public_url is not None:
        return origin == public_url(config, request)
    # Without a configured address the scheme is not known: a proxy may speak TLS for us.
    return origin.partition("://")[2] == request.host


def _name(config: WebConfig, request: web.Request, name: str) -> str:
    return f"__Host-{name}" if is_secure(config, request) else name


def _cookie(config: WebConfig, request: web.Request, name: str) -> str | None:
    value = request.cookies.get(_name(config, request, name))
    return value if value is not None and is_token(value) else None


def _set(
    config: WebConfig,
    request: web.Request,
    answer: web.Response,
    name: str,
    value: str,
    kept: timedelta | None = None,
) -> None:
    answer.set_cookie(
        _name(config, request, name),
        value,
        max_age=None if kept is None else int(kept.total_seconds()),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(config, request),
    )


def _delete(config: WebConfig, request: web.Request, answer: web.Response, name: str) -> None:
    answer.del_cookie(
        _name(config, request, name),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(config, request),
    )
