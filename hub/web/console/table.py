"""Every page there is. The router, the guard, the navigation and the tests all go by this table."""

from hub.web.console import (
    account,
    alerts,
    appearance,
    audit,
    edits,
    fleet,
    inbox,
    lists,
    login,
    overview,
    people,
    plans,
    queues,
    stories,
)
from hub.web.console.page import Page


def pages() -> tuple[Page, ...]:
    """The console's pages, room by room."""
    return (
        *login.PAGES,
        *account.PAGES,
        *appearance.PAGES,
        *inbox.PAGES,
        *lists.PAGES,
        *plans.PAGES,
        *overview.PAGES,
        *queues.PAGES,
        *fleet.PAGES,
        *alerts.PAGES,
        *people.PAGES,
        *audit.PAGES,
        *stories.PAGES,
        *edits.PAGES,
    )
