"""Items of a trace: its head, the aliases that lead to it, and the reading of its partition."""

from collections.abc import Iterable
from typing import Any

from tracestore.domain.annotations import Annotation
from tracestore.domain.heads import Summary
from tracestore.domain.spans import SpanUpdate

from . import keys
from .formats.annotations import pack_annotation, unpack_annotation
from .formats.traces import pack_head, unpack_head, unpack_segments, unpack_summary
from .model import EmptiedHead, Head, Item, ItemKey, Segment, StoredHead, StoredTrace
from .segments import expiry, joined_with, key, open_payloads, opened


def alias_items(user_id: str, trace_id: str, head: StoredHead, updates: Iterable[SpanUpdate]) -> list[Item]:
    """The items that lead to their trace from the messages that these updates name, and from spans with an alias.

    A span with the id of its trace needs none.
    """
    fields = [update.fields for update in updates]
    message_ids = sorted({each["message_id"] for each in fields if "message_id" in each})
    span_ids = sorted({each["span_id"] for each in fields if "has_alias" in each and each["span_id"] != trace_id})
    aliases = [(keys.message_alias(name), keys.by_message(user_id, name)) for name in message_ids]
    aliases += [(keys.span_alias(name), keys.by_span(user_id, name)) for name in span_ids]
    return [
        {
            **key(keys.trace(user_id, trace_id), sk),
            **expiry(head.expires_at_s),
            "by_conversation": {"S": partition},
            "at": {"S": head.cursor_position},
        }
        for sk, partition in aliases
    ]


def annotation_item(trace_pk: str, annotation: Annotation, generation: str | None, expires_at_s: int) -> Item:
    """An annotation as an item. *absent*: no `generation` before the first span of its trace."""
    sk = keys.annotation(annotation.span_id, annotation.name, annotation.annotation_id)
    item = {**key(trace_pk, sk), **expiry(expires_at_s), "annotation": {"B": pack_annotation(annotation)}}
    return item if generation is None else item | {"g": {"S": generation}}


def lesson_index_item(user_id: str, trace_id: str, head: StoredHead | None, time_shards: int) -> Item | None:
    """The entry in the lists of lessons for a lesson trace with this head; None for any other."""
    if not isinstance(head, Head) or not head.summary.is_lesson:
        return None
    shard = keys.time_shard(trace_id, time_shards)
    item: Item = {
        **key(keys.trace(user_id, trace_id), keys.lesson_index(head.expires_at_s)),
        **expiry(head.expires_at_s),
        "at": {"S": head.cursor_position},
        "by_time": {"S": keys.by_lessons(user_id, shard)},
        "by_status": {"S": keys.by_lesson_status(user_id, head.summary.status, shard)},
    }
    if head.summary.lesson_id:
        item["by_conversation"] = {"S": keys.by_lesson(user_id, head.summary.lesson_id)}
    return item


def head_item(user_id: str, trace_id: str, head: StoredHead, time_shards: int) -> Item:
    """The head as an item, with the index keys that its summary calls for; no index contains a tombstone."""
    item: Item = {
        **key(keys.trace(user_id, trace_id), keys.HEAD),
        "at": {"S": head.cursor_position},  # without its other key, no index contains the item
        **expiry(head.expires_at_s),
        "v": {"N": str(head.version)},
        "g": {"S": head.generation},
        "head": {"B": pack_head(head)},
    }
    if not isinstance(head, Head | EmptiedHead):
        return item
    if head.inline_segment and head.inline_segment.payload is not None:
        item["payload"] = {"B": head.inline_segment.payload}
    if isinstance(head, Head):
        summary = head.summary
        item["by_time"] = {"S": keys.by_time(user_id, trace_id, time_shards)}
        if summary.conversation_id:
            item["by_conversation"] = {"S": keys.by_conversation(user_id, summary.conversation_id)}
        shard = keys.time_shard(trace_id, time_shards)
        if summary.error_count:
            item["by_status"] = {"S": keys.by_status(user_id, "error", shard)}
        elif summary.status == "pending":
            item["by_status"] = {"S": keys.by_status(user_id, "pending", shard)}
    return item


def summary_from(item: Item) -> Summary | None:
    """The summary in a head's item, without the work of reading the rest; None for a tombstone or an emptied head."""
    return unpack_summary(item["head"]["B"])


def head_from(item: Item) -> StoredHead:
    """The head that `head_item` was given, with the payload of its inlined segment still packed: lists show none.

    *raises*: Unreadable.
    """
    return unpack_head(
        item["head"]["B"],
        version=int(item["v"]["N"]),
        generation=item["g"]["S"],
        expires_at_s=int(item["expires_at"]["N"]),
        cursor_position=item["at"]["S"],
        payload=_payload_in(item),
    )


def opened_inline(head: StoredHead) -> Segment | None:
    """The inlined segment of a head with its payload in the fields of its updates, where the head contains that.

    *absent*: None without an inlined segment.
    """
    segment = head.inline_segment if isinstance(head, Head | EmptiedHead) else None
    return segment if segment is None or segment.payload is None else opened(segment, None)


def trace_from(
    items: Iterable[Item], now_ms: int, new_generation: str, payload_bytes: int | None = None
) -> StoredTrace:
    """The trace in the items of a partition, without items of other generations and without incomplete payloads.

    Annotations that came before its first span have no generation yet.

    At most `payload_bytes` of payload, compressed or open, are read: payloads come last, and the rest is not fetched.

    *absent*: without a head, and with an expired one, which is returned for its version, the trace has the segments of
    `new_generation`: writers that were stopped before the head left them, and they appear when the trace begins.
    """
    stored = StoredTrace()
    current, created_ms, is_live = new_generation, now_ms, False
    parts: dict[str, list[Item]] = {}
    packed_bytes = 0
    for item in items:
        sk = keys.parse(item["sk"]["S"])
        if sk.kind == keys.HEAD:
            stored.head = head = head_from(item)
            if not head.is_expired(now_ms):
                current, created_ms, is_live = head.generation, head.created_ms, True
                if segment := opened_inline(head):
                    stored.segments = {segment.digest: segment}
        if sk.kind == keys.ANNOTATION_KIND:
            _add_annotation(stored, item, current, now_ms)
            continue
        if sk.generation != current:
            if not sk.generation and sk.kind != keys.HEAD:  # an alias or a lesson index item
                add_index_items(stored, [item])
            elif is_live and sk.kind == keys.SEGMENT_KIND and not _is_expired(item, now_ms):
                stored.abandoned.append(item["sk"]["S"])
            continue
        if sk.kind == keys.PAYLOAD_KIND:
            packed_bytes += len(item["payload"]["B"])
            if payload_bytes is not None and packed_bytes > payload_bytes:
                stored.is_cut = True
                return stored
            parts.setdefault(sk.digest, []).append(item)
        else:
            _add_segments(stored, item, created_ms, is_compacted=sk.kind == keys.COMPACTED_KIND)
    for digest, payload_parts in parts.items():
        if digest in stored.segments and stored.segments[digest].payload is None:
            stored.segments[digest] = joined_with(stored.segments[digest], payload_parts)
    stored.is_cut = not open_payloads(stored.segments, payload_bytes)
    return stored


def _add_segments(stored: StoredTrace, item: Item, created_ms: int, *, is_compacted: bool) -> None:
    stored.core_bytes += core_bytes_of(item)
    segments = unpack_segments(item["light"]["B"], created_ms, _payload_in(item))
    for segment in segments:
        stored.segments.setdefault(segment.digest, segment)
    if is_compacted:
        stored.compacted[item["sk"]["S"]] = [segment.digest for segment in segments]
    else:
        stored.loose.update(segment.digest for segment in segments)


def add_index_items(stored: StoredTrace, items: Iterable[Item]) -> None:
    """Add aliases or a lesson index item to what is stored of a trace, in place of those with the same sort key."""
    for item in items:
        replaced = stored.index_items.get(item["sk"]["S"], {})
        stored.core_bytes += item_bytes(item) - item_bytes(replaced)
        stored.index_items[item["sk"]["S"]] = item


def _payload_in(item: Item) -> bytes | None:
    return item["payload"]["B"] if "payload" in item else None


def _add_annotation(stored: StoredTrace, item: Item, generation: str, now_ms: int) -> None:
    """Add an annotation of this generation, or one that waits for its trace and has not expired."""
    sk = item["sk"]["S"]
    is_waiting = "g" not in item
    if is_waiting and _is_expired(item, now_ms):
        return
    if is_waiting or item["g"]["S"] == generation:
        stored.annotations[sk] = unpack_annotation(item["annotation"]["B"])
        stored.annotation_sizes[sk] = item_bytes(item)
    if is_waiting:
        stored.waiting.add(sk)


def _is_expired(item: Item, now_ms: int) -> bool:
    return int(item["expires_at"]["N"]) * 1000 <= now_ms


def keys_of(items: Iterable[Item]) -> list[ItemKey]:
    """The partition and sort keys of items."""
    return [(item["pk"]["S"], item["sk"]["S"]) for item in items]


def item_bytes(item: Item) -> int:
    """An item's size as DynamoDB counts it: names, and values as UTF-8, bytes, or digits by two and one."""
    return sum(len(name) + _value_bytes(*next(iter(value.items()))) for name, value in item.items())


def core_bytes_of(item: Item) -> int:
    """The size of an item other than a head, without a payload in it."""
    payload = item["payload"]["B"] if "payload" in item else b""
    return item_bytes(item) - len(payload)


def _value_bytes(kind: str, value: Any) -> int:
    if kind == "B":
        return len(value)
    return len(value.encode()) if kind == "S" else len(value) // 2 + 2
