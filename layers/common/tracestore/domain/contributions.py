"""The contribution of one trace to each counter.

Contributions are computed from the head of the trace (`stats.py`) alone, so that a counter can subtract what it added.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

from .annotations import AnnotationSummary, GroupedScore
from .buckets import INTERVALS_OF, OF_FAILURES, QUARTERS, Bucket, ConversationTarget, Target
from .dimensions import END_USER, FailureKind, Group, cut
from .heads import VALUE_FIELDS, Summary
from .pseudonyms import Pseudonym
from .score_groups import MICRO
from .stats import QUARTER_NS, Example, Measures, Stats, failures_of, marginal_rows, sums

FACETS: Final = ("status", *(name for name in VALUE_FIELDS if name != "message_id"))

NAMED_FACETS: Final = frozenset({"span_name", "end_user_id", "tag"})
"""The facets that are counted by `names`: their values may be about a person."""

Signature: TypeAlias = frozenset[Group]
"""The groups of one trace. Counts of traces by signature give the exact number of traces with any of some groups."""


@dataclass(slots=True)
class MeasureContribution:
    """The contribution of a trace to a counter of measures.

    *absent*: no `signature` unless the trace began in its time.
    """

    rows: list[tuple[Group, Measures]] = field(default_factory=list)
    signature: Signature | None = None


class FailureContribution(NamedTuple):
    """Failures of one kind of one trace: their number, and an example, which `examples` keep and `errors` do not."""

    kind: FailureKind
    failed: int
    example: Example
    is_kept: bool = False


class ValueContribution(NamedTuple):
    """The contribution of a trace to the counters of the day and of the hour in which it began.

    `numbers` are its measures as model calls. *absent*: only `names` are given more than values.
    """

    values: tuple[tuple[str, str], ...]
    trace_id: str = ""
    conversation_id: str | None = None
    numbers: tuple[int, ...] = ()
    cost_nano_usd: int = 0


class ConversationContribution(NamedTuple):
    """The contribution of one trace to its conversation. `expires_at_s` is when the trace expires."""

    trace_id: str
    start_ns: int
    end_ns: int
    measures: Measures
    expires_at_s: int


@dataclass(slots=True)
class MarginalContribution:
    """The contribution of one trace to the marginals of one hour.

    *shape*: rows of marginal, value and measures; in `traces`, where the trace began in the hour, each marginal and
    value of which it has a model call.
    """

    rows: list[tuple[str, str, Measures]] = field(default_factory=list)
    traces: set[tuple[str, str]] = field(default_factory=set)


class ScoreTotal(NamedTuple):
    """A number of values and their sum. *units*: the sum is in millionths, so that differences are exact."""

    value_count: int = 0
    sum_micro: int = 0

    def plus(self, added: "ScoreTotal", sign: int = 1) -> "ScoreTotal":
        """The total with another one added, or subtracted with `sign` -1."""
        return ScoreTotal(self.value_count + sign * added.value_count, self.sum_micro + sign * added.sum_micro)

    @property
    def mean(self) -> float | None:
        """The mean of the values. *absent*: None without any."""
        return self.sum_micro / self.value_count / MICRO if self.value_count > 0 else None


class ScoreContribution(NamedTuple):
    """The scores of one trace, by name, for the hour in which it began."""

    scores: tuple[tuple[str, ScoreTotal], ...]


class ScoreGroupContribution(NamedTuple):
    """The scores of one trace by value, for each of `SCORE_DIMENSIONS`, for the hour in which it began."""

    groups: tuple[tuple[GroupedScore, ...], ...]


Contribution: TypeAlias = (
    MeasureContribution
    | list[FailureContribution]
    | ValueContribution
    | ConversationContribution
    | MarginalContribution
    | ScoreContribution
    | ScoreGroupContribution
)


def contributions_of(
    trace_id: str, summary: Summary | None, expires_at_s: int, pseudonym: Pseudonym
) -> dict[Target, Contribution]:
    """The contribution of a trace to each counter. *absent*: without a summary there is none."""
    contributions: dict[Target, Any] = {}
    if summary is None:
        return contributions
    rows = summary.stats.rows
    start_quarter = summary.start_ns // QUARTER_NS
    for interval in INTERVALS_OF["measures"]:
        quarters = QUARTERS[interval]
        for row in rows:
            bucket = Bucket("measures", interval, row.quarter // quarters)
            contributions.setdefault(bucket, MeasureContribution()).rows.append((row.group, row.measures))
        first = contributions.setdefault(Bucket("measures", interval, start_quarter // quarters), MeasureContribution())
        first.signature = frozenset(row.group for row in rows)
    for kind in OF_FAILURES:
        for interval in INTERVALS_OF[kind]:
            for failure in failures_of(summary.stats, trace_id):
                bucket = Bucket(kind, interval, failure.quarter // QUARTERS[interval])
                failed = failure.failed if kind == "errors" else 0
                contribution = FailureContribution(failure.kind, failed, failure.example, is_kept=kind == "examples")
                contributions.setdefault(bucket, []).append(contribution)
    contributions |= _marginal_contributions(summary.stats, start_quarter // QUARTERS["hour"], pseudonym)
    if summary.annotations.scores:
        scores = Bucket("scores", "hour", start_quarter // QUARTERS["hour"])
        contributions[scores] = _score_contribution(summary.annotations)
        if any(summary.annotations.score_groups):
            groups = Bucket("score_groups", "hour", start_quarter // QUARTERS["hour"])
            contributions[groups] = ScoreGroupContribution(summary.annotations.score_groups)
    total = sums(rows)
    if summary.conversation_id is not None:
        end_ns = summary.end_ns or summary.start_ns
        conversation = ConversationContribution(trace_id, summary.start_ns, end_ns, total, expires_at_s)
        contributions[ConversationTarget(summary.conversation_id)] = conversation
    values = {"status": [summary.status], **summary.values}
    facets = dict.fromkeys((name, cut(value)) for name in FACETS for value in values.get(name, ()))
    contributions[Bucket("values", "day", start_quarter // QUARTERS["day"])] = ValueContribution(
        tuple(facet for facet in facets if facet[0] not in NAMED_FACETS)
    )
    contributions[Bucket("names", "hour", start_quarter // QUARTERS["hour"])] = ValueContribution(
        tuple(facet for facet in facets if facet[0] in NAMED_FACETS),
        trace_id,
        summary.conversation_id,
        tuple(total.numbers),
        summary.usage.cost_nano_usd or 0,
    )
    return contributions


def _score_contribution(annotations: AnnotationSummary) -> ScoreContribution:
    return ScoreContribution(
        tuple(
            (name, ScoreTotal(score.value_count, round(score.mean * score.value_count * MICRO)))
            for name, score in annotations.scores
        )
    )


def _marginal_contributions(stats: Stats, start_hour: int, pseudonym: Pseudonym) -> dict[Target, MarginalContribution]:
    contributions: dict[Target, MarginalContribution] = {}
    for name, rows in marginal_rows(stats):
        for row in rows:
            value = pseudonym(row.value) if name == END_USER else row.value
            in_hour = contributions.setdefault(Bucket("marginals", "hour", row.hour), MarginalContribution())
            in_hour.rows.append((name, value, row.measures))
            if row.has_call:
                first = contributions.setdefault(Bucket("marginals", "hour", start_hour), MarginalContribution())
                first.traces.add((name, value))
    return contributions
