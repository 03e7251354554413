"""Documents of counters, of every kind."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from tracestore.domain.buckets import CounterKind
from tracestore.domain.counters import (
    ConversationCounter,
    Counter,
    ErrorCounter,
    MarginalCounter,
    MeasureCounter,
    ScoreCounter,
    ScoreGroupCounter,
    ValueCounter,
)
from tracestore.domain.dimensions import FailureKind, Group, Series
from tracestore.domain.stats import NUMBERS, Aggregate, Example

from ..codec import pack, unpack
from .positional import extended, without_zeros
from .scores import score_document, score_group_document, score_groups_in, scores_in
from .stats import Document, packed_measures, unpacked_measures


class PackedCounter(NamedTuple):
    """The content of a counter's item.

    `checkpoints` are the shard, the last applied sequence number and the hour in which it came. `whole_until_s` is when
    the first of the traces that it ever counted expires. It contains the gathered sums up to the number `gathered`.
    """

    counter: Counter
    checkpoints: dict[str, tuple[int, int]]
    whole_until_s: int | None
    gathered: int = 0


def pack_counter(kind: CounterKind, content: PackedCounter) -> bytes:
    """A counter's content as bytes. Sequence numbers are text: they have more than 64 bits."""
    checkpoints = [[shard, str(sequence), hour] for shard, (sequence, hour) in content.checkpoints.items()]
    document = _COUNTERS[kind].document(content.counter)
    gathered = {"g": content.gathered} if content.gathered else {}
    return pack({"p": checkpoints, "c": document, "x": content.whole_until_s, **gathered})


def unpack_counter(kind: CounterKind, packed: bytes) -> PackedCounter:
    """The content that `pack_counter` was given. *raises*: Unreadable."""
    content = unpack(packed)
    checkpoints = {shard: (int(sequence), hour) for shard, sequence, hour in content["p"]}
    return PackedCounter(_COUNTERS[kind].read(content["c"]), checkpoints, content.get("x"), content.get("g", 0))


def pack_activity(entries: Iterable[tuple[str, int]]) -> bytes:
    """The ids of conversations and the times until which each was active, as stored bytes."""
    return pack(list(map(list, entries)))


def unpack_activity(packed: bytes) -> list[tuple[str, int]]:
    """The entries that `pack_activity` was given. *raises*: Unreadable."""
    return [(conversation_id, last_ns) for conversation_id, last_ns, *_ in unpack(packed)]


def _measure_document(counter: MeasureCounter) -> Document:
    """`n` are the groups, `m` the measures of each, `t` numbers of traces, each with the indexes of their groups."""
    indexes = {group: index for index, group in enumerate(counter.groups)}
    return {
        "n": [[*group.series, group.status] for group in counter.groups],
        "m": [packed_measures(measures) for measures in counter.groups.values()],
        "t": [[count, *sorted(map(indexes.__getitem__, groups))] for groups, count in counter.traces.items()],
    }


def _measure_counter(document: Document) -> MeasureCounter:
    groups = [Group(Series(*names), status) for *names, status in document["n"]]
    return MeasureCounter(
        {group: unpacked_measures(*packed) for group, packed in zip(groups, document["m"], strict=True)},
        {frozenset(map(groups.__getitem__, indexes)): count for count, *indexes in document["t"]},
    )


def _error_document(counter: ErrorCounter) -> Document:
    """`e` are `[*series, error type, count, examples]`."""
    return {
        "e": [[*kind.values, count, list(map(list, examples))] for kind, (count, examples) in counter.kinds.items()]
    }


def _error_counter(document: Document) -> ErrorCounter:
    return ErrorCounter(
        {
            FailureKind(Series(*names), error_type): (count, [Example(*example) for example in examples])
            for *names, error_type, count, examples in document["e"]
        }
    )


def _value_document(counter: ValueCounter) -> Document:
    """`v` are counts by field and value, `d` the most expensive `[cost, trace id]`.

    `c` are `[number of traces, *numbers]` by conversation, in the order of `NUMBERS`, without zeros at the end.
    """
    conversations = {conversation_id: without_zeros(sums) for conversation_id, sums in counter.conversations.items()}
    return {"v": counter.values, "c": conversations, "d": list(map(list, counter.most_expensive))}


def _value_counter(document: Document) -> ValueCounter:
    absent = [0] * (1 + len(NUMBERS))
    return ValueCounter(
        document["v"],
        {conversation_id: extended(numbers, absent) for conversation_id, numbers in document["c"].items()},
        [(cost_nano_usd, trace_id) for cost_nano_usd, trace_id in document["d"]],
    )


def _conversation_document(counter: ConversationCounter) -> Document:
    """`t` is the number of traces, `m` their measures, `f`, `l`, `r` and `x` first and last time, trace and expiry."""
    return {
        "t": counter.traces,
        "m": packed_measures(counter.measures),
        "f": counter.first_ns,
        "l": counter.last_ns,
        "r": list(counter.last_trace),
        "x": counter.expires_at_s,
    }


def _conversation_counter(document: Document) -> ConversationCounter:
    start_ns, trace_id = document["r"]
    return ConversationCounter(
        traces=document["t"],
        measures=unpacked_measures(*document["m"]),
        first_ns=document["f"],
        last_ns=document["l"],
        last_trace=(start_ns, trace_id),
        expires_at_s=document["x"],
    )


def _marginal_document(counter: MarginalCounter) -> Document:
    """`m` are, by marginal, `[value, number of traces, *packed measures]`."""
    return {
        "m": {
            name: [
                [value, aggregate.traces, *packed_measures(aggregate.measures)] for value, aggregate in values.items()
            ]
            for name, values in counter.values.items()
        }
    }


def _marginal_counter(document: Document) -> MarginalCounter:
    return MarginalCounter(
        {
            name: {value: Aggregate(traces, unpacked_measures(*packed)) for value, traces, *packed in values}
            for name, values in document["m"].items()
        }
    )


class _CounterFormat(NamedTuple):
    """How the counters of one kind are written and read."""

    document: Callable[[Any], Document]
    read: Callable[[Document], Counter]


_COUNTERS: Final[Mapping[CounterKind, _CounterFormat]] = {
    "measures": _CounterFormat(_measure_document, _measure_counter),
    "errors": _CounterFormat(_error_document, _error_counter),
    "examples": _CounterFormat(_error_document, _error_counter),
    "values": _CounterFormat(_value_document, _value_counter),
    "names": _CounterFormat(_value_document, _value_counter),
    "marginals": _CounterFormat(_marginal_document, _marginal_counter),
    "scores": _CounterFormat(
        lambda counter: score_document(counter.scores), lambda document: ScoreCounter(scores_in(document))
    ),
    "score_groups": _CounterFormat(
        lambda counter: score_group_document(counter.groups),
        lambda document: ScoreGroupCounter(score_groups_in(document)),
    ),
    "conversation": _CounterFormat(_conversation_document, _conversation_counter),
}
