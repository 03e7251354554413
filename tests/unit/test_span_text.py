"""The JSON of a span is written once, as earlier versions wrote it."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

from tracestore.domain.span_text import KEPT_BYTES, SpanTexts, span_text
from tracestore.domain.spans import PAYLOAD_FIELDS, SpanFields, digest_of
from tracestore.domain.updates import span_update
from tracestore.storage.formats.traces import payload_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CORE_NAMES = ("cost_nano_usd", "end_ns", "input_tokens", "model_name", "span_name", "start_ns", "status", "tags")
FIELDS = st.dictionaries(st.sampled_from([*PAYLOAD_FIELDS, *CORE_NAMES]), VALUES)


def fields_of(content: dict[str, Any]) -> SpanFields:
    return cast(SpanFields, {"span_id": "s", **content})


@given(FIELDS, st.randoms())
def test_a_repeated_request_has_the_digest_of_an_earlier_version(content: dict[str, Any], order: Any) -> None:
    fields = fields_of(content)
    names = list(fields)
    order.shuffle(names)
    shuffled = cast(SpanFields, {name: cast(dict[str, Any], fields)[name] for name in names})
    assert span_text(shuffled).whole == to_json(dict(sorted(fields.items())))


@given(FIELDS)
def test_the_payload_is_packed_as_an_earlier_version_packed_it(content: dict[str, Any]) -> None:
    payload = {name: content[name] for name in PAYLOAD_FIELDS if name in content}
    assert span_text(fields_of(content)).payload == to_json(payload)


def test_updates_are_packed_with_the_text_that_was_searched() -> None:
    fields = fields_of({"span_name": "call", "input_data": {"messages": []}, "metadata": {"a": 1.5}})
    texts = SpanTexts()
    text = texts.write(fields)
    update = span_update(fields, received_ms=1, text=texts.take(fields))
    assert update.digest == digest_of(text.whole) == span_update(fields, received_ms=1).digest
    assert from_json(payload_text([update])) == [{"input_data": {"messages": []}, "metadata": {"a": 1.5}}]


def test_a_text_belongs_to_its_object() -> None:
    texts = SpanTexts()
    fields = fields_of({"span_name": "sent"})
    texts.write(fields)
    other = fields_of({"span_name": "masked"})
    assert from_json(texts.take(other).whole) == {"span_id": "s", "span_name": "masked"}
    assert from_json(texts.take(fields).whole) == {"span_id": "s", "span_name": "sent"}


def test_texts_beyond_the_limit_are_written_again() -> None:
    texts = SpanTexts()
    fields = fields_of({"input_data": "x" * KEPT_BYTES})
    written = texts.write(fields)
    taken = texts.take(fields)
    assert taken is not written
    assert taken == written
