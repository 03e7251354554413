"""Usage of a trace: each model call counts once, however many spans repeat its tokens and cost.

A wrapper (agent, chain, workflow) often reports the sum of the calls below it, and a framework's span the same usage as
the client library's span inside it. A span's usage therefore counts only where nothing below it counts, or where it is
a model call whose usage differs from the sum below. A call within a call of the same model is one call, also where the
usage differs: the outer one may lack reasoning, the cache, or the output of a stream, so the inner one counts, unless
it is the inner one that lacks its input or its output. Two instrumentation libraries that do not know of each other
report one call in two places: spans of two scopes with equal usage or the same response, one within the other's time,
are one call, if one is next to the other or to a span around it.
"""

import operator
import re
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from .merge import Span
from .spans import INFERENCE_OPERATIONS, SpanFields
from .tree import Node

_OTHER_WORK: Final = frozenset({"tool_call", "agent"})
"""Operations below which calls of the same model are calls of their own: a tool or an agent that a model used."""

_TRANSPORT: Final = frozenset({"http", "other"})
"""Operations between the client's and the server's span of one call."""

_VERSION: Final = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8})|-latest)(?:-v\d+(?::\d+)?)?$")
"""The version at the end of a model's name. The span of a framework may have the name without it."""

_MOST_COMPARED: Final = 16
"""Spans of a scope that may be the counterpart of another one: of thousands at once, not all are compared."""

TOKEN_KINDS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")


@dataclass(frozen=True)
class Usage:
    """The usage of a trace. `cost_nano_usd` is None while no span has a cost: unknown is not zero.

    `wasted_nano_usd` is the part of the cost that was spent in vain.
    """

    llm_call_count: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nano_usd: int | None
    wasted_nano_usd: int = 0


class Charge(NamedTuple):
    """The part of a span that counts: whether it is a model call, whether its tokens count, its cost (None: none).

    `is_repeated` marks a tool call that a span around it reports as well.
    """

    is_call: bool
    counts_tokens: bool
    cost_nano_usd: int | None
    is_repeated: bool = False


def charges_of(nodes: Sequence[Node]) -> list[Charge]:
    """The charge of each span of a trace, given in tree order."""
    inference = [is_inference(span) for span, _ in nodes]
    call_count = sum(inference)
    duplicates = _records_of_usage(nodes) if call_count else set()
    if call_count > 1:
        duplicates |= _duplicates(nodes) | _incomplete_calls(nodes)
    amounts = [None if span.span_id in duplicates else _tokens(span.fields) for span, _ in nodes]
    outer = parts = [False] * len(nodes)
    if call_count > 1:
        outer, parts = _outer_spans(nodes, amounts), _parts_of_calls(nodes, amounts)
    tokens = _counted(nodes, inference, amounts, outer)
    calls = _calls(nodes, inference, tokens, duplicates, [*map(operator.or_, outer, parts)])
    costs = _counted_costs(nodes, inference, tokens, duplicates)
    return list(map(Charge, calls, tokens, costs, _repeated_tool_calls(nodes)))


def usage_of(nodes: Sequence[Node], charges: Sequence[Charge], wasted: Sequence[bool] = ()) -> Usage:
    """The usage of a trace: the sum of its charges. `wasted` marks those that were spent in vain."""
    token_spans = [node.span for node, charge in zip(nodes, charges, strict=True) if charge.counts_tokens]
    costs = [charge.cost_nano_usd for charge in charges if charge.cost_nano_usd is not None]
    sums = dict.fromkeys(TOKEN_KINDS, 0)
    for span in token_spans:
        for kind in TOKEN_KINDS:
            sums[kind] += amount(span.fields, kind)
    return Usage(
        llm_call_count=sum(charge.is_call for charge in charges),
        total_tokens=sum(total_tokens(span.fields) or 0 for span in token_spans),
        cost_nano_usd=sum(costs) if costs else None,
        wasted_nano_usd=sum(
            charge.cost_nano_usd or 0 for charge, is_wasted in zip(charges, wasted, strict=False) if is_wasted
        ),
        **sums,
    )


def total_tokens(fields: SpanFields) -> int | None:
    """The total as reported, else the sum of input and output. *absent*: None where neither was reported."""
    if "total_tokens" in fields:
        return fields["total_tokens"]
    if "input_tokens" in fields or "output_tokens" in fields:
        return fields.get("input_tokens", 0) + fields.get("output_tokens", 0)
    return None


def amount(fields: SpanFields, kind: str) -> int:
    """The tokens of a kind that a span reports. *absent*: 0."""
    return fields.get(kind, 0)  # type: ignore[return-value]


def _tokens(fields: SpanFields) -> tuple[int, int] | None:
    total = total_tokens(fields)
    return None if total is None else (total, fields.get("output_tokens", 0))


def _duplicates(nodes: Sequence[Node]) -> set[str]:
    """Model calls that another span reports too: one with the same id of the call, or one with equal usage."""
    by_call: dict[str, list[Span]] = {}
    by_usage: dict[tuple[int, int], list[Span]] = {}
    for span, _ in nodes:
        fields = span.fields
        if "scope_name" in fields and is_inference(span):
            if "call_key" in fields:
                by_call.setdefault(fields["call_key"], []).append(span)
            if (tokens := _tokens(fields)) is not None:
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
            elif _tokens(span.fields) is None and span.status != "error":
                requests.append(span)
    return reported


def _is_report(span: Span) -> bool:
    return span.end_ns == span.start_ns and _tokens(span.fields) is not None


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
    models, other_models = _models(fields), _models(others)
    return not models or not other_models or not models.isdisjoint(other_models)


def _records_of_usage(nodes: Sequence[Node]) -> set[str]:
    """Spans that record the usage of calls next to them, in the same scope, and that are no calls themselves."""
    scopes = {
        (span.parent_span_id, span.fields["scope_name"])
        for span, _ in nodes
        if is_inference(span) and "scope_name" in span.fields and _tokens(span.fields) is not None
    }
    return {
        span.span_id
        for index, (span, depth) in enumerate(nodes)
        if span.fields.get("operation_type") == "other"
        and _tokens(span.fields) is not None
        and (index + 1 == len(nodes) or nodes[index + 1].depth <= depth)
        and (span.parent_span_id, span.fields.get("scope_name")) in scopes
    }


def _incomplete_calls(nodes: Sequence[Node]) -> set[str]:
    """The only call inside a call of the same model, where it lacks the input or the output that the outer one has."""
    incomplete = set()
    below: dict[int, list[Span]] = {}  # by depth: the calls with usage under the parent that is still to come
    for span, depth in reversed(nodes):
        inside = below.pop(depth + 1, [])
        if is_inference(span) and _tokens(span.fields) is not None:
            models = _models(span.fields)
            same = [call for call in inside if not models.isdisjoint(_models(call.fields))]
            if len(same) == 1 and _is_incomplete(same[0].fields, span.fields):
                incomplete.add(same[0].span_id)
            inside = [span]
        if inside and span.fields.get("operation_type") not in _OTHER_WORK:
            below.setdefault(depth, []).extend(inside)
    return incomplete


def _is_incomplete(inner: SpanFields, outer: SpanFields) -> bool:
    """Whether a report lacks input or output, and the other one has all that it has."""
    has = [(amount(inner, kind) > 0, amount(outer, kind) > 0) for kind in ("input_tokens", "output_tokens")]
    return any(not own and other for own, other in has) and all(other for own, other in has if own)


def _outer_spans(nodes: Sequence[Node], amounts: Sequence[tuple[int, ...] | None]) -> list[bool]:
    """Whether each span is a call around a call of the same model that reports tokens."""
    outer = [False] * len(nodes)
    below: dict[int, set[str]] = {}  # by depth: the models of the calls under the parent that is still to come
    for index in range(len(nodes) - 1, -1, -1):
        span, depth = nodes[index]
        inside = below.pop(depth + 1, set())
        if is_inference(span):
            models = _models(span.fields)
            outer[index] = not models.isdisjoint(inside)
            if amounts[index] is not None:
                inside = models
        if inside and span.fields.get("operation_type") not in _OTHER_WORK:
            below[depth] = below[depth] | inside if depth in below else inside
    return outer


def _models(fields: SpanFields) -> set[str]:
    """The names of the model of a call, without their versions. *absent*: an empty set."""
    return {_plain(name) for name in (fields.get("model_name"), fields.get("request_model")) if name}


@lru_cache(maxsize=1_024)
def _plain(name: str) -> str:
    return _VERSION.sub("", name.rpartition("/")[2].lower())


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
    sign = -1 if _tokens(span.fields) == _tokens(counterpart.fields) else 1
    return max(
        span, counterpart, key=lambda span: (span.cost.nano_usd is None, sign * _duration_ns(span), span.span_id)
    )


def _end_ns(span: Span) -> int:
    return span.start_ns if span.end_ns is None else span.end_ns


def _duration_ns(span: Span) -> int:
    return _end_ns(span) - span.order[0]


def _counted_costs(
    nodes: Sequence[Node], inference: Sequence[bool], counted_tokens: list[bool], duplicates: set[str]
) -> list[int | None]:
    """The cost of each span where it counts: a span that repeats the tokens of others also repeats their cost."""
    costs = [None if span.span_id in duplicates else span.cost.nano_usd for span, _ in nodes]
    repeats = [
        total_tokens(node.span.fields) is not None and not counts
        for node, counts in zip(nodes, counted_tokens, strict=True)
    ]
    counted = _counted(nodes, inference, [None if cost is None else (cost,) for cost in costs], repeats)
    return [cost if counts else None for cost, counts in zip(costs, counted, strict=True)]


def _counted(
    nodes: Sequence[Node],
    inference: Sequence[bool],
    amounts: Sequence[tuple[int, ...] | None],
    repeats: Sequence[bool],
) -> list[bool]:
    """Whether each span's amounts count, from the leaves up. A span that `repeats` others counts only without them."""
    counted = [False] * len(nodes)
    if not any(amounts):
        return counted
    below: dict[int, tuple[int, ...]] = {}  # by depth: the sum of what counts under the parent that is still to come
    for index in range(len(nodes) - 1, -1, -1):
        depth = nodes[index].depth
        inside = below.pop(depth + 1, None)
        own = amounts[index]
        is_other = inference[index] and own != inside and not repeats[index]
        if own is not None and (inside is None or is_other):
            counted[index] = True
            inside = _sum(own, inside)
        if inside is not None:
            below[depth] = _sum(inside, below.get(depth))
    return counted


def _sum(amounts: tuple[int, ...], others: tuple[int, ...] | None) -> tuple[int, ...]:
    return amounts if others is None else tuple(map(operator.add, amounts, others))


def _calls(
    nodes: Sequence[Node],
    inference: Sequence[bool],
    counted: Sequence[bool],
    duplicates: set[str],
    about_others: Sequence[bool],
) -> list[bool]:
    """Whether each span is a model call: an inference span that is not about another span's call."""
    calls = [False] * len(nodes)
    if not any(inference):
        return calls
    inference_below: dict[int, bool] = {}
    for index in range(len(nodes) - 1, -1, -1):
        span, depth = nodes[index]
        wraps = inference_below.pop(depth + 1, False)
        is_own = (counted[index] or not wraps) and not about_others[index]
        calls[index] = inference[index] and span.span_id not in duplicates and is_own
        inference_below[depth] = inference_below.get(depth, False) or wraps or calls[index]
    return calls


def _parts_of_calls(nodes: Sequence[Node], amounts: Sequence[tuple[int, ...] | None]) -> list[bool]:
    """Whether each span has no usage and is inside a call that has, of no other model: it describes the same call.

    A failed span is a call of its own: an attempt.
    """
    parts = []
    above: list[set[str] | None] = []  # by depth: the models of the call around
    for (span, depth), amount in zip(nodes, amounts, strict=True):
        del above[depth:]
        around = above[-1] if above else None
        models = _models(span.fields)
        is_part = is_inference(span) and amount is None and around is not None and span.status != "error"
        parts.append(is_part and (not models or not around or not models.isdisjoint(around)))
        if span.fields.get("operation_type") in _OTHER_WORK:
            around = None
        elif is_inference(span) and amount is not None:
            around = models
        above.append(around)
    return parts


def _repeated_tool_calls(nodes: Sequence[Node]) -> list[bool]:
    """Whether each span is a tool call within a call of the same tool: the server's span within the client's.

    Work of another kind between the two, such as an agent, makes them two calls.
    """
    if sum(span.fields.get("operation_type") == "tool_call" for span, _ in nodes) < 2:
        return [False] * len(nodes)
    repeated = []
    above: list[str | None] = []  # by depth: the tool that is called around
    for span, depth in nodes:
        del above[depth:]
        around = above[-1] if above else None
        operation, tool = span.fields.get("operation_type"), span.fields.get("tool_name")
        is_tool = operation == "tool_call"
        repeated.append(is_tool and tool is not None and tool == around)
        if is_tool:
            around = tool
        elif operation not in _TRANSPORT:
            around = None
        above.append(around)
    return repeated


def is_inference(span: Span) -> bool:
    """Whether a span calls a model."""
    return span.fields.get("operation_type") in INFERENCE_OPERATIONS
