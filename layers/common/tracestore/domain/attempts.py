"""Attempts of one model call: retries and fallbacks, and the cost of those that did not give the answer.

Applications repeat a call that failed, or whose answer they cannot use, with the same provider or with another one. No
convention marks this. Calls of one parent are therefore attempts of one call if a later one begins after the earlier
one has ended and asks the same: by the fingerprint of its messages or, after a failure, by its place where the
messages were not recorded or were rewritten for another model.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from .costs import REPEATING_OPERATIONS
from .merge import Span
from .reported_usage import is_inference
from .spans import INFERENCE_OPERATIONS
from .tree import Node
from .usage import Charge, charges_of

Outcome: TypeAlias = Literal["failed", "answered", "superseded"]

MAX_PAUSE_NS: Final = 600 * 10**9
"""The longest pause before another attempt: providers ask for waits of up to some minutes. What comes later is a new
request by the user."""

_Target: TypeAlias = tuple[str | None, str | None]

_MODEL_SPEND: Final = INFERENCE_OPERATIONS | REPEATING_OPERATIONS


@dataclass(frozen=True, slots=True)
class AttemptGroup:
    """The attempts of one call, at least two, in the order in which they began.

    *shape*: `indexes` are those of the spans in the tree order of their trace.
    """

    indexes: tuple[int, ...]
    outcomes: tuple[Outcome | None, ...]
    has_retry: bool
    has_fallback: bool

    @property
    def outcome(self) -> Outcome | None:
        """The outcome of the last attempt. *absent*: None while it is pending."""
        return self.outcomes[-1]


class Spending(NamedTuple):
    """The charges of a trace's spans, its calls with several attempts, and whether each charge is wasted."""

    charges: list[Charge]
    groups: list[AttemptGroup]
    wasted: list[bool]


def spending_of(nodes: Sequence[Node], *, is_trace_failed: bool) -> Spending:
    """The spending of a trace, given its spans in tree order."""
    groups = attempt_groups(nodes)
    return Spending(charges_of(nodes), groups, wasted_spans(nodes, groups, is_trace_failed=is_trace_failed))


def attempt_groups(nodes: Sequence[Node]) -> list[AttemptGroup]:
    """The calls of a trace with more than one attempt, given its spans in tree order."""
    siblings: dict[tuple[int, str | None], list[int]] = {}
    for index, (span, depth) in enumerate(nodes):
        if is_inference(span):  # by depth, since the root of a cycle names a span below it as its parent
            siblings.setdefault((depth, span.parent_span_id), []).append(index)
    groups: list[list[int]] = []
    for indexes in siblings.values():
        if len(indexes) > 1:
            open_groups = _OpenGroups(nodes)
            for index in indexes:
                open_groups.add(index)
            groups += open_groups.repeated()
    return [_attempt_group(nodes, group) for group in sorted(groups)]


def wasted_spans(nodes: Sequence[Node], groups: Sequence[AttemptGroup], *, is_trace_failed: bool) -> list[bool]:
    """Whether the charge of each span is wasted: it paid for a failure, or for an attempt that was not the answer.

    In a failed trace, all that was spent on models is wasted.
    """
    discarded = {
        index
        for group in groups
        for index, outcome in zip(group.indexes, group.outcomes, strict=True)
        if outcome in ("failed", "superseded")
    }
    wasted = []
    discarded_depth: int | None = None
    for index, (span, depth) in enumerate(nodes):
        if discarded_depth is not None and depth <= discarded_depth:
            discarded_depth = None
        if discarded_depth is None and index in discarded:
            discarded_depth = depth
        wasted.append(
            discarded_depth is not None
            or (span.status == "error" and is_inference(span))
            or (is_trace_failed and span.fields.get("operation_type") in _MODEL_SPEND)
        )
    return wasted


def wasted_cost(nodes: Sequence[Node], charges: Sequence[Charge], indexes: Sequence[int]) -> int:
    """The cost in nano-dollars of the spans at `indexes` and of all spans below them."""
    total = 0
    for first in indexes:
        total += charges[first].cost_nano_usd or 0
        for index in range(first + 1, len(nodes)):
            if nodes[index].depth <= nodes[first].depth:
                break
            total += charges[index].cost_nano_usd or 0
    return total


class _OpenGroups:
    """The groups of attempts among siblings, as far as their spans were added by start.

    Each span joins the group whose last attempt ended most recently before it. Last attempts are found by their end in
    sorted lists: thousands of siblings must not be compared with each other. An entry of a list is out of date once
    its span is no longer the last of its group.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._groups: dict[int, list[int]] = {}  # by the index of the last attempt
        self._by_question: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._failed: dict[str, dict[tuple[_Target, bool], list[tuple[int, int]]]] = {}

    def add(self, index: int) -> None:
        span = self._nodes[index].span
        fields, end_ns = span.fields, span.end_ns
        group = self._groups.pop(self._earlier(index), [])
        group.append(index)
        self._groups[index] = group
        if end_ns is None:
            return
        last = (end_ns, index)
        operation, question = fields["operation_type"], fields.get("fingerprint")
        if question is not None:
            insort(self._by_question.setdefault((operation, question), []), last)
        if span.status == "error":
            by_target = self._failed.setdefault(operation, {})
            insort(by_target.setdefault((_target(span), question is not None), []), last)

    def repeated(self) -> list[list[int]]:
        """The groups of more than one attempt."""
        return [group for group in self._groups.values() if len(group) > 1]

    def _earlier(self, index: int) -> int:
        """The last attempt that this span repeats. *absent*: -1."""
        span = self._nodes[index].span
        operation, question = span.fields["operation_type"], span.fields.get("fingerprint")
        if question is not None:
            same = self._latest(self._by_question.get((operation, question), []), span.order[0])
            if same is not None:
                return same[1]
        # A failed call of the same model that asked something else was another call.
        other = (_target(span), True) if question is not None else None
        failed = [
            latest
            for target, entries in self._failed.get(operation, {}).items()
            if target != other and (latest := self._latest(entries, span.order[0])) is not None
        ]
        return max(failed)[1] if failed else -1

    def _latest(self, entries: list[tuple[int, int]], start_ns: int) -> tuple[int, int] | None:
        """The last attempt that ended most recently before `start_ns`. *absent*: None, also after a long pause."""
        place = bisect_right(entries, (start_ns, len(self._nodes)))
        while place and entries[place - 1][1] not in self._groups:
            place -= 1
            del entries[place]
        if place and start_ns - entries[place - 1][0] <= MAX_PAUSE_NS:
            return entries[place - 1]
        return None


def _target(span: Span) -> _Target:
    """The provider and the model that a call went to."""
    fields = span.fields
    return fields.get("model_provider"), fields.get("request_model", fields.get("model_name"))


def _attempt_group(nodes: Sequence[Node], indexes: Sequence[int]) -> AttemptGroup:
    spans = [nodes[index].span for index in indexes]
    changes = [_target(later) != _target(earlier) for earlier, later in pairwise(spans)]
    return AttemptGroup(
        indexes=tuple(indexes),
        outcomes=tuple(_outcome(span, is_last=span is spans[-1]) for span in spans),
        has_retry=not all(changes),
        has_fallback=any(changes),
    )


def _outcome(span: Span, *, is_last: bool) -> Outcome | None:
    if span.status == "error":
        return "failed"
    if not is_last:
        return "superseded"
    return "answered" if span.status == "success" else None
