"""Documents of gathered sums."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar, cast

from tracestore.domain.buckets import Bucket, Kind
from tracestore.domain.dimensions import Group, Series
from tracestore.domain.gathered import (
    GATHERED_IN,
    BucketSums,
    Gathered,
    MarginalSums,
    MeasureSums,
    ScoreGroupSums,
    ScoreSums,
    Sums,
    ValueSums,
)
from tracestore.domain.settled_days import ChangedDays, SettledDays

from ..codec import pack, unpack
from .scores import score_document, score_group_document, score_groups_in, scores_in
from .stats import Document, packed_measures, unpacked_measures

Name = TypeVar("Name", Group, tuple[str, str])


class GatheredCheckpoint(NamedTuple):
    """The last sequence number of a shard that was taken, and the hour in which it came.

    The counters themselves have applied the changes after `direct_after`. *absent*: then the last batch was gathered.
    """

    sequence: int
    hour: int
    direct_after: int | None = None


class PackedGathered(NamedTuple):
    """The content of a user's gathered item: sums that are being added to the counters, and sums that still grow.

    Each has a number, of which the later one is greater. `begun_hour` is when the item began. *absent*: an earlier
    version, which does not store it, was the last to write the item. Then it has no settled `days` either.
    """

    checkpoints: dict[str, GatheredCheckpoint]
    leaving: Gathered
    leaving_number: int
    growing: Gathered
    growing_number: int
    begun_hour: int | None = None
    days: SettledDays = SettledDays()


def pack_gathered(content: PackedGathered) -> bytes:
    """The content as bytes. Sequence numbers are text: they have more than 64 bits."""
    checkpoints = [
        [shard, str(sequence), hour, *([] if direct_after is None else [str(direct_after)])]
        for shard, (sequence, hour, direct_after) in content.checkpoints.items()
    ]
    begun = {} if content.begun_hour is None else {"b": content.begun_hour}
    return pack(
        {
            "p": checkpoints,
            "l": _document(content.leaving),
            "n": [content.leaving_number, content.growing_number],
            "s": _document(content.growing),
            **begun,
            **_days_document(content.days),
        }
    )


def unpack_gathered(packed: bytes) -> PackedGathered:
    """The content that `pack_gathered` was given. *raises*: Unreadable."""
    content = unpack(packed)
    checkpoints = {
        shard: GatheredCheckpoint(int(sequence), hour, int(direct[0]) if direct else None)
        for shard, sequence, hour, *direct in content["p"]
    }
    leaving_number, growing_number = content["n"]
    leaving, growing = _gathered(content["l"]), _gathered(content["s"])
    days = _days(*content.get("d", ()))
    return PackedGathered(checkpoints, leaving, leaving_number, growing, growing_number, content.get("b"), days)


def _days_document(days: SettledDays) -> Document:
    """`d` is the first open day, then of each range of changed days first, last and hour as steps from it."""
    if not days.open_from:
        return {}
    first_hour = 24 * days.open_from
    ranges = ((days.open_from - first, days.open_from - last, hour - first_hour) for first, last, hour in days.changed)
    return {"d": [days.open_from, *chain.from_iterable(ranges)]}


def _days(open_from: int = 0, *steps: int) -> SettledDays:
    first_hour = 24 * open_from
    ranges = zip(steps[::3], steps[1::3], steps[2::3], strict=True)
    changed = (ChangedDays(open_from - first, open_from - last, first_hour + hour) for first, last, hour in ranges)
    return SettledDays(open_from, tuple(changed))


def _document(gathered: Gathered) -> list[Any]:
    """Of each bucket its kind, its number, when its first trace expires, and its sums."""
    return [
        [bucket.kind, bucket.number, of_bucket.whole_until_s, _FORMATS[bucket.kind].document(of_bucket.sums)]
        for bucket, of_bucket in gathered.buckets.items()
    ]


def _gathered(document: list[Any]) -> Gathered:
    return Gathered(
        {
            Bucket(cast(Kind, kind), GATHERED_IN[kind], number): BucketSums(_FORMATS[kind].read(sums), whole_until_s)
            for kind, number, whole_until_s, sums in document
        }
    )


def _indexes(measured: Iterable[Name], traces: Iterable[frozenset[Name]]) -> dict[Name, int]:
    """The index of each name: first those with measures, then those of traces alone."""
    of_traces = chain.from_iterable(map(sorted, traces))
    return {name: index for index, name in enumerate(dict.fromkeys(chain(measured, of_traces)))}


def _measure_document(sums: MeasureSums) -> Document:
    """`n` are the groups, `m` the measures of each, `t` numbers of traces, each with the indexes of their groups."""
    indexes = _indexes(sums.groups, sums.traces)
    return {
        "n": [[*group.series, group.status] for group in indexes],
        "m": list(map(packed_measures, sums.groups.values())),
        "t": [[count, *sorted(map(indexes.__getitem__, groups))] for groups, count in sums.traces.items()],
    }


def _measure_sums(document: Document) -> MeasureSums:
    groups = [Group(Series(*names), status) for *names, status in document["n"]]
    return MeasureSums(
        {group: unpacked_measures(*packed) for group, packed in zip(groups, document["m"], strict=False)},
        {frozenset(map(groups.__getitem__, indexes)): count for count, *indexes in document["t"]},
    )


def _value_document(sums: ValueSums) -> Document:
    """`v` are counts by field and value."""
    return {"v": sums.values}


def _value_sums(document: Document) -> ValueSums:
    return ValueSums(document["v"])


def _marginal_document(sums: MarginalSums) -> Document:
    """`v` are marginals with a value, `m` the measures of each, `t` numbers of traces with the indexes of theirs."""
    indexes = _indexes(sums.rows, sums.traces)
    return {
        "v": list(map(list, indexes)),
        "m": list(map(packed_measures, sums.rows.values())),
        "t": [[count, *sorted(map(indexes.__getitem__, values))] for values, count in sums.traces.items()],
    }


def _marginal_sums(document: Document) -> MarginalSums:
    pairs = [(name, value) for name, value in document["v"]]
    return MarginalSums(
        {pair: unpacked_measures(*packed) for pair, packed in zip(pairs, document["m"], strict=False)},
        {frozenset(map(pairs.__getitem__, indexes)): count for count, *indexes in document["t"]},
    )


class _SumsFormat(NamedTuple):
    """How the sums of one kind are written and read."""

    document: Callable[[Any], Document]
    read: Callable[[Document], Sums]


_FORMATS: Final[Mapping[Kind, _SumsFormat]] = {
    "measures": _SumsFormat(_measure_document, _measure_sums),
    "values": _SumsFormat(_value_document, _value_sums),
    "marginals": _SumsFormat(_marginal_document, _marginal_sums),
    "scores": _SumsFormat(lambda sums: score_document(sums.scores), lambda document: ScoreSums(scores_in(document))),
    "score_groups": _SumsFormat(
        lambda sums: score_group_document(sums.groups), lambda document: ScoreGroupSums(score_groups_in(document))
    ),
}
