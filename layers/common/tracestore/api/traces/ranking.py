"""Rankings of traces: the newest of a list, by cost, wasted cost, duration or tokens."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias, get_args

from tracestore.domain.errors import Detail
from tracestore.domain.heads import Summary
from tracestore.http.parameters import Reader, malformed, one_of
from tracestore.storage.user_store import ListedTrace

RANKED_MOST: Final = 2_000
"""The newest traces that are ranked: as many as one request examines. No index has traces by cost."""

RankBy: TypeAlias = Literal["cost", "wasted", "duration", "tokens"]

MEASURES: Final[tuple[RankBy, ...]] = get_args(RankBy)


def rank_by(parameters: Mapping[str, str]) -> RankBy | None:
    """The measure that a list is ranked by. *absent*: None.

    *raises*: Invalid, also for a cursor: a ranking has one page.
    """
    read = Reader(parameters)
    measure: RankBy | None = read("order_by", one_of(*MEASURES))
    if measure is not None and "cursor" in parameters:
        raise malformed([Detail("cursor", "cannot be combined with order_by, which gives one page: leave it out")])
    read.end()
    return measure


def ranked(traces: Iterable[ListedTrace], measure: RankBy, *, largest_first: bool) -> list[ListedTrace]:
    """Traces by a measure, equal ones in the order of the list. Traces without the measure are the last."""
    listed = list(traces)
    values = [_value(each.head.summary, measure) for each in listed]
    known = [(value, each) for value, each in zip(values, listed, strict=True) if value is not None]
    known.sort(key=lambda pair: -pair[0] if largest_first else pair[0])
    return [each for _, each in known] + [each for value, each in zip(values, listed, strict=True) if value is None]


def _value(summary: Summary, measure: RankBy) -> int | None:
    if measure == "cost":
        return summary.usage.cost_nano_usd
    if measure == "wasted":
        return None if summary.usage.cost_nano_usd is None else summary.usage.wasted_nano_usd
    if measure == "tokens":
        return summary.usage.total_tokens
    return summary.duration_ns
