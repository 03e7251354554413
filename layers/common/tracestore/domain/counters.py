"""Prepared sums over many traces: what each kind of counter holds, and how one trace moves it.

A counter only ever adds and takes away what heads tell (`stats.py`), so its state depends on the heads that count and
not on how they came about. Names beyond what a counter keeps are counted under `OTHER`, and stay there: a counter never
forgets which names it has let in, so what was added under a name is taken away under the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from .dimensions import OTHER, OTHER_FAILURES, FailureKind, Group, Series, cut, other_series
from .heads import VALUE_FIELDS, Summary
from .stats import (
    QUARTER_NS,
    Example,
    Measures,
    failures_of,
    packed_measures,
    rows_of,
    sums,
    unpacked_measures,
)

Interval: TypeAlias = Literal["15m", "hour", "day"]
Kind: TypeAlias = Literal["measures", "errors", "values"]

QUARTERS: Final[Mapping[Interval, int]] = {"15m": 1, "hour": 4, "day": 96}
"""How many quarters of an hour a bucket spans."""

GROUPS_IN_COUNTER: Final = 100
SIGNATURES_IN_COUNTER: Final = 300
ERRORS_IN_COUNTER: Final = 100
EXAMPLES_KEPT: Final = 3
VALUES_IN_COUNTER: Final = 200
CONVERSATIONS_IN_COUNTER: Final = 100
MOST_EXPENSIVE_KEPT: Final = 20
CHARACTERS_IN_COUNTER: Final = 10_000
"""What keeps a counter's item at a few KB: it is written whenever one of its traces changes. Characters are those of
all values of a field, or all kinds of failure, together: long names are fewer, and no item comes near 400 KB."""

FACETS: Final = ("status", *(name for name in VALUE_FIELDS if name != "message_id"))


class Bucket(NamedTuple):
    """One counter of a user: what it counts, and the time it is about, in intervals since 1970 in UTC."""

    kind: Kind
    interval: Interval
    number: int

    @property
    def start_ns(self) -> int:
        """When its time begins."""
        return self.number * QUARTERS[self.interval] * QUARTER_NS

    @property
    def end_ns(self) -> int:
        """When its time is over."""
        return (self.number + 1) * QUARTERS[self.interval] * QUARTER_NS


class ConversationTarget(NamedTuple):
    """The counter of one conversation."""

    conversation_id: str

    @property
    def kind(self) -> Literal["conversation"]:
        """As a bucket's kind."""
        return "conversation"


Signature: TypeAlias = frozenset[Group]
"""The groups of one trace. Counting traces by it tells exactly how many have any of some groups."""


@dataclass(slots=True)
class MeasureContribution:
    """What one trace tells one counter of measures. `signature` only where the trace began in its time."""

    rows: list[tuple[Group, Measures]] = field(default_factory=list)
    signature: Signature | None = None


class FailureContribution(NamedTuple):
    """Failures of one kind of one trace."""

    kind: FailureKind
    failed: int
    example: Example


class ValueContribution(NamedTuple):
    """What one trace tells the counter of the day on which it began. `numbers` are its measures, as model calls."""

    trace_id: str
    values: tuple[tuple[str, str], ...]
    conversation_id: str | None
    numbers: tuple[int, ...]
    cost_nano_usd: int


class ConversationContribution(NamedTuple):
    """What one trace tells its conversation. `expires_at_s` is when the trace goes."""

    trace_id: str
    start_ns: int
    end_ns: int
    measures: Measures
    expires_at_s: int


Contribution: TypeAlias = MeasureContribution | list[FailureContribution] | ValueContribution | ConversationContribution


class Counter(Protocol):
    """What every kind of counter can do. Made from nothing, or from the document of an earlier one."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None: ...

    def add(self, contribution: Any, sign: int) -> None:
        """Add what a trace tells, or take it away."""

    def document(self) -> dict[str, Any]:
        """The counter as JSON."""

    def cleared(self) -> "Counter":
        """A counter of nothing that knows the same names: given the same traces, it counts them under the same."""

    def totals(self) -> dict[str, Any]:
        """What must be so whenever the same traces count, however they came: everything but what is only remembered."""


def contributions_of(
    trace_id: str, summary: Summary | None, expires_at_s: int
) -> dict[Bucket | ConversationTarget, Contribution]:
    """What a trace with this summary, which expires then, adds to which counters; nothing without one."""
    contributions: dict[Bucket | ConversationTarget, Any] = {}
    if summary is None:
        return contributions
    rows = list(rows_of(summary.stats))
    start = summary.start_ns // QUARTER_NS
    for interval, quarters in QUARTERS.items():
        for row in rows:
            bucket = Bucket("measures", interval, row.quarter // quarters)
            contributions.setdefault(bucket, MeasureContribution()).rows.append((row.group, row.measures))
        first = contributions.setdefault(Bucket("measures", interval, start // quarters), MeasureContribution())
        first.signature = frozenset(row.group for row in rows)
        for failure in failures_of(summary.stats, trace_id):
            bucket = Bucket("errors", interval, failure.quarter // quarters)
            contributions.setdefault(bucket, []).append(
                FailureContribution(failure.kind, failure.failed, failure.example)
            )
    total = sums(rows)
    if summary.conversation_id is not None:
        end_ns = summary.end_ns or summary.start_ns
        told = ConversationContribution(trace_id, summary.start_ns, end_ns, total, expires_at_s)
        contributions[ConversationTarget(summary.conversation_id)] = told
    values = {"status": [summary.status], **summary.values}
    contributions[Bucket("values", "day", start // QUARTERS["day"])] = ValueContribution(
        trace_id,
        tuple(dict.fromkeys((name, cut(value)) for name in FACETS for value in values.get(name, ()))),
        summary.conversation_id,
        tuple(total.numbers),
        summary.usage.cost_nano_usd or 0,
    )
    return contributions


class MeasureCounter:
    """Measures by group, and how many traces have which groups."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.groups: dict[Group, Measures] = {}
        self.traces: dict[Signature, int] = {}
        if document:
            groups = [Group(Series(*names), status) for *names, status in document["n"]]
            self.groups = {
                group: unpacked_measures(*packed) for group, packed in zip(groups, document["m"], strict=True)
            }
            self.traces = {frozenset(groups[place] for place in places): count for count, *places in document["t"]}

    def add(self, contribution: MeasureContribution, sign: int) -> None:
        """Add what a trace tells, or take it away."""
        for group, measures in contribution.rows:
            self.groups[self._admitted(group)].add(measures, sign)
        if contribution.signature is not None:
            signature = frozenset(map(self._admitted, contribution.signature))
            if signature not in self.traces and len(self.traces) >= SIGNATURES_IN_COUNTER:
                signature = frozenset()
            self.traces[signature] = self.traces.get(signature, 0) + sign

    def document(self) -> dict[str, Any]:
        """The counter as JSON."""
        places = {group: place for place, group in enumerate(self.groups)}
        return {
            "n": [[*group.series, group.status] for group in self.groups],
            "m": [packed_measures(measures) for measures in self.groups.values()],
            "t": [[count, *sorted(map(places.__getitem__, groups))] for groups, count in self.traces.items()],
        }

    def cleared(self) -> "MeasureCounter":
        """As `Counter.cleared`."""
        cleared = MeasureCounter()
        cleared.groups = {group: Measures() for group in self.groups}
        cleared.traces = dict.fromkeys(self.traces, 0)
        return cleared

    def totals(self) -> dict[str, Any]:
        """As `Counter.totals`: measures by group, traces by groups."""
        groups = {group: packed_measures(measures) for group, measures in self.groups.items() if measures}
        return {"groups": groups, "traces": {groups: count for groups, count in self.traces.items() if count}}

    def _admitted(self, group: Group) -> Group:
        """The group, or the one it is counted under where there are too many."""
        of_operation = group._replace(series=other_series(group.series.operation_type))
        for admitted, most in ((group, GROUPS_IN_COUNTER), (of_operation, 2 * GROUPS_IN_COUNTER)):
            if admitted in self.groups or len(self.groups) < most:
                break
        else:
            admitted = group._replace(series=other_series())
        self.groups.setdefault(admitted, Measures())
        return admitted


class ErrorCounter:
    """Failures by kind, and the latest of each."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.kinds: dict[FailureKind, tuple[int, list[Example]]] = {}
        for *names, error_type, count, examples in (document or {}).get("e", ()):
            self.kinds[FailureKind(Series(*names), error_type)] = count, [Example(*example) for example in examples]

    def add(self, contribution: list[FailureContribution], sign: int) -> None:
        """Add what a trace tells, or take it away. An example goes with its trace; an older one does not come back."""
        for failed in contribution:
            kind = self._admitted(failed.kind)
            count, examples = self.kinds.get(kind, (0, []))
            examples = [example for example in examples if example != failed.example]
            if sign > 0:
                examples = sorted([*examples, failed.example], reverse=True)[:EXAMPLES_KEPT]
            self.kinds[kind] = count + sign * failed.failed, examples

    def document(self) -> dict[str, Any]:
        """The counter as JSON."""
        return {
            "e": [[*kind.values, count, list(map(list, examples))] for kind, (count, examples) in self.kinds.items()]
        }

    def cleared(self) -> "ErrorCounter":
        """As `Counter.cleared`."""
        cleared = ErrorCounter()
        cleared.kinds = {kind: (0, []) for kind in self.kinds}
        return cleared

    def totals(self) -> dict[str, Any]:
        """As `Counter.totals`: failures by kind."""
        return {"errors": {kind: count for kind, (count, _) in self.kinds.items() if count}}

    def _admitted(self, kind: FailureKind) -> FailureKind:
        kinds = self.kinds
        names = ("".join(each.values) for each in kinds)
        if kind in kinds or (len(kinds) < ERRORS_IN_COUNTER and _fits("".join(kind.values), names)):
            return kind
        return OTHER_FAILURES


class ValueCounter:
    """The traces that began on one day: by the values of their fields, by conversation, and the most expensive."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        document = document or {}
        self.values: dict[str, dict[str, int]] = {name: dict(counts) for name, counts in document.get("v", {}).items()}
        self.conversations: dict[str, list[int]] = dict(document.get("c", {}))
        self.most_expensive: list[tuple[int, str]] = [(cost, trace_id) for cost, trace_id in document.get("d", ())]

    def add(self, contribution: ValueContribution, sign: int) -> None:
        """Add what a trace tells, or take it away. A most expensive trace goes with its cost."""
        for name, value in contribution.values:
            counts = self.values.setdefault(name, {})
            value = _admitted(counts, value, VALUES_IN_COUNTER)
            counts[value] = counts.get(value, 0) + sign
        if contribution.conversation_id is not None:
            conversation_id = _admitted(self.conversations, contribution.conversation_id, CONVERSATIONS_IN_COUNTER)
            before = self.conversations.get(conversation_id, [0] * (1 + len(contribution.numbers)))
            moved = zip(before, (1, *contribution.numbers), strict=True)
            self.conversations[conversation_id] = [had + sign * told for had, told in moved]
        self.most_expensive = [
            entry for entry in self.most_expensive if entry != (contribution.cost_nano_usd, contribution.trace_id)
        ]
        if sign > 0 and contribution.cost_nano_usd:
            self.most_expensive = sorted(
                [*self.most_expensive, (contribution.cost_nano_usd, contribution.trace_id)], reverse=True
            )[:MOST_EXPENSIVE_KEPT]

    def document(self) -> dict[str, Any]:
        """The counter as JSON."""
        return {"v": self.values, "c": self.conversations, "d": list(map(list, self.most_expensive))}

    def cleared(self) -> "ValueCounter":
        """As `Counter.cleared`."""
        cleared = ValueCounter()
        cleared.values = {name: dict.fromkeys(counts, 0) for name, counts in self.values.items()}
        cleared.conversations = {conversation_id: [0] * len(had) for conversation_id, had in self.conversations.items()}
        return cleared

    def totals(self) -> dict[str, Any]:
        """As `Counter.totals`: traces by value, and conversations."""
        values = {(name, value): count for name in self.values for value, count in self.values[name].items() if count}
        return {"values": values, "conversations": {name: had for name, had in self.conversations.items() if any(had)}}


class ConversationCounter:
    """A conversation over its whole life. `first_ns` and `last_ns` only move apart; `last_trace` is the newest."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        document = document or {"t": 0, "m": [[], [], []], "f": None, "l": 0, "r": [0, ""], "x": 0}
        self.traces: int = document["t"]
        self.measures = unpacked_measures(*document["m"])
        self.first_ns: int | None = document["f"]
        self.last_ns: int = document["l"]
        self.last_trace: tuple[int, str] = (document["r"][0], document["r"][1])
        self.expires_at_s: int = document["x"]

    def add(self, contribution: ConversationContribution, sign: int) -> None:
        """Add what a trace of the conversation tells, or take it away."""
        self.traces += sign
        self.measures.add(contribution.measures, sign)
        if sign > 0:
            self.first_ns = (
                contribution.start_ns if self.first_ns is None else min(self.first_ns, contribution.start_ns)
            )
            self.last_ns = max(self.last_ns, contribution.end_ns)
            self.last_trace = max(self.last_trace, (contribution.start_ns, contribution.trace_id))
            self.expires_at_s = max(self.expires_at_s, contribution.expires_at_s)

    def document(self) -> dict[str, Any]:
        """The conversation as JSON."""
        return {
            "t": self.traces,
            "m": packed_measures(self.measures),
            "f": self.first_ns,
            "l": self.last_ns,
            "r": list(self.last_trace),
            "x": self.expires_at_s,
        }

    def cleared(self) -> "ConversationCounter":
        """As `Counter.cleared`. The times stay: they only move apart."""
        return ConversationCounter(self.document() | {"t": 0, "m": packed_measures(Measures())})

    def totals(self) -> dict[str, Any]:
        """As `Counter.totals`: traces and measures."""
        return {"traces": self.traces, "measures": packed_measures(self.measures)}


COUNTERS: Final[Mapping[str, type[Counter]]] = {
    "measures": MeasureCounter,
    "errors": ErrorCounter,
    "values": ValueCounter,
    "conversation": ConversationCounter,
}
"""The class of each kind of counter."""


def _admitted(known: Mapping[str, object], name: str, most: int) -> str:
    return name if name in known or (len(known) < most and _fits(name, known)) else OTHER


def _fits(name: str, known: Iterable[str]) -> bool:
    """Whether there is room for a name beside those that are known. One that is refused is refused ever after."""
    return len(name) + sum(map(len, known)) <= CHARACTERS_IN_COUNTER
