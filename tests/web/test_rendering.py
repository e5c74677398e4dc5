"""Templates: what they are given is shown as it is, and never as markup."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from importlib.resources import files

import pytest

from hub.services.edit_views import ChangeView
from hub.web.console.assets import Assets
from hub.web.console.charts import plain
from hub.web.console.rendering import Renderer, ago, moment, number
from hub.web.console.shares import Part, bar

NOW = datetime(2027, 1, 31, tzinfo=UTC)
TEMPLATES = files("hub.web") / "templates" / "console"


def test_a_difference_is_shown_as_it_is_and_escaped() -> None:
    """With its quotes, apostrophes and ampersands."""
    renderer = Renderer(Assets.make(), lambda: NOW, [])
    story = renderer._environment.get_template("story.html").module
    shown = str(story.difference([ChangeView("/name", "changed", "<b>O'Neill & Co", 7)]))  # type: ignore[attr-defined]
    assert "<b>" not in shown
    assert """<code>"<b>O'Neill & Co"</code>""" in unescape(shown)
    assert "<code>7</code>" in shown


def test_a_moment_has_its_year_where_it_is_not_this_one() -> None:
    """In the year of UTC."""
    at = datetime(2026, 12, 31, 23, 59, 59, 7_000, UTC)
    assert moment(at, at) == "31 Dec 23:59:59.007"
    assert moment(at, NOW) == "31 Dec 2026 23:59:59.007"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (8 * 3600 - 2, "in 8 h"), (7.4 * 3600, "in 7 h"), (3600 - 20, "in 1 h"), (3600 - 31, "in 59 min"), (86_400 - 5, "in 1 d"),
        (59.6, "in 1 min"), (59.4, "in 59 s"), (1.2, "in 1 s"), (0.4, "just now"), (-59.9, "59 s ago"), (-7.9 * 3600, "7 h ago"),
    ],
)  # fmt: skip
def test_what_is_to_come_is_rounded_and_what_is_over_is_not(seconds: float, said: str) -> None:
    """A session of eight hours has eight, just after it began; what was seven hours ago was not eight."""
    assert ago(NOW + timedelta(seconds=seconds), NOW) == said


def test_numbers_are_written_in_one_way() -> None:
    """In tables, beside charts, and for those who do not see a bar."""
    assert (
        plain(1_234_567) == number(1_234_567) == "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567"
    )
    assert (plain(1_234.0), plain(0.25), plain(1_234.56)) == (number(1_234), "0.25", number(1_235))
    assert f"{number(1_234)} failed" in bar([Part("failed", 1_234, "bad")], "Jobs")


def test_every_value_of_a_list_says_its_column() -> None:
    """A narrow window has no columns; boxes to tick and buttons have names of their own."""
    cells = {
        f"{template.name}: {cell[:60]}"
        for template in TEMPLATES.iterdir()
        for table in re.findall(r'<table class="list.*?</table>', template.read_text(), re.DOTALL)
        for cell in re.findall(r"<td\b[^>]*>", table)
    }
    assert len(cells) > 80
    unnamed = {cell for cell in cells if "data-label=" not in cell and not re.search("select|narrow", cell)}
    assert unnamed == set()
