"""The core of an update contains a preview and a fingerprint of its payload, so that an outline reads no payload."""

import json
from typing import Any

import pytest

from tests.builders import call, fields, spans_of, update
from tests.media import asking, reference
from tests.timing import processor_time
from tracestore.domain.log_messages import log_message
from tracestore.domain.media import MAX_REFERENCES, name_of
from tracestore.domain.merge import merge
from tracestore.domain.spans import FROM_LOGS, SpanFields
from tracestore.domain.updates import CORE_PREVIEW_CHARACTERS, DERIVED_FIELDS, fingerprint_of, preview_of


def preview(*reported: SpanFields) -> str | None:
    (span,) = spans_of(*reported)
    return preview_of(span.fields)


def messages(*texts: tuple[str, str]) -> Any:
    return {"messages": [{"role": role, "parts": [{"type": "text", "text": text}]} for role, text in texts]}


def test_the_preview_of_a_call_is_its_answer() -> None:
    assert preview(call("s", input_data="ask", output_data=messages(("assistant", "the  answer\n")))) == "the answer"


@pytest.mark.parametrize("operation", ["tool_call", "retrieval", "http"])
def test_the_preview_of_a_tool_is_what_it_was_asked(operation: str) -> None:
    asked = fields("s", operation_type=operation, input_data={"city": "Lisbon"}, output_data={"sky": "clear"})
    assert preview(asked) == "Lisbon"


def test_the_input_is_previewed_until_an_answer_arrives_in_any_order() -> None:
    begun, ended = call("s", end_ns=None, input_data="ask"), call("s", output_data="answer")
    assert preview(begun) == "ask"
    assert preview(begun, ended) == preview(ended, begun) == "answer"


def test_a_later_change_of_the_input_keeps_the_preview_of_the_answer() -> None:
    answered = update(call("s", output_data="answer"))
    changed = update(SpanFields(span_id="s", input_data="another question"), precedence=3)
    (span,) = merge([answered, changed])
    assert preview_of(span.fields) == "answer"


def test_a_long_preview_is_cut_and_an_empty_one_is_absent() -> None:
    assert len(preview(call("s", output_data="word " * 1_000)) or "") == CORE_PREVIEW_CHARACTERS
    assert preview(call("s", output_data=" ")) is None
    assert preview(call("s")) is None


def test_messages_from_logs_have_no_preview_because_it_would_depend_on_their_batches() -> None:
    message = log_message(5, 0, "output", {"role": "assistant", "parts": [{"type": "text", "text": "from a log"}]})
    heard = update(SpanFields(span_id="s", start_ns=1, log_messages=[message]), precedence=FROM_LOGS)
    assert not {*DERIVED_FIELDS} & set(heard.fields)


def test_the_derived_core_does_not_change_the_digest() -> None:
    assert update(call("s", input_data="x")).digest == update(call("s", input_data="x")).digest
    assert "fingerprint" in update(call("s", input_data="x")).fields
    assert "fingerprint" not in update(fields("s", operation_type="tool_call", input_data="x")).fields


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Write  a lesson.\n", "Write a lesson."),
        ({"prompt": "Write a lesson."}, "Write a lesson."),
        (
            {"messages": [{"role": "user", "content": "Hi", "id": "m1"}]},
            {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Hi"}], "id": "m2"}]},
        ),
        (
            [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f"}]}],
            [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c2", "name": "f"}]}],
        ),
        (
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "5"}]}],
            [
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t2", "content": "5", "cache_control": {}}],
                }
            ],
        ),
    ],
    ids=["white space", "a single field", "two shapes of a message", "ids of calls", "ids and marks of a provider"],
)
def test_equal_questions_have_the_same_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint_of(one) == fingerprint_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (messages(("user", "a"), ("user", "b")), messages(("user", "ab"))),
        (messages(("user", "a")), messages(("assistant", "a"))),
        ({"prompt": "a", "style": 1}, {"prompt": "a", "style": 2}),
        (messages(("user", "a")), messages(("user", "a"), ("assistant", "b"))),
    ],
)
def test_different_questions_have_different_fingerprints(one: Any, other: Any) -> None:
    assert fingerprint_of(one) != fingerprint_of(other)


def test_a_fingerprint_of_any_text_is_possible() -> None:
    assert len(fingerprint_of("\ud800 broken")) == 11


def test_large_outputs_are_not_encoded_for_their_preview() -> None:
    vectors = [[0.123456789] * 1_536 for _ in range(100)]
    reported = call("s", operation_type="embedding", output_data=vectors)
    update(reported)
    with processor_time() as used:
        preview(reported)
    assert used.seconds < 1


def test_the_core_names_the_media_that_the_payload_refers_to_each_once() -> None:
    first, second = reference(b"one"), reference(b"two")
    named = update(call("s", input_data=[first, {"image": second}, first], metadata={"photo": second}))
    assert named.fields["media"] == {name_of(first["sha256"]): 3, name_of(second["sha256"]): 3}
    assert "media" not in update(call("s", input_data="x")).fields


def test_a_reference_in_another_order_is_named_without_its_size() -> None:
    sent_back = dict(sorted(reference(b"one").items()))
    assert list(update(call("s", input_data=sent_back)).fields["media"].values()) == [0]
    assert list(update(call("s", input_data=[sent_back, reference(b"one")])).fields["media"].values()) == [3]


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(reference(b"one")),
        {"ref": "media/" + "0" * 63},
        {"ref": "media/" + "A" * 64},
        {**reference(b"one"), "ref": None},
    ],
)
def test_a_text_like_a_reference_is_no_reference(value: Any) -> None:
    assert "media" not in update(call("s", input_data=value)).fields


def test_the_names_of_media_are_not_part_of_the_digest_and_are_bounded() -> None:
    references = [reference(str(number).encode()) for number in range(MAX_REFERENCES + 5)]
    named = update(call("s", input_data=references))
    assert len(named.fields["media"]) == MAX_REFERENCES
    assert named.digest == update(call("s", input_data=references)).digest


def test_different_images_have_different_fingerprints() -> None:
    assert fingerprint_of(asking(reference(b"one"))) != fingerprint_of(asking(reference(b"two")))
    assert fingerprint_of(asking(reference(b"one"))) == fingerprint_of(asking(reference(b"one")))
