"""Usage of a trace: each model call counts once, however many spans repeat its tokens and cost.

A wrapper (agent, chain, workflow) often reports the sum of the calls below it, and a framework's span the same usage as
the client library's span inside it. A span's usage therefore counts only where nothing below it counts, or where it is
a model call whose usage differs from the sum below. A call within a call of the same model is one call, also where the
usage differs: the outer one may lack reasoning, the cache, or the output of a stream, so the inner one counts, unless
it is the inner one that lacks its input or its output. Reports of one call in two places count once as well
(`duplicate_calls.py`).
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from .duplicate_calls import OTHER_WORK, duplicate_calls, incomplete_calls, records_of_usage
from .reported_usage import TOKEN_KINDS, amount, is_inference, models_of, reported_tokens, total_tokens
from .tree import Node

_TRANSPORT: Final = frozenset({"http", "other"})
"""Operations between the client's and the server's span of one call."""


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
    duplicates = records_of_usage(nodes) if call_count else set()
    if call_count > 1:
        duplicates |= duplicate_calls(nodes) | incomplete_calls(nodes)
    amounts = [None if span.span_id in duplicates else reported_tokens(span.fields) for span, _ in nodes]
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


def _outer_spans(nodes: Sequence[Node], amounts: Sequence[tuple[int, ...] | None]) -> list[bool]:
    """Whether each span is a call around a call of the same model that reports tokens."""
    outer = [False] * len(nodes)
    below: dict[int, set[str]] = {}  # by depth: the models of the calls under the parent that is still to come
    for index in range(len(nodes) - 1, -1, -1):
        span, depth = nodes[index]
        inside = below.pop(depth + 1, set())
        if is_inference(span):
            models = models_of(span.fields)
            outer[index] = not models.isdisjoint(inside)
            if amounts[index] is not None:
                inside = models
        if inside and span.fields.get("operation_type") not in OTHER_WORK:
            below[depth] = below[depth] | inside if depth in below else inside
    return outer


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
    for (span, depth), tokens in zip(nodes, amounts, strict=True):
        del above[depth:]
        around = above[-1] if above else None
        models = models_of(span.fields)
        is_part = is_inference(span) and tokens is None and around is not None and span.status != "error"
        parts.append(is_part and (not models or not around or not models.isdisjoint(around)))
        if span.fields.get("operation_type") in OTHER_WORK:
            around = None
        elif is_inference(span) and tokens is not None:
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
