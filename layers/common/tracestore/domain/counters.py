"""Sums over many traces that are kept up to date: the content of each kind of counter, and how one trace changes it.

A counter only adds and subtracts contributions (`contributions.py`), so its state depends on the heads that count and
not on their history. Names beyond the limit of a counter are counted under `OTHER` and stay there: a counter never
forgets the names that it admitted, so a contribution is subtracted under the name that it was added under.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from .buckets import CounterKind
from .contributions import (
    NAMED_FACETS,
    ConversationContribution,
    FailureContribution,
    MarginalContribution,
    MeasureContribution,
    ScoreContribution,
    ScoreGroupContribution,
    ScoreTotal,
    Signature,
    ValueContribution,
)
from .dimensions import END_USER, OTHER, OTHER_FAILURES, FailureKind, Group, other_series
from .pseudonyms import Pseudonym, is_pseudonym
from .score_groups import SCORE_DIMENSIONS
from .stats import Aggregate, Example, Measures

GROUPS_IN_COUNTER: Final = 100
SIGNATURES_IN_COUNTER: Final = 300
ERRORS_IN_COUNTER: Final = 100
EXAMPLES_KEPT: Final = 3
VALUES_IN_COUNTER: Final = 200
VALUES_IN_MARGINAL: Final = 100
SCORES_IN_COUNTER: Final = 100
SCORE_GROUPS_IN_COUNTER: Final = 300
CONVERSATIONS_IN_COUNTER: Final = 30
MOST_EXPENSIVE_KEPT: Final = 10
CHARACTERS_IN_COUNTER: Final = 10_000
"""These keep a counter's item at a few KB: it is written whenever one of its traces changes. Characters are those of
all values of a field, or all kinds of failure, together: of long names fewer fit, and no item comes near 400 KB.
An hour names more end users than it counts, since their pseudonyms are read by these names. Of conversations and of
expensive traces it names fewer than a response shows, which has many hours."""


class Counter(Protocol):
    """The methods of every kind of counter. Each is created empty."""

    def add(self, contribution: Any, sign: int) -> None:
        """Add a trace's contribution; with `sign` -1 subtract it."""

    def cleared(self) -> "Counter":
        """An empty counter that has admitted the same names, so that it counts the same traces under the same names."""

    def totals(self) -> dict[str, Any]:
        """Everything that depends only on the traces that count, by name. Equal for equal counters.

        Examples and the most expensive traces are not included, since removed ones do not come back.
        """


@dataclass
class MeasureCounter:
    """Measures by group, and numbers of traces by signature."""

    groups: dict[Group, Measures] = field(default_factory=dict)
    traces: dict[Signature, int] = field(default_factory=dict)

    def add(self, contribution: MeasureContribution, sign: int) -> None:
        """See `Counter.add`."""
        for group, measures in contribution.rows:
            self.groups[self._admitted(group)].add(measures, sign)
        if contribution.signature is not None:
            signature = frozenset(map(self._admitted, contribution.signature))
            if signature not in self.traces and len(self.traces) >= SIGNATURES_IN_COUNTER:
                signature = frozenset()
            self.traces[signature] = self.traces.get(signature, 0) + sign

    def cleared(self) -> "MeasureCounter":
        """See `Counter.cleared`."""
        return MeasureCounter({group: Measures() for group in self.groups}, dict.fromkeys(self.traces, 0))

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Measures by group, numbers of traces by signature."""
        groups = {group: measures.nonzero() for group, measures in self.groups.items() if measures}
        return {"groups": groups, "traces": {groups: count for groups, count in self.traces.items() if count}}

    def _admitted(self, group: Group) -> Group:
        """The group, or the one that it is counted under where there is no room for it."""
        of_operation = group._replace(series=other_series(group.series.operation_type))
        for admitted, most in ((group, GROUPS_IN_COUNTER), (of_operation, 2 * GROUPS_IN_COUNTER)):
            if admitted in self.groups or len(self.groups) < most:
                break
        else:
            admitted = group._replace(series=other_series())
        self.groups.setdefault(admitted, Measures())
        return admitted


@dataclass
class ErrorCounter:
    """The number of failures or the latest examples, by kind.

    Both are in `errors` that an earlier version stored.
    """

    kinds: dict[FailureKind, tuple[int, list[Example]]] = field(default_factory=dict)

    def add(self, contribution: list[FailureContribution], sign: int) -> None:
        """See `Counter.add`. An example is removed with its trace; an older one does not come back."""
        for failure in contribution:
            kind = self._admitted(failure.kind)
            count, examples = self.kinds.get(kind, (0, []))
            examples = [example for example in examples if example != failure.example]
            if sign > 0 and failure.is_kept:
                examples = sorted([*examples, failure.example], reverse=True)[:EXAMPLES_KEPT]
            self.kinds[kind] = count + sign * failure.failed, examples

    def cleared(self) -> "ErrorCounter":
        """See `Counter.cleared`."""
        return ErrorCounter({kind: (0, []) for kind in self.kinds})

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Failures by kind."""
        return {"errors": {kind: count for kind, (count, _) in self.kinds.items() if count}}

    def within(self, start_ns: int, end_ns: int) -> "ErrorCounter":
        """The counter with the examples of a time alone."""
        return ErrorCounter(
            {
                kind: (count, [example for example in examples if start_ns <= example.time_ns < end_ns])
                for kind, (count, examples) in self.kinds.items()
            }
        )

    def without_traces(self) -> "ErrorCounter":
        """The counter without the examples of traces that have expired."""
        return ErrorCounter({kind: (count, []) for kind, (count, _) in self.kinds.items()})

    def _admitted(self, kind: FailureKind) -> FailureKind:
        kinds = self.kinds
        names = ("".join(each.values) for each in kinds)
        if kind in kinds or (len(kinds) < ERRORS_IN_COUNTER and _fits("".join(kind.values), names)):
            return kind
        return OTHER_FAILURES


@dataclass
class ValueCounter:
    """The traces that began on one day or in one hour: by value of each field, by conversation, the most expensive.

    Conversations and traces are in `names` alone, and in `values` that an earlier version stored.

    *shape*: `conversations` has the number of traces and then the numbers of their measures; `most_expensive` has the
    cost in nano-dollars and the trace id, the most expensive first.
    """

    values: dict[str, dict[str, int]] = field(default_factory=dict)
    conversations: dict[str, list[int]] = field(default_factory=dict)
    most_expensive: list[tuple[int, str]] = field(default_factory=list)

    def add(self, contribution: ValueContribution, sign: int) -> None:
        """See `Counter.add`. A most expensive trace is removed with its cost; the next one does not come back."""
        for name, value in contribution.values:
            counts = self.values.setdefault(name, {})
            value = _admitted(counts, value, VALUES_IN_COUNTER)
            counts[value] = counts.get(value, 0) + sign
        if contribution.conversation_id is not None:
            conversation_id = _admitted(self.conversations, contribution.conversation_id, CONVERSATIONS_IN_COUNTER)
            before = self.conversations.get(conversation_id, [0] * (1 + len(contribution.numbers)))
            pairs = zip(before, (1, *contribution.numbers), strict=True)
            self.conversations[conversation_id] = [number + sign * added for number, added in pairs]
        entry = contribution.cost_nano_usd, contribution.trace_id
        self.most_expensive = [each for each in self.most_expensive if each != entry]
        if sign > 0 and contribution.cost_nano_usd:
            self.most_expensive = sorted([*self.most_expensive, entry], reverse=True)[:MOST_EXPENSIVE_KEPT]

    def cleared(self) -> "ValueCounter":
        """See `Counter.cleared`."""
        return ValueCounter(
            {name: dict.fromkeys(counts, 0) for name, counts in self.values.items()},
            {conversation_id: [0] * len(numbers) for conversation_id, numbers in self.conversations.items()},
        )

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Numbers of traces by value, numbers by conversation."""
        values = {(name, value): count for name in self.values for value, count in self.values[name].items() if count}
        conversations = {name: numbers for name, numbers in self.conversations.items() if any(numbers)}
        return {"values": values, "conversations": conversations}

    def without_traces(self) -> "ValueCounter":
        """The counter without what is about traces that have expired."""
        return ValueCounter({name: counts for name, counts in self.values.items() if name not in NAMED_FACETS})


@dataclass
class MarginalCounter:
    """The traces and measures of one hour by each marginal: an aggregate for each of its values."""

    values: dict[str, dict[str, Aggregate]] = field(default_factory=dict)

    def add(self, contribution: MarginalContribution, sign: int) -> None:
        """See `Counter.add`. A trace with several values that are counted as `OTHER` counts there once."""
        for name, value, measures in contribution.rows:
            self._aggregate(name, self._admitted(name, value)).measures.add(measures, sign)
        for name, value in {(name, self._admitted(name, value)) for name, value in sorted(contribution.traces)}:
            self._aggregate(name, value).traces += sign

    def cleared(self) -> "MarginalCounter":
        """See `Counter.cleared`."""
        return MarginalCounter({name: {value: Aggregate() for value in values} for name, values in self.values.items()})

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Traces and measures by marginal and value."""
        return {
            name: {
                value: {"traces": aggregate.traces, **aggregate.measures.nonzero()}
                for value, aggregate in values.items()
                if aggregate
            }
            for name, values in self.values.items()
            if any(values.values())
        }

    def under_pseudonyms(self, pseudonym: Pseudonym) -> "MarginalCounter":
        """The counter with each end user that an earlier version counted by name under the pseudonym."""
        end_users = self.values.get(END_USER, {})
        if all(name in ("", OTHER) or is_pseudonym(name) for name in end_users):
            return self
        hidden: dict[str, Aggregate] = {}
        for name, aggregate in end_users.items():
            hidden.setdefault(name if is_pseudonym(name) else pseudonym(name), Aggregate()).add(aggregate)
        return MarginalCounter({**self.values, END_USER: hidden})

    def of_end_user(self, pseudonym: str) -> "MarginalCounter":
        """The counter with one end user alone."""
        end_users = self.values.get(END_USER, {})
        return MarginalCounter({END_USER: {pseudonym: end_users[pseudonym]}} if pseudonym in end_users else {})

    def _admitted(self, name: str, value: str) -> str:
        values = self.values.setdefault(name, {})
        admitted = _admitted(values, value, VALUES_IN_MARGINAL)
        values.setdefault(admitted, Aggregate())
        return admitted

    def _aggregate(self, name: str, value: str) -> Aggregate:
        return self.values[name][value]


@dataclass
class ScoreCounter:
    """The scores of the traces that began in one hour, by name."""

    scores: dict[str, ScoreTotal] = field(default_factory=dict)

    def add(self, contribution: ScoreContribution, sign: int) -> None:
        """See `Counter.add`."""
        for name, total in contribution.scores:
            admitted = _admitted(self.scores, name, SCORES_IN_COUNTER)
            self.scores[admitted] = self.scores.get(admitted, ScoreTotal()).plus(total, sign)

    def cleared(self) -> "ScoreCounter":
        """See `Counter.cleared`."""
        return ScoreCounter(dict.fromkeys(self.scores, ScoreTotal()))

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Numbers of values and their sums by name."""
        return {"scores": {name: total for name, total in self.scores.items() if any(total)}}


@dataclass
class ScoreGroupCounter:
    """The scores of the traces that began in one hour, by dimension, then by the score's name and the value."""

    groups: dict[str, dict[tuple[str, str], ScoreTotal]] = field(default_factory=dict)

    def add(self, contribution: ScoreGroupContribution, sign: int) -> None:
        """See `Counter.add`."""
        for dimension, rows in zip(SCORE_DIMENSIONS, contribution.groups, strict=False):
            totals = self.groups.setdefault(dimension, {})
            for row in rows:
                pair = self._admitted(totals, row.name, row.value)
                total = ScoreTotal(row.value_count, row.sum_micro)
                totals[pair] = totals.get(pair, ScoreTotal()).plus(total, sign)

    def cleared(self) -> "ScoreGroupCounter":
        """See `Counter.cleared`."""
        return ScoreGroupCounter(
            {dimension: dict.fromkeys(totals, ScoreTotal()) for dimension, totals in self.groups.items()}
        )

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. Numbers of values and their sums by dimension, name and value."""
        return {
            dimension: {pair: total for pair, total in totals.items() if any(total)}
            for dimension, totals in self.groups.items()
            if any(map(any, totals.values()))
        }

    def _admitted(self, known: Mapping[tuple[str, str], ScoreTotal], name: str, value: str) -> tuple[str, str]:
        """The name and the value, or those that they are counted under where there is no room for them."""
        for pair, most in (((name, value), SCORE_GROUPS_IN_COUNTER), ((name, OTHER), 2 * SCORE_GROUPS_IN_COUNTER)):
            if pair in known or (len(known) < most and _fits("".join(pair), map("".join, known))):
                return pair
        return OTHER, OTHER


@dataclass
class ConversationCounter:
    """A conversation over its whole life.

    `first_ns` and `last_ns` only move apart. `last_trace` is the start and the id of its newest trace.
    """

    traces: int = 0
    measures: Measures = field(default_factory=Measures)
    first_ns: int | None = None
    last_ns: int = 0
    last_trace: tuple[int, str] = (0, "")
    expires_at_s: int = 0

    def add(self, contribution: ConversationContribution, sign: int) -> None:
        """See `Counter.add`."""
        self.traces += sign
        self.measures.add(contribution.measures, sign)
        if sign > 0:
            start_ns = contribution.start_ns
            self.first_ns = start_ns if self.first_ns is None else min(self.first_ns, start_ns)
            self.last_ns = max(self.last_ns, contribution.end_ns)
            self.last_trace = max(self.last_trace, (start_ns, contribution.trace_id))
            self.expires_at_s = max(self.expires_at_s, contribution.expires_at_s)

    def cleared(self) -> "ConversationCounter":
        """See `Counter.cleared`. The times stay, since they only move apart."""
        return replace(self, traces=0, measures=Measures())

    def totals(self) -> dict[str, Any]:
        """See `Counter.totals`. The number of traces and their measures."""
        return {"traces": self.traces, "measures": self.measures.nonzero()}


COUNTERS: Final[Mapping[CounterKind, type[Counter]]] = {
    "measures": MeasureCounter,
    "errors": ErrorCounter,
    "examples": ErrorCounter,
    "values": ValueCounter,
    "names": ValueCounter,
    "marginals": MarginalCounter,
    "scores": ScoreCounter,
    "score_groups": ScoreGroupCounter,
    "conversation": ConversationCounter,
}
"""The class of each kind of counter."""


def _admitted(known: Mapping[str, object], name: str, most: int) -> str:
    return name if name in known or (len(known) < most and _fits(name, known)) else OTHER


def _fits(name: str, known: Iterable[str]) -> bool:
    """Whether there is room for one more name. A name that was refused once is always refused."""
    return len(name) + sum(map(len, known)) <= CHARACTERS_IN_COUNTER
