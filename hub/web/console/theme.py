"""Light, dark, or as the browser has it: a cookie, since it concerns one browser and no one else."""

from aiohttp import web

THEMES = ("auto", "light", "dark")
COOKIE = "hub_theme"


def theme_of(request: web.Request) -> str:
    """The theme that a browser has chosen."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in THEMES else "auto"
