"""What is said under a list that was searched for."""

from typing import Any

from hub.domain.search import Query
from hub.services.finding import SearchedPage

from .output import print_more, print_note


def tell_the_rest(page: SearchedPage[Any], query: Query) -> None:
    """How to go on, and what may have been meant instead."""
    for hint in query.hints:
        print_note(f"Note: {hint}")
    if page.searched_to:
        print_note(
            f"Searched back to {page.searched_to:%Y-%m-%d %H:%M} UTC; to go on: --cursor {page.next_cursor}"
        )
    else:
        print_more(page.next_cursor)
