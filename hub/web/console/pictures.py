"""Statistics as charts: what stands under each point, and in which unit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from markupsafe import Markup

from hub.services.statistics_views import AttemptsPoint, CallsPoint, Percentiles, QueueSeries, StatisticsView
from hub.web.console.charts import Chart, Series, Tone, area, bars, lines
from hub.web.console.rendering import seconds

_DAY = 86_400.0
# More lines than this cannot be told apart.
_MOST_QUEUES = 3
_TONES = (Tone.FIRST, Tone.SECOND, Tone.THIRD)
P = TypeVar("P", AttemptsPoint, CallsPoint)


def throughput(view: StatisticsView) -> Markup:
    """How many attempts succeeded and failed."""
    points = view.attempts
    return bars(
        Chart(
            "Attempts that ended",
            _labels(view),
            [
                Series("succeeded", [point.succeeded for point in points], Tone.GOOD),
                Series("failed", [point.failed for point in points], Tone.BAD),
                Series("uncertain", [point.uncertain for point in points], Tone.WARN),
            ],
        )
    )


def run_times(view: StatisticsView) -> Markup:
    """How long attempts ran."""
    return _latency("How long attempts ran", _labels(view), view.attempts, lambda point: point.seconds)


def depths(view: StatisticsView) -> Markup:
    """How much waited, in the queues where most did."""
    deepest = sorted(view.queues, key=_highest, reverse=True)[:_MOST_QUEUES]
    return area(
        Chart(
            "Due jobs that waited" if len(view.queues) < 2 else "Due jobs that waited, in the deepest queues",
            _labels(view),
            [
                Series(series.queue, [point.depth for point in series.points], tone)
                for series, tone in zip(deepest, _TONES, strict=False)
            ],
        )
    )


def waits(view: StatisticsView, queue: str) -> Markup:
    """For how long the longest waiting job of a queue had waited."""
    points = [point for series in view.queues if series.queue == queue for point in series.points]
    return lines(
        Chart(
            "How long the oldest due job had waited",
            _labels(view) if points else [],
            [Series("oldest", [point.oldest_due_seconds for point in points], Tone.WARN)],
            unit=seconds,
        )
    )


def calls(view: StatisticsView, points: Sequence[CallsPoint]) -> Markup:
    """What came of the calls to a provider."""
    return bars(
        Chart(
            "Calls",
            _labels(view),
            [
                Series("answered", [p.calls - p.failed - p.refused for p in points], Tone.GOOD),
                Series("refused", [p.refused for p in points], Tone.FIRST),
                Series("failed", [p.failed for p in points], Tone.BAD),
                Series("not sent", [p.skipped for p in points], Tone.WARN),
            ],
        )
    )


def latency(view: StatisticsView, points: Sequence[CallsPoint]) -> Markup:
    """How long a provider took."""
    return _latency("How long calls took", _labels(view), points, lambda point: point.seconds)


def _latency(
    title: str, labels: Sequence[str], points: Sequence[P], took: Callable[[P], Percentiles | None]
) -> Markup:
    found = [took(point) for point in points]
    return lines(
        Chart(
            title,
            labels,
            [
                Series("half below", [one.p50 if one else None for one in found], Tone.SECOND),
                Series("95 % below", [one.p95 if one else None for one in found], Tone.FIRST),
                Series("99 % below", [one.p99 if one else None for one in found], Tone.THIRD),
            ],
            unit=seconds,
        )
    )


def _highest(series: QueueSeries) -> int:
    return max((point.depth or 0 for point in series.points), default=0)


def _labels(view: StatisticsView) -> list[str]:
    return [_label(point.at, view.step_seconds, view) for point in view.attempts]


def _label(at: datetime, step: float, view: StatisticsView) -> str:
    """As short as tells it: the time within a day, the date where steps are days."""
    if step >= _DAY:
        return f"{at:%d %b}"
    return f"{at:%H:%M}" if (view.end - view.start).total_seconds() <= _DAY else f"{at:%d %b %H:%M}"
