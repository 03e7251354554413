"""The critical path of a trace: the spans that its duration depends on.

It is followed backwards from the end. The span that ended last delayed the end; before it began, its sibling that ended
last until then did, and so on, at each level. A shorter span on the path would have made the trace shorter.
"""

from collections.abc import Sequence

from .merge import Span
from .tree import Node, parent_indexes


def critical_path(nodes: Sequence[Node]) -> list[bool]:
    """Whether each span of a trace, given in tree order, is on its critical path."""
    last_ns = max((_end_ns(node.span, node.span.start_ns) for node in nodes), default=0)
    starts = [node.span.start_ns for node in nodes]
    ends = [_end_ns(node.span, last_ns) for node in nodes]
    children: dict[int | None, list[int]] = {}
    for child, its_parent in enumerate(parent_indexes(nodes)):
        children.setdefault(its_parent, []).append(child)
    critical = [False] * len(nodes)
    stack: list[tuple[int | None, int]] = [(None, last_ns)]
    while stack:
        parent, last_ns = stack.pop()  # what ended later than that delayed nothing: it counts as ended then
        time_ns = last_ns
        for end_ns, start_ns, index in sorted(
            ((min(ends[child], last_ns), starts[child], child) for child in children.get(parent, ())), reverse=True
        ):
            if end_ns <= time_ns and (start_ns < time_ns or start_ns == end_ns == last_ns):
                critical[index] = True
                stack.append((index, end_ns))
                time_ns = start_ns
    return critical


def _end_ns(span: Span, unknown_ns: int) -> int:
    """The end of a span: its start where the reported end cannot be right, `unknown_ns` where none is reported."""
    if span.end_ns is not None:
        return span.end_ns
    return span.start_ns if "end_ns" in span.fields else unknown_ns
