"""Statistics as charts: what stands under each point, and in which unit."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from markupsafe import Markup

from hub.services.statistics_views import (
    AttemptsPoint,
    CallsPoint,
    DepthPoint,
    Percentiles,
    QueueSeries,
    StatisticsView,
)
from hub.web.console.charts import Chart, Series, Tone, area, bars, lines
from hub.web.console.rendering import seconds

_DAY = timedelta(days=1)
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
            _labels(view.attempts),
            [
                Series("succeeded", [point.succeeded for point in points], Tone.GOOD),
                Series("failed", [point.failed for point in points], Tone.BAD),
                Series("uncertain", [point.uncertain for point in points], Tone.WARN),
            ],
        )
    )


def run_times(view: StatisticsView) -> Markup:
    """How long attempts ran."""
    return _latency(
        "How long attempts ran", _labels(view.attempts), view.attempts, lambda point: point.seconds
    )


def depths(view: StatisticsView) -> Markup:
    """How much waited, in the queues where most did."""
    deepest = sorted(view.queues, key=_highest, reverse=True)[:_MOST_QUEUES]
    return area(
        Chart(
            "Due jobs that waited" if len(view.queues) < 2 else "Due jobs that waited, in the deepest queues",
            _labels(view.attempts),
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
            _labels(points),
            [Series("oldest", [point.oldest_due_seconds for point in points], Tone.WARN)],
            unit=seconds,
        )
    )


def calls(points: Sequence[CallsPoint]) -> Markup:
    """What came of the calls to a provider."""
    return bars(
        Chart(
            "Calls",
            _labels(points),
            [
                Series("answered", [p.calls - p.failed - p.refused for p in points], Tone.GOOD),
                Series("refused", [p.refused for p in points], Tone.FIRST),
                Series("failed", [p.failed for p in points], Tone.BAD),
                Series("not sent", [p.skipped for p in points], Tone.WARN),
            ],
        )
    )


def latency(points: Sequence[CallsPoint]) -> Markup:
    """How long a provider took."""
    return _latency("How long calls took", _labels(points), points, lambda point: point.seconds)


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


def _labels(points: Sequence[AttemptsPoint | CallsPoint | DepthPoint]) -> list[str]:
    """As short as tells them apart: the time within a day, the date where steps are days."""
    moments = [point.at for point in points]
    if len(moments) < 2:
        return [f"{at:%H:%M}" for at in moments]
    step = moments[1] - moments[0]
    if step >= _DAY:
        return [f"{at:%d %b}" for at in moments]
    within_a_day = moments[-1] - moments[0] + step <= _DAY
    return [f"{at:%H:%M}" if within_a_day else f"{at:%d %b %H:%M}" for at in moments]
