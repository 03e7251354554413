"""Stored items are readable for ever: the current code decodes the items of earlier versions, and encodes the same.

These tests read the golden files `tests/data/stored/*.json`: items as DynamoDB stored them, with bytes in hex. Counters
and the stats of heads are in `test_stored_counting.py`. No file is ever edited. A change of shape adds a file with the
next number, and the encoding is compared with the newest file. Compressed bytes depend on zstd's version, so encoded
items are compared after decompression.
"""

import json
import re
from dataclasses import replace
from hashlib import blake2b, sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.builders import START_NS, reader, scope, store_on
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.annotations import NO_ANNOTATIONS, Annotation, AnnotationSummary, GroupedScore, Score
from tracestore.domain.media import Medium
from tracestore.domain.merge import payload_of
from tracestore.domain.spans import SpanFields, SpanUpdate
from tracestore.domain.updates import DERIVED_FIELDS, span_update
from tracestore.storage import keys
from tracestore.storage.activity import Activity, activity_items
from tracestore.storage.api_keys import find_api_key
from tracestore.storage.codec import decompress, is_delta_encoded, pack
from tracestore.storage.deletion_records import record_from, record_item
from tracestore.storage.formats.counters import unpack_activity
from tracestore.storage.formats.traces import unpack_job, unpack_pending_deletions
from tracestore.storage.items import (
    alias_items,
    annotation_item,
    head_from,
    head_item,
    lesson_index_item,
    opened_inline,
    summary_from,
    trace_from,
)
from tracestore.storage.jobs import job_item
from tracestore.storage.media import medium_from, medium_items
from tracestore.storage.model import (
    Actor,
    ApiKey,
    DeletionRecord,
    DeletionScope,
    EmptiedHead,
    Head,
    Item,
    Job,
    PendingDeletion,
    Placeholder,
    RateLimits,
    Segment,
    Share,
    Tombstone,
    View,
)
from tracestore.storage.segments import compacted_items, delta_encoded, payload_items, segment_items, segment_of
from tracestore.storage.shares import list_shares
from tracestore.storage.table import Table

STORED = Path(__file__).parents[1] / "data/stored"
NOW_MS = START_NS // 10**6
EXPIRES_AT_S = NOW_MS // 1000 + 30 * 86_400
GENERATION = "79c0a"
POSITION = keys.cursor_position(START_NS, "t-1")

ROOT: dict[str, Any] = {
    "span_id": "root",
    "span_name": "agent.run",
    "operation_type": "agent",
    "start_ns": START_NS,
    "end_ns": START_NS + 2_500_000_000,
    "conversation_id": "c-1",
    "message_id": "m-1",
    "end_user_id": "eve",
    "service_name": "shop",
    "input_data": {"messages": [{"role": "user", "parts": [{"type": "text", "text": "Where is my parcel?"}]}]},
    "output_data": {"text": "On its way."},
    "metadata": {"temperature": 0.2},
}
CALL: dict[str, Any] = {
    "span_id": "call",
    "parent_span_id": "root",
    "span_name": "llm.completion",
    "operation_type": "completion",
    "model_name": "gpt-4o-mini",
    "model_provider": "openai",
    "start_ns": START_NS + 1_000_000,
    "end_ns": START_NS + 900_000_000,
    "input_tokens": 120,
    "output_tokens": 30,
    "total_tokens": 150,
    "cached_input_tokens": 64,
    "cost_nano_usd": 36_000,
    "status": "error",
    "error_type": "Timeout",
    "error_message": "timed out",
    "input_data": ["x" * 40],
}


def reported(fields: dict[str, Any], received_ms: int = NOW_MS) -> SpanUpdate:
    return span_update(cast(SpanFields, fields), received_ms=received_ms)


SEGMENT = segment_of([reported(ROOT), reported(CALL)])
BASE = segment_of([reported({**ROOT, "input_data": {"text": "word " * 600}})])
APART = segment_of([reported({**ROOT, "input_data": "".join(blake2b(bytes([n])).hexdigest() for n in range(24))})])
NEXT = segment_of([reported({**ROOT, "span_id": "next", "input_data": {"text": "word " * 600 + "more"}}, NOW_MS + 1)])
DELTA = delta_encoded(NEXT, BASE.digest, BASE.text or b"")
TRACE_PK = keys.trace("ada", "t-1")


def in_format(segment: Segment, number: int) -> Segment:
    """A segment as it is read from a golden file with this number, its payload as text alone."""
    if number > 1:
        return as_text(segment)
    return replace(as_text(segment), updates=tuple(map(_without_derived_core, segment.updates)))


def as_text(segment: Segment) -> Segment:
    """A segment without the compressed bytes of its payload, which its text is compared in place of."""
    return replace(segment, payload=None)


def _without_derived_core(update: SpanUpdate) -> SpanUpdate:
    fields = {name: value for name, value in update.fields.items() if name not in DERIVED_FIELDS}
    return replace(update, fields=cast(SpanFields, fields))


def numbers_of(name: str) -> list[int]:
    """The numbers of an item's golden files, one for each format."""
    return [int(match[1]) for path in STORED.iterdir() if (match := re.fullmatch(rf"{name}-(\d+)\.json", path.name))]


def stored(name: str, number: int = 1) -> Item:
    """A stored item in the format with this number, its bytes decoded from hex."""
    item = json.loads((STORED / f"{name}-{number}.json").read_text())
    return {
        attribute: {kind: bytes.fromhex(value) if kind == "B" else value for kind, value in typed.items()}
        for attribute, typed in item.items()
    }


def readable(item: Item) -> dict[str, Any]:
    """An item with its bytes as the text that they decompress to, and whether that takes a delta base.

    The formats of compressed bytes are in `test_codec.py`: they change together for all items, whose shape stays.
    """
    decoded: dict[str, Any] = {}
    for attribute, ((kind, value),) in ((name, typed.items()) for name, typed in item.items()):
        if kind == "B" and attribute != "content":  # media are stored as they are
            is_delta = is_delta_encoded(value)
            decoded[attribute] = is_delta, decompress(value, BASE.text if is_delta else None)
        else:
            decoded[attribute] = sorted(value) if kind == "SS" else value
    return decoded


def stored_head(name: str = "head") -> Head:
    """The head in `head-1.json` or in another golden file."""
    head = head_from(stored(name))
    assert isinstance(head, Head)
    return head


def test_a_stored_head_is_decoded_with_its_summary_and_its_inlined_segment() -> None:
    head, summary = stored_head(), stored_head().summary
    assert (head.version, head.generation, head.expires_at_s, head.cursor_position) == (
        3,
        GENERATION,
        EXPIRES_AT_S,
        POSITION,
    )
    assert (head.created_ms, head.updated_ms, head.compaction_started_ms) == (NOW_MS, NOW_MS, NOW_MS + 5)
    assert (head.merged_digests, head.deleted) == (("a391a942a2",), frozenset({"gone"}))
    inlined = opened_inline(head)
    assert inlined is not None
    assert as_text(inlined) == in_format(SEGMENT, 1)
    assert (summary.root_span_id, summary.name, summary.status) == ("root", "agent.run", "success")
    assert (summary.start_ns, summary.end_ns) == (START_NS, START_NS + 2_500_000_000)
    assert (summary.span_count, summary.error_count) == (2, 1)
    usage = summary.usage
    assert (usage.llm_call_count, usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1, 120, 30, 150)
    assert (usage.cached_input_tokens, usage.cost_nano_usd) == (64, 36_000)
    assert (summary.conversation_id, summary.end_user_id, summary.lesson_id) == ("c-1", "eve", None)
    assert summary.values["span_name"] == ["agent.run", "llm.completion"]
    assert (summary.previews.input, summary.previews.output) == ("Where is my parcel?", "On its way.")
    assert summary.previews.source == (SEGMENT.updates[1].digest,) * 2


@pytest.mark.parametrize(("name", "number", "payload_bytes"), [("head", 2, 88), ("head", 3, 68)])
def test_a_stored_head_is_decoded_with_the_size_of_its_other_items(name: str, number: int, payload_bytes: int) -> None:
    """Heads of the first format have none, and segments in them no size of their payload."""
    head = head_from(stored(name, number))
    assert isinstance(head, Head)
    assert head == replace(stored_head(), inline_segment=head.inline_segment)
    assert (head.other_bytes, stored_head().other_bytes) == (12_345, 0)
    assert head.inline_segment is not None
    assert head.inline_segment.payload is None
    assert head.inline_segment.payload_bytes == payload_bytes


def test_a_stored_head_is_decoded_with_the_sum_of_its_segments() -> None:
    """Heads of the first three formats have none."""
    heads = list(map(head_from, (stored("head"), stored("head", 2), stored("head", 3), stored("head", 4))))
    assert [head.merged_sum for head in heads if isinstance(head, Head)] == ["", "", "", "0123456789"]
    assert replace(cast(Head, heads[3]), merged_sum="") == heads[2]


@pytest.mark.parametrize(
    ("name", "number", "payload_bytes"), [("segment-apart", 1, 1_695), ("segment-apart", 2, 1_669)]
)
def test_a_stored_segment_is_decoded_with_the_size_of_its_payload(name: str, number: int, payload_bytes: int) -> None:
    trace = trace_from([stored(name, number)], NOW_MS, GENERATION)
    assert trace.segments[APART.digest].payload_bytes == payload_bytes
    assert trace.segments[APART.digest].payload is None


def test_compacted_items_of_earlier_formats_have_no_sizes() -> None:
    sizes = [
        [segment.payload_bytes for segment in trace_from([item], NOW_MS, GENERATION).segments.values()]
        for item in (stored("compacted"), stored("compacted", 2), stored("compacted", 3), stored("compacted", 4))
    ]
    assert sizes == [[0, 0], [0, 0], [88, DELTA.payload_bytes], [68, DELTA.payload_bytes]]


def test_a_stored_emptied_head_is_decoded() -> None:
    head = head_from(stored("emptied-head"))
    assert isinstance(head, EmptiedHead)
    assert (head.version, head.deleted) == (4, frozenset({"root", "call"}))


def test_a_stored_tombstone_is_decoded() -> None:
    assert head_from(stored("tombstone")) == Tombstone(
        5,
        GENERATION,
        EXPIRES_AT_S,
        POSITION,
        NOW_MS,
        NOW_MS + 7,
        is_purged=True,
        deleted_by="job-1",
        deleted_spans=2,
    )


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([True], (False, "", 0)),
        ([True, True], (True, "", 0)),
        ([True, True, "job-1"], (True, "job-1", 0)),
        ([True, True, "job-1", 2, "later"], (True, "job-1", 2)),
    ],
)
def test_a_tombstone_with_more_or_fewer_entries_is_decoded(entries: list[Any], expected: tuple[Any, ...]) -> None:
    """The entries that are absent have their defaults, and those of a later version are left out."""
    head = head_from(stored("tombstone") | {"head": {"B": pack({"c": NOW_MS, "u": NOW_MS, "d": entries})}})
    assert isinstance(head, Tombstone)
    assert (head.is_purged, head.deleted_by, head.deleted_spans) == expected


@pytest.mark.parametrize(
    ("name", "number"), [("segment", 1), ("segment", 2), ("segment", 3), ("segment-first", 1), ("segment-first", 2)]
)
def test_a_stored_segment_is_decoded_with_its_inline_payload(name: str, number: int) -> None:
    trace = trace_from([stored(name, number)], NOW_MS, GENERATION)
    assert {digest: as_text(segment) for digest, segment in trace.segments.items()} == {
        SEGMENT.digest: in_format(SEGMENT, number)
    }
    assert trace.loose == {SEGMENT.digest}


@pytest.mark.parametrize(("name", "number"), [("compacted", 1), ("compacted", 2), ("compacted", 3), ("compacted", 4)])
def test_a_stored_compacted_item_is_decoded_with_a_delta_encoded_payload(name: str, number: int) -> None:
    base_items = segment_items(TRACE_PK, GENERATION, BASE, EXPIRES_AT_S)
    items = sorted([*base_items, stored(name, number), stored("payload-delta")], key=lambda item: item["sk"]["S"])
    trace = trace_from(items, NOW_MS, GENERATION)
    assert trace.segments[DELTA.digest].updates == in_format(NEXT, number).updates
    assert [update.digest for update in trace.segments[SEGMENT.digest].updates] == [
        update.digest for update in SEGMENT.updates
    ]
    assert list(trace.compacted.values()) == [[SEGMENT.digest, DELTA.digest]]


@pytest.mark.parametrize(("name", "number"), [("segment-delta", 1), ("segment-delta", 2)])
def test_a_stored_delta_encoded_segment_is_decoded_with_its_base(name: str, number: int) -> None:
    base_items = segment_items(TRACE_PK, GENERATION, BASE, EXPIRES_AT_S)
    items = sorted([*base_items, stored(name, number), stored("payload-delta")], key=lambda item: item["sk"]["S"])
    trace = trace_from(items, NOW_MS, GENERATION)
    delta = trace.segments[DELTA.digest]
    assert (delta.updates, delta.base) == (in_format(NEXT, number).updates, BASE.digest)


MEDIUM = Medium("image/png", b"\x89PNG\r\n\x1a\n, a small one")
MEDIUM_SHA256 = sha256(MEDIUM.content).hexdigest()


def test_a_stored_medium_is_decoded() -> None:
    assert medium_from([stored("medium"), stored("medium-part")]) == MEDIUM


def test_a_medium_without_one_of_its_items_is_absent() -> None:
    assert medium_from([stored("medium")]) is None
    assert medium_from([stored("medium-part")]) is None
    assert medium_from([]) is None


PENDING_DELETIONS = (
    PendingDeletion("job-1", NOW_MS, DeletionScope(conversation_id="c-1")),
    PendingDeletion("job-2", NOW_MS + 1, DeletionScope(before_ns=START_NS)),
    PendingDeletion("job-3", NOW_MS + 2, DeletionScope(lessons=True, lesson_id="L-7")),
    PendingDeletion("job-4", NOW_MS + 3),
)
JOB = Job("job-1", "running", NOW_MS, 12, 34, 5, None, ("t-1", "t-2"), ("t-3",), 2)
REQUESTED_JOB = replace(JOB, kind="before", credential="api_key", key_id="00112233aabbccdd", requested_by="ada")
RECORD = DeletionRecord(
    "job-1",
    "before",
    Actor("api_key", "00112233aabbccdd", "ada"),
    NOW_MS,
    "done",
    NOW_MS + 9,
    12,
    34,
)


ANNOTATION = Annotation("quality", "judge-1", 0.75, "judge", "root", "Answers the question.", NOW_MS, NOW_MS + 9)
PLACEHOLDER = Placeholder(2, GENERATION, EXPIRES_AT_S, POSITION, NOW_MS, NOW_MS)
ANNOTATIONS = AnnotationSummary(
    3,
    NOW_MS + 9,
    (("quality", Score(0.75, 1)), ("resolved", Score(1.0, 1))),
    (("category", ("billing",)), ("resolved", ("true",))),
)
SCORE_GROUPS = (
    (GroupedScore("quality", "gpt-4o", 1, 750_000), GroupedScore("resolved", "gpt-4o", 1, 10**6)),
    (GroupedScore("quality", "", 1, 750_000), GroupedScore("resolved", "7", 1, 10**6)),
)


def test_a_stored_annotation_belongs_to_the_generation_of_its_trace() -> None:
    item = stored("annotation")
    assert trace_from([item], NOW_MS, GENERATION).annotations == {item["sk"]["S"]: ANNOTATION}
    assert trace_from([item], NOW_MS, "other").annotations == {}


def test_a_stored_placeholder_is_no_head_of_a_trace() -> None:
    head = head_from(stored("placeholder"))
    assert head == PLACEHOLDER
    assert head.is_expired(NOW_MS)


def test_a_stored_head_is_decoded_with_its_annotations() -> None:
    assert stored_head("annotated-head").summary.annotations == ANNOTATIONS
    assert stored_head("annotated-head").annotation_bytes == 0
    second, newest = head_from(stored("annotated-head", 2)), head_from(stored("annotated-head", 3))
    for head, annotations in ((second, ANNOTATIONS), (newest, replace(ANNOTATIONS, score_groups=SCORE_GROUPS))):
        assert isinstance(head, Head)
        assert (head.summary.annotations, head.annotation_bytes) == (annotations, 812)
    assert summary_from(stored("annotated-head")) == stored_head("annotated-head").summary
    assert stored_head().summary.annotations == NO_ANNOTATIONS


@pytest.mark.parametrize(("name", "number"), [("payload-part", 1), ("payload-part", 2)])
def test_a_stored_payload_part_is_decoded(name: str, number: int) -> None:
    ((payload,),) = [json.loads(decompress(stored(name, number)["payload"]["B"]))]
    assert payload == {**payload_of(cast(SpanFields, ROOT)), "input_data": stored_text("payload-part")}
    assert len(stored_text("payload-part")) > 100


VIEW = View("failed-today", "Failed today", "status=error&order_by=cost", NOW_MS, NOW_MS + 7, 3)


SHARE = Share("00112233aabbccdd", "ada", "t-1", GENERATION, payloads=True, created_ms=NOW_MS, expires_at_s=EXPIRES_AT_S)


ACTIVITIES = [Activity("c-1", START_NS, EXPIRES_AT_S), Activity("c-2", START_NS + 7, EXPIRES_AT_S - 1)]


def test_a_stored_activity_item_is_decoded() -> None:
    item = stored("activity")
    assert unpack_activity(item["active"]["B"]) == [("c-1", START_NS), ("c-2", START_NS + 7)]
    assert keys.hour_of_activity(item["sk"]["S"]) == keys.activity_hour(START_NS)


def test_a_stored_share_is_decoded() -> None:
    store = store_on(MemoryDynamoDB(), lambda: NOW_MS)
    store.table.put(stored("share"), None)
    assert list_shares(scope(store, "ada"), "t-1", GENERATION) == [SHARE]


def test_a_stored_view_is_decoded() -> None:
    store = store_on(MemoryDynamoDB())
    store.table.put(stored("saved-view"), None)
    assert reader(store, "ada").views() == [VIEW]


def test_stored_pending_deletions_and_jobs_are_decoded() -> None:
    assert unpack_pending_deletions(stored("pending-deletions")["marks"]["B"]) == PENDING_DELETIONS
    assert unpack_job(stored("job")["job"]["B"]) == JOB
    assert unpack_job(stored("job", 2)["job"]["B"]) == REQUESTED_JOB
    assert unpack_job(stored("job", 3)["job"]["B"]) == REQUESTED_JOB


def test_a_stored_deletion_record_is_decoded() -> None:
    assert record_from(stored("deletion-record")) == RECORD


def encoded_items() -> dict[str, Item]:
    """The same items as the current code encodes them, by file name."""
    from tracestore.storage.api_keys import items_of
    from tracestore.storage.pending_deletions import pending_deletions_item
    from tracestore.storage.shares import share_items
    from tracestore.storage.views import view_item

    head = stored_head()
    sized_head = replace(
        head, other_bytes=12_345, merged_sum="0123456789", inline_segment=replace(SEGMENT, payload=None)
    )
    emptied, tombstone = head_from(stored("emptied-head")), head_from(stored("tombstone"))
    lesson = {"span_id": "l", "span_name": "lesson", "operation_type": "lesson", "lesson_id": "L-7"}
    full = segment_of([reported({**ROOT, "input_data": stored_text("payload-part")})])
    api_key = ApiKey(
        *("00112233aabbccdd", "ada", "ci", "tsk_abcd", frozenset({"ingest", "read"}), NOW_MS, EXPIRES_AT_S),
        limits=RateLimits(50, 5_000),
    )
    return {
        "head": head_item("ada", "t-1", sized_head, 1),
        "annotated-head": head_item(
            "ada",
            "t-1",
            replace(
                head,
                version=4,
                summary=replace(head.summary, annotations=replace(ANNOTATIONS, score_groups=SCORE_GROUPS)),
                annotation_bytes=812,
            ),
            1,
        ),
        "placeholder": head_item("ada", "t-1", PLACEHOLDER, 1),
        "activity": next(activity_items(keys.user("ada"), "0f1e2d3c4b5a6978#7-9", ACTIVITIES)),
        "annotation": annotation_item(TRACE_PK, ANNOTATION, GENERATION, EXPIRES_AT_S),
        "emptied-head": head_item("ada", "t-1", emptied, 1),
        "tombstone": head_item("ada", "t-1", tombstone, 1),
        "lesson-index": cast(Item, lesson_index_item("ada", "t-2", lesson_head(lesson), 1)),
        "message-alias": alias_items("ada", "t-1", head, SEGMENT.updates)[0],
        "span-alias": alias_items("ada", "t-1", head, [reported({"span_id": "call", "has_alias": True})])[0],
        "segment": segment_items(TRACE_PK, GENERATION, SEGMENT, EXPIRES_AT_S)[0],
        "segment-first": segment_items(TRACE_PK, GENERATION, SEGMENT, EXPIRES_AT_S, is_first=True)[0],
        "segment-apart": segment_items(TRACE_PK, GENERATION, APART, EXPIRES_AT_S)[0],
        "segment-delta": segment_items(TRACE_PK, GENERATION, DELTA, EXPIRES_AT_S)[0],
        "payload-part": payload_items(TRACE_PK, GENERATION, full, EXPIRES_AT_S)[0],
        "payload-delta": payload_items(TRACE_PK, GENERATION, DELTA, EXPIRES_AT_S)[0],
        "compacted": compacted_items(TRACE_PK, GENERATION, [SEGMENT, DELTA], EXPIRES_AT_S)[0],
        "medium": medium_items(TRACE_PK, GENERATION, MEDIUM_SHA256, MEDIUM, EXPIRES_AT_S)[0],
        "medium-part": medium_items(TRACE_PK, GENERATION, MEDIUM_SHA256, MEDIUM, EXPIRES_AT_S)[1],
        "pending-deletions": pending_deletions_item("ada", PENDING_DELETIONS, 4),
        "job": job_item("ada", REQUESTED_JOB, wakes=True),
        "deletion-record": record_item("ada", RECORD),
        "share": share_items(SHARE, "0" * 64)[1],
        "saved-view": view_item("ada", VIEW),
        "api-key": items_of(api_key, "0" * 64)[1],
    }


def stored_text(name: str) -> str:
    """The input text of a stored payload."""
    ((payload,),) = [json.loads(decompress(stored(name)["payload"]["B"]))]
    return str(payload["input_data"])


def lesson_head(fields: dict[str, Any]) -> Head:
    """The head of a trace of one span."""
    from tests.builders import Clock
    from tracestore.storage.recompute import first_head
    from tracestore.storage.store import Store

    store = Store(cast(Any, None), 30 * 86_400, now_ms=Clock())
    return first_head(store, "t-2", segment_of([reported({**fields, "start_ns": START_NS})]))


def test_api_keys_are_readable_with_and_without_limits() -> None:
    cases = ((stored("api-key", 1), RateLimits()), (stored("api-key", 2), RateLimits(50, 5_000)))
    for item, limits in cases:
        table = Table(SimpleNamespace(get_item=lambda item=item, **_: {"Item": item}), "table")
        api_key = find_api_key(table, "0" * 64, 0)
        assert api_key is not None
        assert (api_key.key_id, api_key.limits) == ("00112233aabbccdd", limits)


@pytest.mark.parametrize("name", sorted(encoded_items()))
def test_the_current_code_encodes_items_as_they_are_stored(name: str) -> None:
    assert readable(encoded_items()[name]) == readable(stored(name, max(numbers_of(name))))


def test_every_stored_item_is_compared() -> None:
    assert {path.stem.rpartition("-")[0] for path in STORED.glob("*.json")} == set(encoded_items())
