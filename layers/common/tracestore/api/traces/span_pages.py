"""Pages of one trace's spans with payloads, and of the places in them where a search found a text.

Payloads are read a few spans at a time, so that a trace of any size can be read page by page. A cursor names the last
span of its page: spans that arrive between two pages neither repeat nor hide others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tracestore.api.traces.parameters import TraceView
from tracestore.api.traces.responses import Room, fitting_span
from tracestore.api.traces.trace_json import matches_json, span_json
from tracestore.domain.filters import span_matches
from tracestore.domain.merge import Span
from tracestore.domain.message_texts import Message
from tracestore.domain.spans import Json
from tracestore.domain.texts import normalized
from tracestore.domain.tree import Node, parent_indexes, tree_order
from tracestore.domain.turns import history_after, messages_in, new_input
from tracestore.http.response import json_bytes
from tracestore.storage.user_store import LazyTrace

_RUNS: Final = frozenset({"agent", "tool_call"})
"""Operations whose spans contain a run of their own: the calls below them have a history of their own."""


class SpanPage(NamedTuple):
    """The rows of one response, the number of spans that were examined for them, and the cursor position after them.

    *absent*: the position is None at the end of the trace.
    """

    rows: list[bytes]
    scanned: int
    cursor_position: str | None


def spans_page(
    user_id: str | None, trace_id: str, trace: LazyTrace, view: TraceView, cursor_position: str | None
) -> SpanPage:
    """A page of whole spans in tree order: all, or those that the view chooses.

    *absent*: chosen spans that the trace does not have are left out.
    """
    nodes = tree_order(trace.spans)
    span_ids = [node.span.span_id for node in nodes if view.span_ids is None or node.span.span_id in view.span_ids]
    start = _start(span_ids, cursor_position)
    calls_before = _calls_before(nodes) if view.new_messages else {}
    order = list(_reading_order(span_ids[start:], calls_before))
    continued = Counter(calls_before.values())
    histories: dict[str, list[Message]] = {}
    rows: list[bytes] = []
    room = Room()
    read = zip(order, trace.with_payloads([each for each, _ in order]), strict=False)
    for (span_id, is_shown), span in read:
        input_data = span.fields.get("input_data")
        before = calls_before.get(span_id)
        history = histories.get(before, []) if before else []
        continued[before] -= 1
        if before and not continued[before]:
            histories.pop(before, None)
        if is_shown:
            content = span_json(user_id, trace_id, span, trace.head.expires_at_s)
            if span_id in calls_before and messages_in(input_data) is not None:
                del content["input_data"]
                content |= new_input(input_data, history)._asdict()
                content |= {"history_span_id": before, "input_rest": _without_messages(input_data)}
            _, text = fitting_span(content)
            if not room.takes(text) and rows:
                break
            rows.append(text)
        if continued[span_id]:
            histories[span_id] = history_after(input_data, span.fields.get("output_data"), history)
    return SpanPage(rows, len(rows), _position_after(span_ids, start + len(rows)))


def matches_page(trace: LazyTrace, search: str, cursor_position: str | None) -> SpanPage:
    """A page of the spans that contain a text, in tree order."""
    span_ids = [node.span.span_id for node in tree_order(trace.spans)]
    start = _start(span_ids, cursor_position)
    needle = normalized(search)
    rows: list[bytes] = []
    room = Room()
    scanned = 0
    for span in trace.with_payloads(span_ids[start:]):
        if found := span_matches(span, needle):
            text = json_bytes(matches_json(span.span_id, found))
            if not room.takes(text) and rows:
                break
            rows.append(text)
        scanned += 1
    return SpanPage(rows, scanned, _position_after(span_ids, start + scanned))


def _calls_before(nodes: Sequence[Node]) -> dict[str, str | None]:
    """For each completion of a trace, the completion before it in the same run: below the same agent or tool call.

    An agent below another one has a conversation of its own, after which the other one continues with its own. A
    completion within another one is the same call, as a framework and the client below it report it, and is compared
    with that one. Where several are within one, they are the calls, such as its attempts.
    *absent*: None for the first of a run.
    """
    has_words = [_has_words(node.span) for node in nodes]
    runs: list[int | None] = []
    around: list[int | None] = []  # the nearest completion with words around each span, in the same run
    inside = [0] * len(nodes)
    for parent, is_call in zip(parent_indexes(nodes), has_words, strict=True):
        if parent is None or nodes[parent].span.fields.get("operation_type") in _RUNS:
            run, outer = parent, None
        else:
            run, outer = runs[parent], parent if has_words[parent] else around[parent]
        runs.append(run)
        around.append(outer)
        if outer is not None and is_call:
            inside[outer] += 1
    before: dict[str, str | None] = {}
    last: dict[int | None, str] = {}
    for index, ((span, _), run, outer) in enumerate(zip(nodes, runs, around, strict=True)):
        if span.fields.get("operation_type") != "completion":
            continue
        if outer is not None and inside[outer] == 1:
            before[span.span_id] = nodes[outer].span.span_id
            continue
        before[span.span_id] = last.get(run)
        if has_words[index] and inside[index] < 2:
            last[run] = span.span_id
    return before


def _has_words(span: Span) -> bool:
    """Whether a span is a completion with an input or an output: some clients report calls without."""
    is_completion = span.fields.get("operation_type") == "completion"
    return is_completion and not {"input_data", "output_data"}.isdisjoint(span.payload_from)


def _without_messages(input_data: Json) -> Json:
    """The parts of an input except its messages, such as tool definitions. *absent*: None."""
    if not isinstance(input_data, dict):
        return None
    return {name: value for name, value in input_data.items() if name not in ("messages", "delta")} or None


def _reading_order(span_ids: Sequence[str], calls_before: Mapping[str, str | None]) -> Iterator[tuple[str, bool]]:
    """The spans to read, and whether each is shown: a call is read after the call before it."""
    read = set()
    for span_id in span_ids:
        before = calls_before.get(span_id)
        if before is not None and before not in read:
            read.add(before)
            yield before, False
        read.add(span_id)
        yield span_id, True


def _start(span_ids: Sequence[str], cursor_position: str | None) -> int:
    """The index of the first span after a cursor position. *absent*: as many as before, if its span was deleted."""
    if cursor_position is None:
        return 0
    index, _, span_id = cursor_position.partition(" ")
    return span_ids.index(span_id) + 1 if span_id in span_ids else min(int(index), len(span_ids))


def _position_after(span_ids: Sequence[str], end: int) -> str | None:
    """The cursor position after the first `end` spans. *absent*: None after all of them."""
    return f"{end} {span_ids[end - 1]}" if end < len(span_ids) else None
