"""Every page there is. The router, the guard, the navigation and the tests all go by this table."""

from hub.web.console import appearance, inbox, queues
from hub.web.console.page import Page


def pages() -> tuple[Page, ...]:
    """The console's pages, room by room."""
    return (*appearance.PAGES, *inbox.PAGES, *queues.PAGES)
