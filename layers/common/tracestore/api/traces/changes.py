"""The changes of one trace since a version that the caller has: the rows of its view that differ, and the ids gone.

Rows are compared by their content, since a row also changes when other spans do: its depth, its sums, its offset from
the start of the trace. Both contents are derived from segments in the same way, so that a row which does not differ is
exactly the row that the caller has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tracestore.api.traces.parameters import TraceView
from tracestore.api.traces.responses import Room, changes_response
from tracestore.api.traces.trace_json import outline_json, span_json, summary_json
from tracestore.domain.heads import root_of
from tracestore.domain.merge import Span
from tracestore.domain.outline import outline_rows
from tracestore.domain.tree import tree_order
from tracestore.http.response import Response, json_bytes
from tracestore.storage.user_store import TraceReader, TraceState

Contents: TypeAlias = Mapping[str, object]
"""The rows of a view in their order, by span id: anything that is equal exactly if the rows are."""


def response_since(
    user_id: str | None, reader: TraceReader, trace_id: str, view: TraceView, state: TraceState
) -> Response | None:
    """The changes between the earlier and the present state of a trace.

    *absent*: None where the earlier state is unknown or the changes do not fit into a response: then the caller needs
    the whole.
    """
    if state.earlier is None:
        return None
    summary = summary_json(trace_id, state.head)
    if view.name == "outline":
        rows = outline_contents(state.spans)
        return changes_between(
            outline_contents(state.earlier), rows, lambda ids: map(rows.__getitem__, ids), summary, state.version
        )
    spans, payloads = span_contents(state.spans), view.payloads and reader.shows_payloads

    def encoded(span_ids: Sequence[str]) -> Iterator[bytes]:
        changed: Iterable[Span] = map(spans.__getitem__, span_ids)
        if payloads:
            changed = reader.whole_spans(trace_id, state, span_ids)
        for span in changed:
            yield json_bytes(span_json(user_id, trace_id, span, state.head.expires_at_s, payloads=payloads))

    return changes_between(span_contents(state.earlier), spans, encoded, summary, state.version)


def changes_between(
    earlier: Contents,
    present: Contents,
    encoded: Callable[[Sequence[str]], Iterable[bytes]],
    summary: dict[str, Any],
    version: str,
) -> Response | None:
    """The response with the rows of `present` that differ from `earlier`, as `encoded` returns them for their span ids.

    *absent*: None if they do not fit.
    """
    changed = [span_id for span_id, content in present.items() if earlier.get(span_id) != content]
    gone = [span_id for span_id in earlier if span_id not in present]
    room = Room()
    if not room.takes(json_bytes(gone)):
        return None
    texts = []
    for text in encoded(changed):
        if not room.takes(text):
            return None
        texts.append(text)
    return changes_response(summary, texts, gone, version)


def outline_contents(spans: Sequence[Span]) -> dict[str, bytes]:
    """The lines of an outline, in tree order, by span id. They follow from the spans alone, not from the head."""
    if not spans:
        return {}
    start_ns = spans[0].order[0]
    rows = outline_rows(spans, root_of(spans).span_id)
    return {row.span.span_id: json_bytes(outline_json(row, start_ns)) for row in rows}


def span_contents(spans: Sequence[Span]) -> dict[str, Span]:
    """The spans of a tree, in tree order, by span id. Their payloads are compared by the digests of their updates."""
    return {node.span.span_id: node.span for node in tree_order(spans)}
