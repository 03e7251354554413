"""How much payload of one trace is read: a trace may hold more than a function has memory for."""

import random
from collections.abc import Iterator

import pytest

from tests.builders import fields, update
from tracestore.domain.heads import previews_of, root_of, summarize
from tracestore.domain.merge import merge
from tracestore.domain.spans import SpanUpdate
from tracestore.storage import keys
from tracestore.storage.items import head_item, trace_from
from tracestore.storage.model import Head, Item
from tracestore.storage.segments import segment_items, segment_of

NOW_MS = 1_000
KB = 1_000


def items_of(updates: list[SpanUpdate]) -> Iterator[Item]:
    """The items of a trace, each record in a segment of its own, in order of their keys."""
    spans = merge(updates)
    summary = summarize(spans, previews_of(root_of(spans)))
    yield head_item("u", "t", Head(1, "g", 9_999, keys.cursor_position(0, "t"), 0, 0, summary=summary), 1)
    items = [item for one in updates for item in segment_items(keys.trace("u", "t"), "g", segment_of([one]), 9_999)]
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
    ids=["large as packed", "large when unpacked"],
)
def test_payloads_beyond_the_limit_are_not_taken_in(updates: list[SpanUpdate]) -> None:
    found = trace_from(items_of(updates), NOW_MS, "g", payload_bytes=500 * KB)
    assert found.is_cut
    assert len(list(found.updates())) == len(updates)
    assert sum(len(segment.text or b"") for segment in found.segments.values()) < 800 * KB


def test_what_is_beyond_the_limit_is_not_even_asked_for() -> None:
    items = items_of(spans_with(*(random_text(200 * KB, seed) for seed in range(10))))
    trace_from(items, NOW_MS, "g", payload_bytes=500 * KB)
    assert len(list(items)) >= 4


def test_payloads_within_the_limit_are_whole() -> None:
    updates = spans_with("one", random_text(100 * KB, 1))
    found = trace_from(items_of(updates), NOW_MS, "g", payload_bytes=500 * KB)
    assert not found.is_cut
    shown = [span.fields["input_data"] for span in merge(found.updates())]
    assert shown == [span.fields["input_data"] for span in merge(updates)]
