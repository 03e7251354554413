"""Messages from log records: a set that supplies the input and output that the span itself does not report."""

import random
from typing import Any

import pytest

from tests.builders import START_NS, call, spans_of, update
from tracestore.domain.log_messages import Direction, conversation, log_message, merge_messages
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import FROM_LOGS, SpanFields, SpanUpdate
from tracestore.domain.updates import span_update

RECEIVED_MS = START_NS // 1_000_000


def log(text: str, after_ns: int = 0, *, role: str = "user", index: int = 0) -> list[Any]:
    """A message `after_ns` nanoseconds after `START_NS`. Messages of the assistant are output."""
    direction: Direction = "output" if role == "assistant" else "input"
    return log_message(START_NS + after_ns, index, direction, {"role": role, "parts": [{"type": "text", "text": text}]})


def from_logs(*messages: list[Any], start_ns: int = START_NS + 1) -> SpanUpdate:
    """An update with the messages of one request, for the span of `call("s")`."""
    return span_update(
        SpanFields(span_id="s", start_ns=start_ns, log_messages=list(messages)),
        received_ms=RECEIVED_MS,
        precedence=FROM_LOGS,
    )


def texts(content: Any) -> list[str]:
    return [part["text"] for message in content["messages"] for part in message["parts"]]


def merged(*updates: SpanUpdate) -> Span:
    (span,) = merge(updates)
    return span


def test_messages_are_ordered_by_time_then_index_then_role() -> None:
    messages: Any = [
        log("last", 2),
        log("question", 1),
        log("rules", 1, role="system"),
        log("second of a record", 1, index=1),
    ]
    in_order = texts(conversation(merge_messages([messages]), "input"))
    assert in_order == ["rules", "question", "second of a record", "last"]


@pytest.mark.parametrize("seed", range(5))
def test_any_order_and_repetition_of_requests_gives_the_same_conversation(seed: int) -> None:
    noise = random.Random(seed)
    messages = [log(f"m{n}", n // 2, role=noise.choice(["user", "assistant", "tool"])) for n in range(8)]
    requests = [noise.sample(messages, noise.randint(1, 8)) for _ in range(6)] + [messages]
    in_order = merged(update(call("s")), *(from_logs(*messages) for messages in requests)).fields
    noise.shuffle(requests)
    shuffled = merged(*(from_logs(*messages) for messages in requests * 2), update(call("s"))).fields
    assert shuffled == in_order


def test_equal_texts_at_two_times_are_two_messages() -> None:
    assert texts(merged(from_logs(log("yes", 1), log("yes", 2))).fields["input_data"]) == ["yes", "yes"]


def test_input_and_output_messages_are_separated() -> None:
    fields = merged(from_logs(log("ask"), log("answer", 1, role="assistant"))).fields
    assert (texts(fields["input_data"]), texts(fields["output_data"])) == (["ask"], ["answer"])


def test_without_messages_there_is_no_conversation() -> None:
    assert conversation([log("ask")], "output") is None
    assert "output_data" not in merged(update(call("s")), from_logs(log("ask"))).fields


def test_content_that_the_span_reports_has_precedence_over_messages() -> None:
    span = merged(update(call("s", input_data="own")), from_logs(log("ask"), log("answer", 1, role="assistant")))
    assert span.fields["input_data"] == "own"
    assert texts(span.fields["output_data"]) == ["answer"]


def test_messages_appear_only_as_input_and_output() -> None:
    assert "log_messages" not in merged(update(call("s")), from_logs(log("ask"))).fields


@pytest.mark.parametrize("status", ["success", "error", "pending"])
def test_a_message_changes_neither_status_nor_times(status: str) -> None:
    reported = update(call("s", status=status, end_ns=None if status == "pending" else START_NS + 5))
    alone, joined = merged(reported), merged(reported, from_logs(log("late", 10**12), start_ns=START_NS - 10**12))
    assert (joined.status, joined.order) == (alone.status, alone.order)
    assert joined.fields.get("end_ns") == alone.fields.get("end_ns")


def test_a_span_of_messages_alone_is_pending_and_has_their_start() -> None:
    span = merged(from_logs(log("ask")))
    assert (span.status, span.order) == ("pending", (START_NS + 1, "s"))


def test_content_refers_to_all_requests_that_sent_its_messages() -> None:
    first, second = from_logs(log("one")), from_logs(log("two", 1))
    alone, both = merged(update(call("s")), first), merged(update(call("s")), first, second)
    assert alone.payload_from["input_data"] != both.payload_from["input_data"]


def test_a_message_belongs_only_to_its_own_span() -> None:
    other = span_update(
        SpanFields(span_id="other", start_ns=1, log_messages=[log("no")]), received_ms=RECEIVED_MS, precedence=FROM_LOGS
    )
    spans = merge([update(call("s")), other])
    assert {span.span_id: "input_data" in span.fields for span in spans} == {"s": False, "other": True}


def test_a_span_without_messages_is_unchanged() -> None:
    reported = call("s", input_data="own")
    (span,) = spans_of(reported)
    assert {name: span.fields.get(name) for name in reported} == reported
