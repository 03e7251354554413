"""The summary of a trace: what lists show and filter by, derived from its spans and its annotations alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final, NamedTuple, cast

from .annotations import NO_ANNOTATIONS, AnnotationSummary
from .attempts import AttemptGroup, Outcome, spending_of, wasted_cost
from .lessons import calls_below, providers_tried
from .merge import Span
from .stats import NO_STATS, Stats, stats_of
from .tree import Node, tree_order
from .updates import FALLBACKS_KEPT
from .usage import Charge, Usage, usage_of

VALUE_FIELDS: Final = (
    "operation_type",
    "model_name",
    "model_provider",
    "span_name",
    "error_type",
    "tool_name",
    "end_user_id",
    "service_name",
    "message_id",
    "environment",
    "release",
    "tag",
    "prompt_version",
)
"""Fields of spans that lists filter by, as the API names them. A trace matches when any of its spans has the value."""

ATTEMPTS_KEPT: Final = 20
"""Calls with several attempts in a head, and attempts of each: a head that is written with every write stays small."""

VALUES_KEPT: Final = 100
VALUE_CHARACTERS_KEPT: Final = 5_000
"""Distinct values of a field in a head, and their total length: they keep a head well below DynamoDB's 400 KB. Beyond
them, the summary marks the field as cut, and a filter reads the spans themselves."""


class Previews(NamedTuple):
    """The first words of a trace's input and output, and the names of their sources: see `trace_previews.py`."""

    input: str | None = None
    output: str | None = None
    source: tuple[str | None, str | None] = (None, None)


NO_PREVIEWS: Final = Previews()


class Attempts(NamedTuple):
    """The attempts of one call. `group` is the span id of the first; `wasted_nano_usd` is the cost of the others than
    the answer."""

    group: str
    span_ids: tuple[str, ...]
    outcome: Outcome | None
    wasted_nano_usd: int


@dataclass(frozen=True)
class Summary:
    """One trace in a line.

    `start_ns` and `end_ns` include all of its spans; `end_ns` is None while the trace is pending or no span reports an
    end that can be right. `stats` is the trace's contribution to the counters: see `stats.py`. It `is_lesson` by its
    root's operation or lesson id; only lessons have providers, as they state them or as their calls tried them.
    """

    root_span_id: str
    name: str
    status: str
    start_ns: int
    end_ns: int | None
    span_count: int
    error_count: int
    usage: Usage
    conversation_id: str | None
    end_user_id: str | None
    lesson_id: str | None
    values: dict[str, list[str]] = field(default_factory=dict)
    values_cut: tuple[str, ...] = ()
    previews: Previews = NO_PREVIEWS
    stats: Stats = NO_STATS
    is_lesson: bool = False
    environment: str | None = None
    release: str | None = None
    is_interrupted: bool = False
    attempts: tuple[Attempts, ...] = ()
    has_retry: bool = False
    has_fallback: bool = False
    provider_used: str | None = None
    fallback_providers: tuple[str, ...] = ()
    annotations: AnnotationSummary = NO_ANNOTATIONS

    @property
    def duration_ns(self) -> int | None:
        """The duration of the trace; 0 where clocks contradict each other. *absent*: None without an end."""
        return None if self.end_ns is None else max(0, self.end_ns - self.start_ns)


def root_of(spans: Sequence[Span]) -> Span:
    """The span that a trace is named after: the earliest without a parent, else the earliest. `spans` are by start."""
    return next((span for span in spans if span.parent_span_id is None), spans[0])


def summarize(spans: Sequence[Span], previews: Previews) -> Summary:
    """Summarize a trace with these spans, at least one, by start."""
    root = root_of(spans)
    values, values_cut = _values(spans)
    ends = [end_ns for span in spans if (end_ns := span.end_ns) is not None]
    nodes = tree_order(spans)
    charges, groups, wasted = spending_of(nodes, is_trace_failed=root.status == "error")
    is_lesson = root.fields.get("operation_type") == "lesson" or "lesson_id" in root.fields
    used, fallbacks = _providers(root, nodes, charges) if is_lesson else (None, ())
    return Summary(
        root_span_id=root.span_id,
        name=first_value(root, spans, "trace_name") or root.fields.get("span_name", ""),
        status=root.status,
        start_ns=spans[0].start_ns,
        end_ns=max(ends) if ends and root.status != "pending" else None,
        span_count=len(spans),
        error_count=sum(span.status == "error" for span in spans),
        usage=usage_of(nodes, charges, wasted),
        conversation_id=first_value(root, spans, "conversation_id"),
        end_user_id=first_value(root, spans, "end_user_id"),
        lesson_id=root.fields.get("lesson_id"),
        values=values,
        values_cut=values_cut,
        previews=previews,
        stats=stats_of(nodes, charges, wasted),
        is_lesson=is_lesson,
        environment=first_value(root, spans, "environment"),
        release=first_value(root, spans, "release"),
        is_interrupted=any("interrupted" in span.fields and span.fields["interrupted"] for span in spans),
        attempts=tuple(_attempts(nodes, charges, group) for group in groups[:ATTEMPTS_KEPT]),
        has_retry=any(group.has_retry for group in groups),
        has_fallback=any(group.has_fallback for group in groups),
        provider_used=used,
        fallback_providers=fallbacks,
    )


def values_of(span: Span, name: str) -> list[str]:
    """The values of a span by which lists filter, in a field of `VALUE_FIELDS`. *absent*: an empty list."""
    if name == "tag":
        return span.fields.get("tags", [])
    return [str(span.fields[name])] if name in span.fields else []  # type: ignore[literal-required]


def _providers(root: Span, nodes: Sequence[Node], charges: Sequence[Charge]) -> tuple[str | None, tuple[str, ...]]:
    """The provider that a lesson used and those that it tried before, as its root states them, else by its calls."""
    used, fallbacks = providers_tried(calls_below(nodes, charges, root.span_id))
    stated = root.fields.get("fallback_providers", fallbacks)
    return root.fields.get("provider_used", used), tuple(stated[:FALLBACKS_KEPT])


def _attempts(nodes: Sequence[Node], charges: Sequence[Charge], group: AttemptGroup) -> Attempts:
    attempts = list(zip(group.indexes, group.outcomes, strict=True))
    discarded = [index for index, outcome in attempts if outcome in ("failed", "superseded")]
    span_ids = [nodes[index].span.span_id for index in group.indexes[:ATTEMPTS_KEPT]]
    return Attempts(span_ids[0], tuple(span_ids), group.outcome, wasted_cost(nodes, charges, discarded))


def first_value(root: Span, spans: Sequence[Span], name: str) -> str | None:
    """The root's value, else that of the earliest span that has one."""
    if value := root.fields.get(name):
        return str(value)
    for span in spans:
        if value := span.fields.get(name):
            return str(value)
    return None


def _values(spans: Sequence[Span]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    kept: dict[str, list[str]] = {}
    values_cut = []
    reported: list[dict[str, Any]] = [cast(dict[str, Any], span.fields) for span in spans]
    names: set[str] = set().union(*reported)
    for name in VALUE_FIELDS:
        if name in names:
            values = {str(fields[name]) for fields in reported if name in fields and fields[name] is not None}
        elif name == "tag" and "tags" in names:
            values = {value for fields in reported if "tags" in fields for value in fields["tags"]}
        else:
            continue
        if values:
            kept[name] = _first_few(sorted(values))
            if len(values) > len(kept[name]):
                values_cut.append(name)
    return kept, tuple(values_cut)


def _first_few(values: list[str]) -> list[str]:
    if len(values) <= VALUES_KEPT and sum(map(len, values)) <= VALUE_CHARACTERS_KEPT:
        return values
    lengths = accumulate(map(len, values[:VALUES_KEPT]))
    return [value for value, length in zip(values, lengths, strict=False) if length <= VALUE_CHARACTERS_KEPT]
