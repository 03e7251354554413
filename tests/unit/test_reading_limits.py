"""A reader limits the payload bytes of one trace, because a trace may be larger than a function's memory."""

import random
from collections.abc import Iterator

import pytest

from tests.builders import fields, update
from tracestore.domain.heads import summarize
from tracestore.domain.merge import merge
from tracestore.domain.spans import SpanUpdate
from tracestore.domain.trace_previews import previews_of
from tracestore.storage import keys
from tracestore.storage.items import head_item, trace_from
from tracestore.storage.model import Head, Item
from tracestore.storage.segments import segment_items, segment_of

NOW_MS = 1_000
KB = 1_000


def items_of(updates: list[SpanUpdate]) -> Iterator[Item]:
    """The items of a trace, each update in its own segment, in order of their keys."""
    spans = merge(updates)
    summary = summarize(spans, previews_of(spans))
    yield head_item("u", "t", Head(1, "g", 9_999, keys.cursor_position(0, "t"), 0, 0, summary=summary), 1)
    items = [
        item
        for span_update in updates
        for item in segment_items(keys.trace("u", "t"), "g", segment_of([span_update]), 9_999)
    ]
    yield from sorted(items, key=lambda item: str(item["sk"]["S"]))


def spans_with(*payloads: str) -> list[SpanUpdate]:
    return [update(fields(f"s{number}", input_data=payload)) for number, payload in enumerate(payloads)]


def random_text(size: int, seed: int) -> str:
    return random.Random(seed).randbytes(size // 2).hex()


@pytest.mark.parametrize(
    "updates",
    [
        spans_with(*(random_text(200 * KB, seed) for seed in range(10))),
        spans_with(*("again and " * 20 * KB + str(number) for number in range(10))),
    ],
    ids=["large when packed", "large when unpacked"],
)
def test_payloads_beyond_the_limit_are_not_loaded(updates: list[SpanUpdate]) -> None:
    trace = trace_from(items_of(updates), NOW_MS, "g", payload_bytes=500 * KB)
    assert trace.is_cut
    assert len(list(trace.updates())) == len(updates)
    assert sum(len(segment.text or b"") for segment in trace.segments.values()) < 800 * KB


def test_items_beyond_the_limit_are_not_requested() -> None:
    items = items_of(spans_with(*(random_text(200 * KB, seed) for seed in range(10))))
    trace_from(items, NOW_MS, "g", payload_bytes=500 * KB)
    assert len(list(items)) >= 4


def test_payloads_within_the_limit_are_loaded_whole() -> None:
    updates = spans_with("one", random_text(100 * KB, 1))
    trace = trace_from(items_of(updates), NOW_MS, "g", payload_bytes=500 * KB)
    assert not trace.is_cut
    payloads = [span.fields["input_data"] for span in merge(trace.updates())]
    assert payloads == [span.fields["input_data"] for span in merge(updates)]
