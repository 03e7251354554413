"""Messages that came as log records: a set that fills in what the span itself does not tell."""

import random
from typing import Any

import pytest

from tests.builders import START_NS, call, spans_of, update
from tracestore.domain.log_messages import Direction, conversation, log_message, merge_messages
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import FROM_LOGS, SpanFields, SpanUpdate, span_update


def said(text: str, at: int = 0, *, role: str = "user", place: int = 0) -> list[Any]:
    """A message so many nanoseconds after `START_NS`; those of the assistant come out of the model."""
    direction: Direction = "output" if role == "assistant" else "input"
    return log_message(START_NS + at, place, direction, {"role": role, "parts": [{"type": "text", "text": text}]})


def heard(*messages: list[Any], start_ns: int = START_NS + 1) -> SpanUpdate:
    """One request's messages of the span that `call("s")` tells of."""
    return span_update(
        SpanFields(span_id="s", start_ns=start_ns, log_messages=list(messages)), received_ms=1, precedence=FROM_LOGS
    )


def texts(content: Any) -> list[str]:
    return [part["text"] for message in content["messages"] for part in message["parts"]]


def merged(*updates: SpanUpdate) -> Span:
    (span,) = merge(updates)
    return span


def test_messages_are_in_the_order_of_their_times_then_places_then_roles() -> None:
    messages: Any = [
        said("last", 2),
        said("question", 1),
        said("rules", 1, role="system"),
        said("second of a record", 1, place=1),
    ]
    in_order = texts(conversation(merge_messages([messages]), "input"))
    assert in_order == ["rules", "question", "second of a record", "last"]


@pytest.mark.parametrize("seed", range(5))
def test_any_order_and_repetition_of_requests_is_the_same_conversation(seed: int) -> None:
    noise = random.Random(seed)
    messages = [said(f"m{n}", n // 2, role=noise.choice(["user", "assistant", "tool"])) for n in range(8)]
    requests = [noise.sample(messages, noise.randint(1, 8)) for _ in range(6)] + [messages]
    in_order = merged(update(call("s")), *(heard(*those) for those in requests)).fields
    noise.shuffle(requests)
    shuffled = merged(*(heard(*those) for those in requests * 2), update(call("s"))).fields
    assert shuffled == in_order


def test_equal_words_at_two_times_are_two_messages() -> None:
    assert texts(merged(heard(said("yes", 1), said("yes", 2))).fields["input_data"]) == ["yes", "yes"]


def test_what_goes_in_and_what_comes_out_are_told_apart() -> None:
    fields = merged(heard(said("ask"), said("answer", 1, role="assistant"))).fields
    assert (texts(fields["input_data"]), texts(fields["output_data"])) == (["ask"], ["answer"])


def test_no_message_is_no_conversation() -> None:
    assert conversation([said("ask")], "output") is None
    assert "output_data" not in merged(update(call("s")), heard(said("ask"))).fields


def test_the_span_keeps_the_content_that_it_tells_itself() -> None:
    span = merged(update(call("s", input_data="own")), heard(said("ask"), said("answer", 1, role="assistant")))
    assert span.fields["input_data"] == "own"
    assert texts(span.fields["output_data"]) == ["answer"]


def test_messages_are_shown_as_input_and_output_alone() -> None:
    assert "log_messages" not in merged(update(call("s")), heard(said("ask"))).fields


@pytest.mark.parametrize("status", ["success", "error", "pending"])
def test_a_message_changes_neither_status_nor_times(status: str) -> None:
    own = update(call("s", status=status, end_ns=None if status == "pending" else START_NS + 5))
    alone, joined = merged(own), merged(own, heard(said("late", 10**12), start_ns=START_NS - 10**12))
    assert (joined.status, joined.order) == (alone.status, alone.order)
    assert joined.fields.get("end_ns") == alone.fields.get("end_ns")


def test_a_span_of_messages_alone_is_pending_and_starts_with_them() -> None:
    span = merged(heard(said("ask")))
    assert (span.status, span.order) == ("pending", (START_NS + 1, "s"))


def test_content_is_traced_to_all_requests_that_told_of_it() -> None:
    first, second = heard(said("one")), heard(said("two", 1))
    alone, both = merged(update(call("s")), first), merged(update(call("s")), first, second)
    assert alone.payload_from["input_data"] != both.payload_from["input_data"]


def test_a_message_of_another_span_is_not_heard() -> None:
    other = span_update(
        SpanFields(span_id="other", start_ns=1, log_messages=[said("no")]), received_ms=1, precedence=FROM_LOGS
    )
    spans = merge([update(call("s")), other])
    assert {span.span_id: "input_data" in span.fields for span in spans} == {"s": False, "other": True}


def test_spans_without_messages_are_as_they_were() -> None:
    (span,) = spans_of(call("s", input_data="own"))
    assert span.fields == call("s", input_data="own")
