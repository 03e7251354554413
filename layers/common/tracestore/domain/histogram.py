"""Durations counted on a logarithmic scale: small, exact to add and to subtract, and good for percentiles.

*source*: the buckets of DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch", VLDB 2019).
A percentile from it is off by at most `RELATIVE_ERROR`, however many histograms were added up.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final, TypeAlias

Histogram: TypeAlias = dict[int, int]
"""How many durations fell into each bucket, by its index."""

GAMMA: Final = 1.1
"""Each bucket ends at 1.1 times its start: 145 of them reach from a microsecond to a second, 260 to a day."""

RELATIVE_ERROR: Final = (GAMMA - 1) / (GAMMA + 1)
"""4.8 %: how far the middle of a bucket is from its ends."""

_LOG_GAMMA: Final = math.log(GAMMA)


def bucket_of(duration_us: int) -> int:
    """The index of the bucket that a duration in microseconds falls into; 0 for less than one."""
    return 0 if duration_us < 1 else 1 + int(math.log(duration_us) / _LOG_GAMMA)


def bounds_us(index: int) -> tuple[float, float]:
    """Where a bucket begins and ends, in microseconds."""
    return (0.0, 1.0) if index == 0 else (GAMMA ** (index - 1), GAMMA**index)


def percentile_us(histogram: Mapping[int, int], percent: float) -> float | None:
    """The duration, in microseconds, that so many per cent of all do not exceed (nearest rank). None without any."""
    return percentiles_us(histogram, (percent,))[0] if histogram else None


def percentiles_us(histogram: Mapping[int, int], percents: Iterable[float]) -> list[float]:
    """As `percentile_us`, for several at once: sorted once. There must be durations."""
    indexes = sorted(histogram)
    reached = list(accumulate(map(histogram.__getitem__, indexes)))
    found = []
    for percent in percents:
        rank = max(1, math.ceil(reached[-1] * percent / 100))
        low, high = bounds_us(indexes[bisect_left(reached, rank)])
        found.append(2 * low * high / (low + high))
    return found


def added(histogram: Histogram, other: Mapping[int, int], sign: int = 1) -> None:
    """Add (or take away) another histogram's counts, in place. A bucket that comes to nothing is dropped."""
    for index, count in other.items():
        if left := histogram.get(index, 0) + sign * count:
            histogram[index] = left
        else:
            histogram.pop(index, None)
