"""Histograms of durations with logarithmic buckets: small, exact to add and to subtract, and made for percentiles.

*source*: the buckets of DDSketch (Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch", VLDB 2019).
The relative error of a percentile is at most `RELATIVE_ERROR`, however many histograms were added up.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final, TypeAlias

Histogram: TypeAlias = dict[int, int]
"""The number of durations in each bucket, by the bucket's index."""

GAMMA: Final = 1.1
"""Each bucket ends at 1.1 times its start: 145 of them reach from a microsecond to a second, 260 to a day."""

RELATIVE_ERROR: Final = (GAMMA - 1) / (GAMMA + 1)
"""4.8 %: the distance from the middle of a bucket to its ends."""

_LOG_GAMMA: Final = math.log(GAMMA)


def bucket_of(duration_us: int) -> int:
    """The index of a duration's bucket. Less than a microsecond is in bucket 0."""
    return 0 if duration_us < 1 else 1 + int(math.log(duration_us) / _LOG_GAMMA)


def bounds_us(index: int) -> tuple[float, float]:
    """The start and the end of a bucket. *units*: microseconds."""
    return (0.0, 1.0) if index == 0 else (GAMMA ** (index - 1), GAMMA**index)


def percentile_us(histogram: Mapping[int, int], percent: float) -> float | None:
    """A percentile by nearest rank. *units*: microseconds. *absent*: None without durations."""
    return percentiles_us(histogram, (percent,))[0] if histogram else None


def percentiles_us(histogram: Mapping[int, int], percents: Iterable[float]) -> list[float]:
    """Several percentiles, with the buckets sorted once. The histogram must not be empty."""
    indexes = sorted(histogram)
    reached = list(accumulate(map(histogram.__getitem__, indexes)))
    percentiles = []
    for percent in percents:
        rank = max(1, math.ceil(reached[-1] * percent / 100))
        low, high = bounds_us(indexes[bisect_left(reached, rank)])
        percentiles.append(2 * low * high / (low + high))
    return percentiles


def added(histogram: Histogram, other: Mapping[int, int], sign: int = 1) -> None:
    """Add another histogram in place; with `sign` -1 subtract it. A bucket whose count becomes 0 is removed."""
    for index, count in other.items():
        if left := histogram.get(index, 0) + sign * count:
            histogram[index] = left
        else:
            histogram.pop(index, None)
