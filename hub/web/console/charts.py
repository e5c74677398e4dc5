"""Charts as SVG, drawn on the server: pure functions from numbers to markup, without scripts, styles or colours of their own.

A drawing is stretched to the width there is, so nothing in it is text: the words beside the axes are HTML, and stay as
large as everything else on a telephone. Colours, light and dark, come from the stylesheet through classes. Whoever cannot
see it has a title, a sentence that says what it shows, and the same numbers as a table.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from markupsafe import Markup, escape

from hub.web.console.rendering import number

WIDTH, HEIGHT = 720, 160  # of the drawing, in units of its own
SPARK_WIDTH, SPARK_HEIGHT = 96, 20
_GAP = 0.15  # of a bar's place is left empty on either side
_JOIN = Markup("")


class Tone(StrEnum):
    """What a series means; the stylesheet gives it its colour."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"
    FIRST = "first"
    SECOND = "second"
    THIRD = "third"


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers; None where nothing is known."""

    name: str
    values: Sequence[float | None]
    tone: Tone = Tone.FIRST


def plain(value: float) -> str:
    """A number as tables write it, with a narrow space between thousands; to three figures where it is no whole one."""
    return number(round(value)) if value == int(value) or abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Chart:
    """What a drawing of several series shares.

    Attributes:
        title: what it shows, in a few words.
        labels: what stands under each point, in order; the first, the middle and the last are shown.
        series: each as long as `labels`.
        summary: what it says, in a sentence; by default the highest of each series.
        unit: writes a value down, such as `1.2 s`.
    """

    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    summary: str = ""
    unit: Callable[[float], str] = plain

    def __post_init__(self) -> None:
        if any(len(series.values) != len(self.labels) for series in self.series):
            raise ValueError("every series of a chart has a value, or None, for every label")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for series in self.series for value in series.values)


def bars(chart: Chart) -> Markup:
    """A bar for each label, with the series stacked in it from the bottom up."""
    totals = [sum(series.values[at] or 0 for series in chart.series) for at in range(len(chart.labels))]
    top = nice_ceiling(max(totals, default=0))
    return _figure(chart, "bars", top, _JOIN.join(_stacks(chart, top)))


def lines(chart: Chart) -> Markup:
    """A line for each series; a gap where nothing is known."""
    top = nice_ceiling(_highest(chart))
    drawn = [_drawn(series, points) for series in chart.series for points in _runs(series.values, top)]
    return _figure(chart, "lines", top, _JOIN.join(drawn))


def area(chart: Chart) -> Markup:
    """A filled line for each series, the later ones in front."""
    top = nice_ceiling(_highest(chart))
    drawn = [
        _path(f"chart-area tone-{series.tone}", _closed(points, HEIGHT)) + _drawn(series, points)
        for series in chart.series
        for points in _runs(series.values, top)
    ]
    return _figure(chart, "area", top, _JOIN.join(drawn))


def sparkline(values: Sequence[float], *, title: str, tone: Tone = Tone.BAD) -> Markup:
    """A small row of bars to stand in a line of a table, such as one for each hour of a day, the latest at the right.

    Args:
        values: what to draw.
        title: what it shows, for those who cannot see it, such as `failures in each of the last 24 hours`.
        tone: what it means.
    """
    top = max(values, default=0) or 1
    place = SPARK_WIDTH / max(len(values), 1)
    # One path for all bars: a list has fifty of these, and drawing each bar by itself took longer than the rest of the page.
    drawn = "".join(
        f"M{_n((index + _GAP) * place)} {SPARK_HEIGHT}v{_n(-SPARK_HEIGHT * max(value / top, 0.08))}"
        f"h{_n(place * (1 - 2 * _GAP))}V{SPARK_HEIGHT}z"
        for index, value in enumerate(values)
        if value > 0
    )
    # A line at the bottom: a row of nothing is to be seen as such.
    floor = Markup('<path class="chart-axis" d="M0 {h}H{w}"/>').format(h=SPARK_HEIGHT, w=SPARK_WIDTH)
    return Markup(
        '<svg class="sparkline" role="img" viewBox="0 0 {w} {h}" width="{w}" height="{h}" preserveAspectRatio="none">'
        "<title>{title}</title><desc>{text}</desc>{drawn}</svg>"
    ).format(
        w=SPARK_WIDTH,
        h=SPARK_HEIGHT,
        title=title,
        text=f"{plain(sum(values))} in all; highest {plain(max(values, default=0))}",
        drawn=floor + (_path(f"chart-bar tone-{tone}", drawn) if drawn else Markup("")),
    )


def nice_ceiling(highest: float) -> float:
    """The least of 1, 2, 4, 5, 6, 8 and 10 times a power of ten that is no less; 1 for nothing. Its half reads well, too."""
    if highest <= 0 or not math.isfinite(highest):
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10) if highest <= step * power * (1 + 1e-9))


def _figure(chart: Chart, kind: str, top: float, drawn: Markup) -> Markup:
    return Markup(
        '<figure class="chart of-{kind}"><figcaption><span class="chart-title">{title}</span>{legend}</figcaption>'
        "{plot}{table}</figure>"
    ).format(
        kind=kind,
        title=chart.title,
        legend=_legend(chart),
        plot=Markup('<p class="chart-empty">Nothing in this time.</p>')
        if chart.is_empty
        else _plot(chart, top, drawn),
        table=_table(chart),
    )


def _plot(chart: Chart, top: float, drawn: Markup) -> Markup:
    grid = _JOIN.join(
        Markup('<path class="chart-grid" d="M0 {y}H{w}"/>').format(y=y, w=WIDTH) for y in (0, HEIGHT / 2)
    ) + Markup('<path class="chart-axis" d="M0 {h}H{w}"/>').format(h=HEIGHT, w=WIDTH)
    y_axis = [chart.unit(top), chart.unit(top / 2), "0"]
    return Markup(
        '<div class="chart-plot"><div class="chart-y" aria-hidden="true">{y}</div>'
        '<svg role="img" viewBox="0 0 {w} {h}" preserveAspectRatio="none">'
        "<title>{title}</title><desc>{summary}</desc>{grid}{drawn}{hits}</svg>"
        '<div class="chart-x" aria-hidden="true">{x}</div></div>'
    ).format(
        y=_spans(y_axis),
        x=_spans(_some(chart.labels)),
        w=WIDTH,
        h=HEIGHT,
        title=chart.title,
        summary=chart.summary or _summary(chart),
        grid=grid,
        drawn=drawn,
        hits=_hits(chart),
    )


def _legend(chart: Chart) -> Markup:
    if len(chart.series) < 2:
        return Markup("")
    entries = [
        Markup('<span class="chart-key tone-{}">{}</span>').format(series.tone, series.name)
        for series in chart.series
    ]
    return Markup('<span class="chart-legend">{}</span>').format(_JOIN.join(entries))


def _table(chart: Chart) -> Markup:
    head = _JOIN.join(Markup('<th scope="col" class="num">{}</th>').format(s.name) for s in chart.series)
    rows = [
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, _JOIN.join(_cell(chart, series.values[at]) for series in chart.series)
        )
        for at, label in enumerate(chart.labels)
    ]
    return Markup(
        '<details class="chart-table"><summary>As a table</summary><div class="table-scroll" role="region" tabindex="0"'
        ' aria-label="{title}"><table><caption class="visually-hidden">{title}</caption>'
        '<thead><tr><th scope="col">When</th>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    ).format(title=chart.title, head=head, rows=_JOIN.join(rows))


def _cell(chart: Chart, value: float | None) -> Markup:
    return Markup('<td class="num">{}</td>').format(Markup("&ndash;") if value is None else chart.unit(value))


def _hits(chart: Chart) -> Markup:
    """A place for the pointer over each label, whose title browsers show: the exact numbers without a script."""
    place = WIDTH / max(len(chart.labels), 1)
    return _JOIN.join(
        Markup(
            '<g class="chart-hit"><title>{}</title><rect x="{}" y="0" width="{}" height="{}"/></g>'
        ).format(_reading(chart, at), _n(at * place), _n(place), HEIGHT)
        for at in range(len(chart.labels))
    )


def _reading(chart: Chart, at: int) -> str:
    known = [
        f"{series.name} {chart.unit(value)}"
        for series in chart.series
        if (value := series.values[at]) is not None
    ]
    return f"{chart.labels[at]}: {', '.join(known) or 'nothing'}"


def _summary(chart: Chart) -> str:
    highest = [
        f"{series.name} at most {chart.unit(max((v for v in series.values if v is not None), default=0))}"
        for series in chart.series
    ]
    span = f" from {chart.labels[0]} to {chart.labels[-1]}" if chart.labels else ""
    return f"{'; '.join(highest)}{span}"


def _stacks(chart: Chart, top: float) -> Iterator[Markup]:
    place = WIDTH / max(len(chart.labels), 1)
    for at in range(len(chart.labels)):
        below = 0.0
        for series in chart.series:
            if part := (series.values[at] or 0) / top:
                yield _rect(f"chart-bar tone-{series.tone}", at * place, place, below, part, HEIGHT)
                below += part


def _rect(kind: str, left: float, place: float, below: float, part: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        kind,
        _n(left + place * _GAP),
        _n(height * (1 - below - part)),
        _n(place * (1 - 2 * _GAP)),
        _n(height * part),
    )


def _runs(values: Sequence[float | None], top: float) -> Iterator[list[tuple[float, float]]]:
    """The points that stand beside each other, each in the middle of its place."""
    place = WIDTH / max(len(values), 1)
    run: list[tuple[float, float]] = []
    for at, value in enumerate(values):
        if value is not None:
            run.append(((at + 0.5) * place, HEIGHT * (1 - value / top)))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _drawn(series: Series, points: Sequence[tuple[float, float]]) -> Markup:
    # A point with nothing beside it is a line without a length: the stylesheet gives it round ends, thick enough to be seen.
    lone = "chart-point " if len(points) == 1 else ""
    return _path(f"chart-line {lone}tone-{series.tone}", _line(points) + ("h0" if lone else ""))


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def _closed(points: Sequence[tuple[float, float]], bottom: float) -> str:
    return f"{_line(points)}V{_n(bottom)}H{_n(points[0][0])}Z"


def _path(kind: str, drawn: str) -> Markup:
    return Markup('<path class="{}" d="{}"/>').format(kind, drawn)


def _spans(texts: Sequence[str]) -> Markup:
    return _JOIN.join(Markup("<span>{}</span>").format(escape(text)) for text in texts)


def _some(labels: Sequence[str]) -> list[str]:
    """The first, the middle and the last: more do not stand side by side on a telephone."""
    if len(labels) < 3:
        return list(labels)
    return [labels[0], labels[len(labels) // 2], labels[-1]]


def _highest(chart: Chart) -> float:
    return max((value for series in chart.series for value in series.values if value is not None), default=0)


def _n(value: float) -> str:
    """A coordinate, without digits that nobody can see."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
