"""The tree of a trace: every span exactly once, below its parent where the trace has it."""

from collections.abc import Collection, Sequence
from math import inf
from typing import NamedTuple

from .merge import Span


class Node(NamedTuple):
    """A span and its depth below its root."""

    span: Span
    depth: int


def tree_order(spans: Sequence[Span]) -> list[Node]:
    """The spans in tree order: each before its children, siblings by start, then by duration.

    Many clients have clocks of milliseconds: of steps that began in the same one, the shorter was the earlier.

    *shape*: roots are the spans without a parent, those whose parent is absent (orphans), and the earliest span of each
    cycle of parents. There is no recursion, so depth has no limit.
    """
    by_id = {span.span_id: span for span in spans}
    by_start = sorted(spans, key=reading_order)
    ordered = _from_roots(by_start, by_id)
    if len(ordered) < len(by_start):  # the spans of a cycle are below no root
        ordered = _from_roots(by_start, by_id, _cycle_starts(by_id))
    return ordered


def reading_order(span: Span) -> tuple[int, float, str]:
    """The sort key of siblings: by start, then by duration, of which a pending one is the last, then by id."""
    start_ns, span_id = span.order
    duration_ns = span.duration_ns
    return (start_ns, inf if duration_ns is None else duration_ns, span_id)


def _from_roots(by_start: Sequence[Span], by_id: dict[str, Span], cycle_starts: Collection[str] = ()) -> list[Node]:
    """The spans below the roots, which include `cycle_starts`, in tree order."""
    children: dict[str, list[Span]] = {}
    roots = []
    for span in by_start:
        parent = span.parent_span_id
        if parent is None or parent not in by_id or span.span_id in cycle_starts:
            roots.append(span)
        else:
            children.setdefault(parent, []).append(span)
    ordered: list[Node] = []
    stack = [Node(root, 0) for root in reversed(roots)]
    while stack:
        node = stack.pop()
        ordered.append(node)
        if below := children.get(node.span.span_id):
            stack += [Node(child, node.depth + 1) for child in reversed(below)]
    return ordered


def parent_indexes(nodes: Sequence[Node]) -> list[int | None]:
    """The index of each node's parent among nodes in tree order. *absent*: None for a root."""
    parents: list[int | None] = []
    path: list[int] = []
    for index, node in enumerate(nodes):
        del path[node.depth :]
        parents.append(path[-1] if path else None)
        path.append(index)
    return parents


def _cycle_starts(by_id: dict[str, Span]) -> set[str]:
    """The earliest span of each cycle of spans that name each other as parents."""
    starts = set()
    walk_of: dict[str, str] = {}
    for first in by_id:
        path = []
        current: str | None = first
        while current in by_id and current not in walk_of:
            walk_of[current] = first
            path.append(current)
            current = by_id[current].parent_span_id
        if current is not None and walk_of.get(current) == first:
            cycle = path[path.index(current) :]
            starts.add(min(cycle, key=lambda span_id: reading_order(by_id[span_id])))
    return starts
