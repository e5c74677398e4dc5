"""Templates: what they are given is shown as it is, and never as markup."""

from datetime import UTC, datetime
from html import unescape

from hub.services.edit_views import ChangeView
from hub.web.console.assets import Assets
from hub.web.console.rendering import Renderer

NOW = datetime(2027, 1, 31, tzinfo=UTC)


def test_a_difference_is_shown_as_it_is_and_escaped() -> None:
    """With its quotes, apostrophes and ampersands."""
    renderer = Renderer(Assets.make(), lambda: NOW, [])
    story = renderer._environment.get_template("story.html").module
    shown = str(story.difference([ChangeView("/name", "changed", "<b>O'Neill & Co", 7)]))  # type: ignore[attr-defined]
    assert "<b>" not in shown
    assert """<code>"<b>O'Neill & Co"</code>""" in unescape(shown)
    assert "<code>7</code>" in shown
