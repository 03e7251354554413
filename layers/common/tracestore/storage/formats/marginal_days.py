"""Documents of marginal days."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from tracestore.domain.stats import Aggregate

from ..codec import pack, unpack
from .stats import packed_measures, unpacked_measures

Hours: TypeAlias = dict[int, dict[str, Aggregate]]
"""The values of one marginal with their traces and measures, by the hour of the day."""


def pack_marginal_day(hours: Mapping[int, Mapping[str, Aggregate]]) -> bytes:
    """The hours as bytes: of each value all hours, since a name compresses less well than numbers.

    *shape*: `m` are `[value, [hour, number of traces, *packed measures]…]`.
    """
    rows: dict[str, list[Any]] = {}
    for hour, values in hours.items():
        for value, aggregate in values.items():
            row = [hour, aggregate.traces, *packed_measures(aggregate.measures)]
            rows.setdefault(value, []).append(row)
    return pack({"m": [[value, *of_value] for value, of_value in rows.items()]})


def unpack_marginal_day(packed: bytes) -> Hours:
    """The hours that `pack_marginal_day` was given. *absent*: hours of nothing. *raises*: Unreadable."""
    hours: Hours = {}
    for value, *rows in unpack(packed)["m"]:
        for hour, traces, *measures in rows:
            hours.setdefault(hour, {})[value] = Aggregate(traces, unpacked_measures(*measures))
    return hours
