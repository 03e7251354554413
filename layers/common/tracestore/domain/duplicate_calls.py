"""Model calls of a trace that several spans report, and the reports that do not count.

Two instrumentation libraries that do not know of each other report one call in two places: spans of two scopes with
equal usage or the same response, one within the other's time, are one call, if one is next to the other or to a span
around it. A call that lacks its input or its output does not count within a call of the same model that has both.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Final

from .merge import Span
from .reported_usage import amount, is_inference, models_of, reported_tokens
from .spans import SpanFields
from .tree import Node

OTHER_WORK: Final = frozenset({"tool_call", "agent"})
"""Operations below which calls of the same model are calls of their own: a tool or an agent that a model used."""

_MOST_COMPARED: Final = 16
"""Spans of a scope that may be the counterpart of another one: of thousands at once, not all are compared."""


def duplicate_calls(nodes: Sequence[Node]) -> set[str]:
    """Model calls that another span reports too: one with the same id of the call, or one with equal usage."""
    by_call: dict[str, list[Span]] = {}
    by_usage: dict[tuple[int, int], list[Span]] = {}
    for span, _ in nodes:
        fields = span.fields
        if "scope_name" in fields and is_inference(span):
            if "call_key" in fields:
                by_call.setdefault(fields["call_key"], []).append(span)
            if (tokens := reported_tokens(fields)) is not None:
                by_usage.setdefault(tokens, []).append(span)
    duplicates = _requests_of_streams(nodes)
    places: _Places | None = None
    for groups in (by_call, by_usage):
        for group in groups.values():
            spans = [span for span in group if span.span_id not in duplicates]
            if len({span.fields["scope_name"] for span in spans}) > 1:
                places = places or _Places(nodes)
                duplicates |= _paired(spans, places)
    return duplicates


def _requests_of_streams(nodes: Sequence[Node]) -> set[str]:
    """Model calls without usage whose stream another span reports: one after it without a duration, next to it.

    *source*: Logfire, whose span of a call ends with its request.
    """
    by_place: dict[tuple[str | None, str | None], list[Span]] = {}
    has_report = False
    for span, _ in nodes:
        if is_inference(span):
            by_place.setdefault((span.parent_span_id, span.fields.get("scope_name")), []).append(span)
            has_report |= _is_report(span)
    if not has_report:
        return set()
    reported = set()
    for spans in by_place.values():
        requests: list[Span] = []
        for span in sorted(spans, key=lambda span: span.order):
            if _is_report(span):
                before = (request for request in requests if _share_model(request.fields, span.fields))
                if (request := next(before, None)) is not None:
                    requests.remove(request)
                    reported.add(request.span_id)
            elif reported_tokens(span.fields) is None and span.status != "error":
                requests.append(span)
    return reported


def _is_report(span: Span) -> bool:
    return span.end_ns == span.start_ns and reported_tokens(span.fields) is not None


class _Places:
    """Where the spans of a tree are, to ask how two of them are related."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._indexes = {span.span_id: index for index, (span, _) in enumerate(nodes)}
        self._ends = [len(nodes)] * len(nodes)
        self._parents = [-1] * len(nodes)
        above: list[int] = []
        for index, (_, depth) in enumerate(nodes):
            while len(above) > depth:
                self._ends[above.pop()] = index
            self._parents[index] = above[-1] if above else -1
            above.append(index)

    def may_be_one_call(self, span: Span, other: Span) -> bool:
        """Whether two spans are siblings, or one is a sibling of a span around the other.

        The second is so where a framework keeps its spans to itself: the library that it calls then finds the span of
        the application as its parent.
        """
        first, second = self._indexes[span.span_id], self._indexes[other.span_id]
        if self._is_inside(first, second) or self._is_inside(second, first):
            return False
        own, others = self._parents[first], self._parents[second]
        return own == others or (
            (self._is_inside(own, others) or self._is_inside(others, own)) and _share_model(span.fields, other.fields)
        )

    def _is_inside(self, index: int, around: int) -> bool:
        return around < 0 or around <= index < self._ends[around]


def _share_model(fields: SpanFields, others: SpanFields) -> bool:
    models, other_models = models_of(fields), models_of(others)
    return not models or not other_models or not models.isdisjoint(other_models)


def records_of_usage(nodes: Sequence[Node]) -> set[str]:
    """Spans that record the usage of calls next to them, in the same scope, and that are no calls themselves."""
    scopes = {
        (span.parent_span_id, span.fields["scope_name"])
        for span, _ in nodes
        if is_inference(span) and "scope_name" in span.fields and reported_tokens(span.fields) is not None
    }
    return {
        span.span_id
        for index, (span, depth) in enumerate(nodes)
        if span.fields.get("operation_type") == "other"
        and reported_tokens(span.fields) is not None
        and (index + 1 == len(nodes) or nodes[index + 1].depth <= depth)
        and (span.parent_span_id, span.fields.get("scope_name")) in scopes
    }


def incomplete_calls(nodes: Sequence[Node]) -> set[str]:
    """The only call inside a call of the same model, where it lacks the input or the output that the outer one has."""
    incomplete = set()
    below: dict[int, list[Span]] = {}  # by depth: the calls with usage under the parent that is still to come
    for span, depth in reversed(nodes):
        inside = below.pop(depth + 1, [])
        if is_inference(span) and reported_tokens(span.fields) is not None:
            models = models_of(span.fields)
            same = [call for call in inside if not models.isdisjoint(models_of(call.fields))]
            if len(same) == 1 and _is_incomplete(same[0].fields, span.fields):
                incomplete.add(same[0].span_id)
            inside = [span]
        if inside and span.fields.get("operation_type") not in OTHER_WORK:
            below.setdefault(depth, []).extend(inside)
    return incomplete


def _is_incomplete(inner: SpanFields, outer: SpanFields) -> bool:
    """Whether a report lacks input or output, and the other one has all that it has."""
    has = [(amount(inner, kind) > 0, amount(outer, kind) > 0) for kind in ("input_tokens", "output_tokens")]
    return any(not own and other for own, other in has) and all(other for own, other in has if own)


def _paired(spans: Sequence[Span], places: _Places) -> set[str]:
    """The duplicates among spans with equal usage.

    One runs within the time of the other, each in a scope of its own; each has one counterpart, the one that fits it
    most tightly.
    """
    duplicates = set()
    by_scope: dict[str, list[tuple[int, str, Span]]] = {}  # by end: spans that may run while a later one does
    for span in sorted(spans, key=lambda span: (span.order[0], -_duration_ns(span), span.span_id)):
        own_scope = span.fields["scope_name"]
        around = []
        for scope, running in by_scope.items():
            if scope == own_scope:
                continue
            index = bisect_left(running, (_end_ns(span), ""))
            for candidate in running[index : index + _MOST_COMPARED]:
                if places.may_be_one_call(span, candidate[2]):
                    around.append((candidate, scope))
                    break
        if around:
            tightest, scope = min(around, key=lambda candidate: candidate[0][:2])
            by_scope[scope].remove(tightest)
            counterpart = tightest[2]
            duplicates.add(_less_complete(span, counterpart).span_id)
        else:
            insort(by_scope.setdefault(own_scope, []), (_end_ns(span), span.span_id, span))
    return duplicates


def _less_complete(span: Span, counterpart: Span) -> Span:
    """Of two spans about one call the one without a cost, else the shorter, or the longer one if their usage differs.

    The shorter span is closer to the provider, the longer one has more of the conversation.
    """
    sign = -1 if reported_tokens(span.fields) == reported_tokens(counterpart.fields) else 1
    return max(
        span, counterpart, key=lambda span: (span.cost.nano_usd is None, sign * _duration_ns(span), span.span_id)
    )


def _end_ns(span: Span) -> int:
    return span.start_ns if span.end_ns is None else span.end_ns


def _duration_ns(span: Span) -> int:
    return _end_ns(span) - span.order[0]
