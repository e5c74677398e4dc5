"""Choosing how the console looks."""

from aiohttp import web

from hub.web.addresses import is_secure
from hub.web.console.addresses import safe_next
from hub.web.console.page import Page, Visit
from hub.web.console.theme import COOKIE, THEMES

_YEAR = 365 * 24 * 3600


async def choose(visit: Visit) -> web.StreamResponse:
    """Remember a theme, and go back to where it was chosen."""
    answer = visit.redirect(safe_next(visit.form.get("next")))
    theme = visit.form.get("theme", "")
    answer.set_cookie(
        COOKIE,
        theme if theme in THEMES else "auto",
        max_age=_YEAR,
        path="/console",
        httponly=True,
        samesite="Lax",
        secure=is_secure(visit.hub.config.web, visit.request),
    )
    return answer


PAGES = (Page("POST", "/console/theme", choose, None),)
