"""How long things took, counted in fixed buckets: small to keep, quick to add up, and good enough for percentiles."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds. A bucket goes from one of these up to, and without, the next; there is one below the first and one above the
last. What is stored depends on them: a change needs a migration."""

SIZE = len(BOUNDS) + 1


def bucket_of(seconds: float) -> int:
    """Which bucket a time belongs to, as PostgreSQL's width_bucket(seconds, BOUNDS) says."""
    return bisect_right(BOUNDS, seconds)


def total(histograms: Iterable[Sequence[int]]) -> list[int]:
    """Several histograms as one."""
    summed = [0] * SIZE
    for counts in histograms:
        for place, count in enumerate(counts):
            summed[place] += count
    return summed


def percentile(counts: Sequence[int], part: float) -> float | None:
    """Below how many seconds this part of all lies, 0 to 1; None of nothing.

    Within a bucket they are taken to lie evenly, as Prometheus's histogram_quantile does. What lies above the last bound
    is told as the last bound: it took at least so long.
    """
    wanted = part * sum(counts)
    if wanted <= 0:
        return None
    reached = list(accumulate(counts))
    place = next(at for at, below in enumerate(reached) if below >= wanted)
    if place == len(BOUNDS):
        return BOUNDS[-1]
    low = BOUNDS[place - 1] if place else 0.0
    before = reached[place - 1] if place else 0
    return low + (BOUNDS[place] - low) * (wanted - before) / counts[place]
