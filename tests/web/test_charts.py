"""Charts: what is drawn stands for the numbers, says itself in words, and holds nothing that a strict CSP refuses."""

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest

from hub.web.console.charts import (
    HEIGHT,
    WIDTH,
    Chart,
    Series,
    Tone,
    area,
    bars,
    lines,
    nice_ceiling,
    sparkline,
)

LABELS = ["08:00", "09:00", "10:00", "11:00"]


def drawing(markup: str) -> ET.Element:
    """The SVG in it, parsed: it is well-formed, or this fails."""
    found = re.search(r"<svg.*?</svg>", markup)
    assert found
    return ET.fromstring(found[0])  # noqa: S314 - made here


def chart(*series: Series) -> Chart:
    return Chart("Finished by hour", LABELS, series)


class TestBars:
    def test_stacks_reach_as_high_as_their_sum(self) -> None:
        """The highest bar of 60 + 20 under a scale of 80 fills the drawing, and the parts keep their proportion."""
        good = Series("succeeded", [60, 0, None, 30], Tone.GOOD)
        svg = drawing(bars(chart(good, Series("failed", [20, 0, None, 10], Tone.BAD))))
        rects = [r for r in svg.iter("rect") if "chart-bar" in r.get("class", "")]
        heights = [float(r.get("height", "0")) for r in rects]
        assert heights == [HEIGHT * 0.75, HEIGHT * 0.25, HEIGHT * 0.375, HEIGHT * 0.125]
        assert float(rects[1].get("y", "")) == 0
        assert float(rects[0].get("y", "")) == HEIGHT * 0.25

    def test_the_numbers_stand_beside_it_as_a_table(self) -> None:
        """Each label is a row and each series a column, and what is unknown is not told as nothing."""
        markup = bars(chart(Series("succeeded", [1234, 0, None, 3], Tone.GOOD)))
        assert (
            '<tr><th scope="row">08:00</th><td class="num">1\N{NARROW NO-BREAK SPACE}234</td></tr>' in markup
        )
        assert '<tr><th scope="row">10:00</th><td class="num">&ndash;</td></tr>' in markup

    def test_nothing_is_said_in_words(self) -> None:
        """A chart without a single number says so, and draws no scale that means nothing."""
        markup = bars(chart(Series("succeeded", [None, 0, None, 0])))
        assert "Nothing in this time" in markup
        assert "<svg" not in markup


class TestLines:
    def test_an_unknown_hour_is_a_gap(self) -> None:
        """No line is drawn across what is not known."""
        svg = drawing(lines(chart(Series("p95", [1, 2, None, 2]))))
        paths = [p.get("d", "") for p in svg.iter("path") if "chart-line" in p.get("class", "")]
        assert len(paths) == 2
        assert paths[0] == f"M{WIDTH / 8:g} {HEIGHT / 2:g}L{WIDTH * 3 / 8:g} 0"

    @pytest.mark.parametrize("draw", [lines, area])
    def test_a_point_with_nothing_beside_it_is_a_dot(self, draw: Callable[[Chart], str]) -> None:
        """Of a line without a length its ends are all that is seen; a line with one has none that stick out."""
        svg = drawing(draw(chart(Series("p95", [None, 1, None, None]))))
        kinds = [path.get("class", "") for path in svg.iter("path")]
        assert sum("chart-point" in kind for kind in kinds) == 1
        svg = drawing(draw(chart(Series("p95", [None, 1, 1, None]))))
        assert not any("chart-point" in path.get("class", "") for path in svg.iter("path"))

    def test_the_drawing_says_what_it_shows(self) -> None:
        """A title, and a sentence with the highest value in the chart's own unit."""
        one = Chart("Run time", LABELS, [Series("p95", [0.5, 2, 1, 1])], unit=lambda v: f"{v:g} s")
        svg = drawing(lines(one))
        assert svg.findtext("title") == "Run time"
        assert svg.findtext("desc") == "p95 at most 2 s from 08:00 to 11:00"
        assert svg.get("role") == "img"

    def test_an_area_ends_at_the_bottom(self) -> None:
        """The filled part goes back down to zero under its last point and back to its first."""
        svg = drawing(area(chart(Series("depth", [1, 2, 3, 4]))))
        [filled] = [p.get("d", "") for p in svg.iter("path") if "chart-area" in p.get("class", "")]
        assert filled.endswith(f"V{HEIGHT}H{WIDTH / 8:g}Z")


class TestSparkline:
    def test_the_least_of_what_happened_can_be_seen(self) -> None:
        """One failure beside a thousand is drawn; an hour without any is not."""
        svg = drawing(sparkline([1, 0, 1000], title="failures by hour"))
        [bars] = [path.get("d", "") for path in svg.iter("path") if "chart-bar" in path.get("class", "")]
        heights = [float(height) for height in re.findall(r"v-([\d.]+)h", bars)]
        assert len(heights) == 2
        assert heights[0] >= 1
        assert (
            svg.findtext("desc")
            == "1\N{NARROW NO-BREAK SPACE}001 in all; highest 1\N{NARROW NO-BREAK SPACE}000"
        )

    @pytest.mark.parametrize("values", [[], [0, 0]])
    def test_nothing_is_a_flat_line(self, values: list[float]) -> None:
        """An empty row is drawn as a floor, and does not divide by zero."""
        assert drawing(sparkline(values, title="none")).findtext("desc") == "0 in all; highest 0"


@pytest.mark.parametrize(
    ("highest", "top"),
    [(0, 1), (-3, 1), (1, 1), (1.01, 2), (3, 4), (4.5, 5), (79, 80), (81, 100), (0.0007, 0.0008), (1e9, 1e9)],
)
def test_scales_end_at_round_numbers(highest: float, top: float) -> None:
    """The end of a scale is round and no lower than what is drawn."""
    assert nice_ceiling(highest) == pytest.approx(top)


@pytest.mark.parametrize("draw", [bars, lines, area])
def test_names_are_escaped_and_nothing_is_styled_in_place(draw: object) -> None:
    """Labels may hold anything a stranger wrote; a strict CSP refuses styles and scripts in place."""
    assert callable(draw)
    hostile = Chart("<script>", ['"><b onload=x>', "b"], [Series("<i>&", [1, 2]), Series("two", [2, 1])])
    markup = str(draw(hostile))
    assert "<script" not in markup
    assert "<b " not in markup
    assert "<i>" not in markup
    assert " style=" not in markup
    drawing(markup)


def test_a_series_that_does_not_fit_its_labels_is_refused() -> None:
    """A number under the wrong hour would be worse than none."""
    with pytest.raises(ValueError, match="every series"):
        Chart("x", ["a", "b"], [Series("s", [1])])
