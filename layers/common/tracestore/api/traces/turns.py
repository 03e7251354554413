"""The turns of a conversation: each trace with its number, its steps, and the messages that it adds to the history."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from tracestore.api.traces.parameters import TurnsQuery
from tracestore.api.traces.responses import Room, read_in_parallel
from tracestore.api.traces.trace_json import summary_json, turn_json
from tracestore.domain.errors import NotFound
from tracestore.domain.merge import Span
from tracestore.domain.spans import Json
from tracestore.domain.tree import Node, tree_order
from tracestore.domain.turns import history_after, new_input
from tracestore.http.response import json_bytes
from tracestore.storage.model import Head, PendingDeletion
from tracestore.storage.user_store import ListedTrace, UserReader


class TurnsPage(NamedTuple):
    """The turns of one response as JSON, and the cursor position after them; None at the end of the list.

    *absent*: an empty text for a turn that was deleted meanwhile.
    """

    texts: list[bytes]
    cursor_position: str | None


class _CursorPosition(NamedTuple):
    """After the trace at `trace_position`, with the number of the next turn.

    *absent*: the number is None after a page without turns, and in cursors of version 0.1. It is counted then. Where
    older turns arrived since the first page, it would fall below 1: those are counted as well.
    """

    trace_position: str
    turn: int | None = None

    def __str__(self) -> str:
        return self.trace_position if self.turn is None else f"{self.trace_position} {self.turn}"

    @classmethod
    def parse(cls, text: str) -> "_CursorPosition":
        trace_position, _, turn = text.partition(" ")
        return cls(trace_position, int(turn) if turn else None)


class _Turn(NamedTuple):
    """A trace of the conversation as it was read: its spans in tree order, and its root with the payload."""

    listed: ListedTrace
    spans: list[Node]
    root: Span


def turns_page(reader: UserReader, query: TurnsQuery, limit: int, cursor_position: str | None) -> TurnsPage:
    """A page of turns, each compared with the one before it in the conversation.

    *shape*: a page reads one turn more than it shows, and may end early at the size of a response or the budget.
    """
    start = _CursorPosition.parse(cursor_position) if cursor_position is not None else None
    page = reader.traces(query.traces, limit, start and start.trace_position)
    if not page.traces:
        return TurnsPage([], page.next_position and str(_CursorPosition(page.next_position)))
    number = start.turn if start is not None else None
    if number is None:  # counted first: counting has a budget of its own, which replaces that of the comparison
        number = reader.turn_number(query.conversation_id, page.traces[0].head.cursor_position)
    step = -1 if query.traces.newest_first else 1
    oldest = min(listed.head.cursor_position for listed in page.traces)
    earlier = reader.turn_before(query.conversation_id, oldest)
    room, texts = Room(), list[bytes]()
    compared = _compared(reader, page.traces, earlier, newest_first=query.traces.newest_first)
    for listed, (turn, before) in zip(page.traces, compared, strict=False):  # the budget may end the comparison
        if number < 1:
            number = reader.turn_number(query.conversation_id, listed.head.cursor_position)
        text = _encoded(turn, before, number, whole_inputs=query.whole_inputs) if turn else b""
        if not room.takes(text) and texts:
            break
        texts.append(text)
        number += step
    page = page.first(len(texts))
    next_position = page.next_position and str(_CursorPosition(page.next_position, number))
    return TurnsPage(texts, next_position)


def turn_of(reader: UserReader, head: Head, conversation_id: str | None) -> tuple[int, int] | None:
    """The number of a trace among the turns of a conversation, and the number of them all.

    *absent*: None without a conversation, and for a trace that is not in it.
    """
    if conversation_id is None or head.summary.conversation_id != conversation_id:
        return None
    number = reader.turn_number(conversation_id, head.cursor_position)
    newest = reader.newest_turn(conversation_id)
    if newest is None or newest.head.cursor_position <= head.cursor_position:
        return number, number
    return number, max(number, reader.turn_number(conversation_id, newest.head.cursor_position))


def _compared(
    reader: UserReader, traces: Sequence[ListedTrace], earlier: ListedTrace | None, *, newest_first: bool
) -> Iterator[tuple[_Turn | None, _Turn | None]]:
    """Each trace of a page in order, with the turn before it, until the budget is spent.

    *absent*: None for a trace that was deleted meanwhile.
    """
    paired = 0
    read = partial(_read, reader, reader.pending_deletions())

    def is_enough() -> bool:
        return paired > 0 and reader.is_budget_spent

    if not newest_first:
        before = read(earlier) if earlier is not None else None
        for turn in read_in_parallel(read, traces, is_enough):
            yield turn, before
            paired += 1
            before = turn or before
        return
    unpaired: list[_Turn | None] = []
    listed = [*traces, *([earlier] if earlier is not None else [])]
    for turn in read_in_parallel(read, listed, is_enough):
        if turn is not None:
            yield from ((later, turn) for later in unpaired)
            paired += len(unpaired)
            unpaired.clear()
        unpaired.append(turn)
    if paired + len(unpaired) == len(listed):
        yield from ((later, None) for later in unpaired[: len(traces) - paired])


def _read(reader: UserReader, pending_deletions: Sequence[PendingDeletion], listed: ListedTrace) -> _Turn | None:
    try:
        trace = reader.lazy_trace(listed.trace_id, pending_deletions)
    except NotFound:  # deleted since it was listed
        return None
    root_id = trace.head.summary.root_span_id
    if all(span.span_id != root_id for span in trace.spans):  # deleted since the head was derived
        return None
    root = next(trace.with_payloads([root_id]))
    return _Turn(ListedTrace(listed.trace_id, trace.head), tree_order(trace.spans), root)


def _encoded(turn: _Turn, before: _Turn | None, number: int, *, whole_inputs: bool) -> bytes:
    history = history_after(*_conversation(before.root)) if before is not None else []
    new = new_input(turn.root.fields.get("input_data"), history)
    summary = summary_json(*turn.listed)
    content = turn_json(summary, number, turn.spans, turn.root, new)
    if whole_inputs:
        content["input_data"] = turn.root.fields.get("input_data")
    text = json_bytes(content)
    if Room().takes(text):
        return text
    omitted = ("new_messages", "input_data", "output_data")
    rest = {name: value for name, value in content.items() if name not in omitted}
    return json_bytes(rest | {"payloads_omitted": True})


def _conversation(root: Span) -> tuple[Json, Json]:
    return root.fields.get("input_data"), root.fields.get("output_data")
