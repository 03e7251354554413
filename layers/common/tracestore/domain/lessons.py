"""The calls of a lesson, and the providers that it tried."""

from collections.abc import Sequence

from .merge import Span
from .tree import Node, reading_order
from .usage import Charge


def calls_below(nodes: Sequence[Node], charges: Sequence[Charge], root_id: str) -> list[Span]:
    """The completions below a root, by start. Of several spans about one call, only the one that is counted."""
    calls = []
    root_depth: int | None = None
    for (span, depth), charge in zip(nodes, charges, strict=True):
        if span.span_id == root_id:
            root_depth = depth
        elif root_depth is not None and depth <= root_depth:
            break
        elif root_depth is not None and charge.is_call and span.fields.get("operation_type") == "completion":
            calls.append(span)
    return sorted(calls, key=reading_order)


def providers_tried(calls: Sequence[Span]) -> tuple[str | None, list[str]]:
    """The provider whose call succeeded last, and the other providers of earlier calls, each once."""
    succeeded = [index for index, call in enumerate(calls) if call.status == "success" and _provider(call)]
    tried = calls[: succeeded[-1]] if succeeded else calls
    used = _provider(calls[succeeded[-1]]) if succeeded else None
    names = dict.fromkeys(name for call in tried if (name := _provider(call)) and name != used)
    return used, list(names)


def _provider(call: Span) -> str | None:
    return call.fields.get("model_provider")
