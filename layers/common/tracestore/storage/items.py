"""Items of a trace: its head, the aliases that lead to it, and the reading of all that its partition holds."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from tracestore.domain.heads import Previews, Summary
from tracestore.domain.spans import SpanUpdate
from tracestore.domain.stats import NO_STATS
from tracestore.domain.usage import usage_of

from . import keys
from .codec import pack, unpack
from .formats import StoredStats, stats_document
from .segments import Item, Segment, document_of, expiry, key, open_payloads, segments_from

_NO_SUMMARY: Final = Summary("", "", "", 0, None, 0, 0, usage_of([], []), None, None, None)

_DELETION: Final = ("is_tombstone", "is_purged", "deleted_by", "deleted_spans")
_NOTHING: Final[dict[str, Any]] = {"c": 0, "u": 0, "s": None, "k": "", "x": [], "f": [], "l": 0, "d": []}
"""What a head's content is where it does not say."""

MERGED_DIGEST_DIGITS: Final = 10
"""Of a digest, as heads name those they cover: of 10¹¹ writers who lose a race one takes another's for his own."""


@dataclass(frozen=True, slots=True)
class Head:
    """The one item of a trace that stands in the indexes.

    `version` grows by one with every put. `summary` is None while there are no spans. `position` is the trace's place
    in the indexes and never changes. `merged_digests` names the newest segments that it was derived from, `deleted` the
    spans that were deleted for good. `first` is an inlined segment. `compaction_started_ms` is when a writer last began
    a compaction.
    A tombstone is what remains of a deleted trace; it `is_purged` when nothing else is left. If a bulk deletion's job
    made it, it is `deleted_by` that job, which counts the `deleted_spans` once, however often it comes by.
    """

    version: int
    generation: str
    expires_at_s: int
    position: str
    created_ms: int
    updated_ms: int
    summary: Summary | None
    merged_digests: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    first: Segment | None = None
    compaction_started_ms: int = 0
    is_tombstone: bool = False
    is_purged: bool = False
    deleted_by: str = ""
    deleted_spans: int = 0

    def includes(self, segment: Segment) -> bool:
        """Whether it names this segment as one that went into it."""
        return segment.digest[:MERGED_DIGEST_DIGITS] in self.merged_digests

    def is_expired(self, now_ms: int) -> bool:
        return self.expires_at_s * 1000 <= now_ms


@dataclass(slots=True)
class StoredTrace:
    """What one Query of a trace's partition found: payloads only where the Query read them.

    `loose` are the segments with an item of their own, `compacted` the sort keys of folds with the segments in each.
    `is_cut` when there was more payload than it was to read: then some segments have theirs and others do not.
    """

    head: Head | None = None
    segments: dict[str, Segment] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    compacted: dict[str, list[str]] = field(default_factory=dict)
    is_cut: bool = False

    def updates(self) -> Iterator[SpanUpdate]:
        for segment in self.segments.values():
            yield from segment.updates


def alias_items(user_id: str, trace_id: str, head: Head, updates: Iterable[SpanUpdate]) -> list[Item]:
    """What leads from the messages that these records name to their trace."""
    messages = sorted({update.fields["message_id"] for update in updates if "message_id" in update.fields})
    return [
        {
            **key(keys.trace(user_id, trace_id), keys.message_alias(message_id)),
            **expiry(head.expires_at_s),
            "by_conversation": {"S": keys.by_message(user_id, message_id)},
            "at": {"S": head.position},
        }
        for message_id in messages
    ]


def lesson_index_item(user_id: str, trace_id: str, head: Head) -> Item | None:
    """What stands in the lists of lessons for a lesson trace with this head; None for any other."""
    if head.summary is None or not head.summary.is_lesson:
        return None
    item: Item = {
        **key(keys.trace(user_id, trace_id), keys.lesson_index(head.expires_at_s)),
        **expiry(head.expires_at_s),
        "at": {"S": head.position},
        "by_time": {"S": keys.by_lessons(user_id)},
        "by_status": {"S": keys.by_lesson_status(user_id, head.summary.status)},
    }
    if head.summary.lesson_id:
        item["by_conversation"] = {"S": keys.by_lesson(user_id, head.summary.lesson_id)}
    return item


def head_item(user_id: str, trace_id: str, head: Head, time_shards: int) -> Item:
    """The head as an item, with the index keys that its summary calls for; a tombstone stands in no index."""
    content = {
        "c": head.created_ms,
        "u": head.updated_ms,
        "s": _document_of(head.summary) if head.summary else None,
        "k": "".join(head.merged_digests),
        "x": sorted(head.deleted),
        "f": [document_of(head.first) | {"t": 0}] if head.first else [],
        "l": head.compaction_started_ms,
        "d": [getattr(head, name) for name in _DELETION] if head.is_tombstone else [],
    }
    item: Item = {
        **key(keys.trace(user_id, trace_id), keys.HEAD),
        "at": {"S": head.position},  # no index without its other key
        **expiry(head.expires_at_s),
        "v": {"N": str(head.version)},
        "g": {"S": head.generation},
        "head": {"B": pack({name: value for name, value in content.items() if value})},
    }
    if head.first and head.first.payload is not None:
        item["payload"] = {"B": head.first.payload}
    if summary := head.summary:
        item["by_time"] = {"S": keys.by_time(user_id, trace_id, time_shards)}
        if summary.conversation_id:
            item["by_conversation"] = {"S": keys.by_conversation(user_id, summary.conversation_id)}
        if summary.error_count:
            item["by_status"] = {"S": keys.by_status(user_id, "error")}
        elif summary.status == "pending":
            item["by_status"] = {"S": keys.by_status(user_id, "pending")}
    return item


def summary_from(item: Item) -> Summary | None:
    """The summary in a head's item, without the work of reading the rest."""
    return _summary(unpack(item["head"]["B"]).get("s"))


def head_from(item: Item) -> Head:
    """What `head_item` was given."""
    content = _NOTHING | unpack(item["head"]["B"])
    (first,) = segments_from(content["f"], content["c"]) or (None,)
    if first and "payload" in item:
        first = replace(first, payload=item["payload"]["B"]).opened(None)
    return Head(
        version=int(item["v"]["N"]),
        generation=item["g"]["S"],
        expires_at_s=int(item["expires_at"]["N"]),
        position=item["at"]["S"],
        created_ms=content["c"],
        updated_ms=content["u"],
        summary=_summary(content["s"]),
        merged_digests=tuple(re.findall("." * MERGED_DIGEST_DIGITS, content["k"])),
        deleted=frozenset(content["x"]),
        first=first,
        compaction_started_ms=content["l"],
        **dict(zip(_DELETION, content["d"], strict=False)),
    )


def trace_from(
    items: Iterable[Item], now_ms: int, new_generation: str, payload_bytes: int | None = None
) -> StoredTrace:
    """What the items of one trace's partition say, those of other generations and incomplete payloads left out.

    Of payloads no more than `payload_bytes`, packed or open, are taken in: they come last, and the rest is not read.

    *absent*: without a head, and with an expired one, which is returned for its version, there are the segments that
    writers who were stopped before the head left of `new_generation`: they come to light when it begins.
    """
    found = StoredTrace()
    current, created_ms = new_generation, now_ms
    parts: dict[str, list[Item]] = {}
    packed_bytes = 0
    for item in items:
        kind, _, rest = item["sk"]["S"].partition("#")
        if kind == keys.HEAD:
            found.head = head = head_from(item)
            if not head.is_expired(now_ms):
                current, created_ms = head.generation, head.created_ms
                found.segments = {head.first.digest: head.first} if head.first else {}
        generation, _, name = rest.partition("#")
        if generation != current:
            continue
        if kind == "X":
            packed_bytes += len(item["payload"]["B"])
            if payload_bytes is not None and packed_bytes > payload_bytes:
                found.is_cut = True
                return found
            parts.setdefault(name.partition("#")[0], []).append(item)
        elif kind in ("S", "SF"):
            _take_in(found, item, created_ms, is_compacted=kind == "SF")
    for digest, items_of_payload in parts.items():
        if digest in found.segments and found.segments[digest].payload is None:
            found.segments[digest] = found.segments[digest].joined_with(items_of_payload)
    found.is_cut = not open_payloads(found.segments, payload_bytes)
    return found


def _take_in(found: StoredTrace, item: Item, created_ms: int, *, is_compacted: bool) -> None:
    segments = segments_from(unpack(item["light"]["B"]), created_ms)
    if "payload" in item:
        segments = [replace(segment, payload=item["payload"]["B"]) for segment in segments]
    for segment in segments:
        found.segments.setdefault(segment.digest, segment)
    if is_compacted:
        found.compacted[item["sk"]["S"]] = [segment.digest for segment in segments]
    else:
        found.loose.update(segment.digest for segment in segments)


def _document_of(summary: Summary) -> dict[str, Any]:
    """A summary as JSON, without what is as in an empty one. Not by `asdict`, which copies every list in it."""
    document = _told(summary, _NO_SUMMARY) | {"usage": _told(summary.usage, _NO_SUMMARY.usage)}
    if summary.stats is not NO_STATS:
        document["stats"] = stats_document(summary.stats)
    return document


def _told(value: Any, empty: Any) -> dict[str, Any]:
    told = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: told[name] for name in told if told[name] != getattr(empty, name)}


def _summary(content: dict[str, Any] | None) -> Summary | None:
    if content is None:
        return None
    told = content | {"usage": replace(_NO_SUMMARY.usage, **content["usage"])}
    if "values_cut" in told:
        told["values_cut"] = tuple(told["values_cut"])
    if "previews" in told:
        told["previews"] = Previews(told["previews"][0], told["previews"][1], tuple(told["previews"][2]))
    if "stats" in told:
        told["stats"] = StoredStats(told["stats"])
    return replace(_NO_SUMMARY, **told)


def item_bytes(item: Item) -> int:
    """An item's size as DynamoDB counts it: names, and values as UTF-8, bytes, or digits by two and one."""
    return sum(len(name) + _value_bytes(*value.popitem()) for name, value in ((n, dict(v)) for n, v in item.items()))


def _value_bytes(kind: str, value: Any) -> int:
    if kind == "B":
        return len(value)
    return len(value.encode()) if kind == "S" else len(value) // 2 + 2
