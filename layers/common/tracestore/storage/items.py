"""Items of a trace and what they stand for: the head, segments with their payload, folds of segments, aliases.

A **segment** is what one request brought for one trace. Its light part and its payload are packed apart. A **document**
is the JSON of a segment's light part: `h` its digest, `t` when it came, `r` its rank, `s` its records as
`[digest, payload fields, facts]`. A segment item holds one document, a fold many, a head at most one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, cast

from tracestore.domain.heads import Previews, Summary
from tracestore.domain.merge import payload_of, without_payload
from tracestore.domain.spans import PAYLOAD_FIELDS, Facts, Record
from tracestore.domain.usage import Usage

from . import keys
from .codec import pack, unpack

Item = dict[str, dict[str, Any]]

PART_BYTES: Final = 380_000
"""Payload in one item; DynamoDB's limit is 400 KB with keys and names (409,600 bytes)."""

LIGHT_BYTES: Final = 380_000
"""Light parts in one item, by the same limit."""

RIDING_PAYLOAD_BYTES: Final = 700
"""A payload up to this size rides in its segment's item, which then still costs one write unit (1 KB)."""

_FLAGS: Final = dict(zip(PAYLOAD_FIELDS, "iom", strict=True))
_FIELDS: Final = {flag: name for name, flag in _FLAGS.items()}


@dataclass(frozen=True, slots=True)
class Segment:
    """What one request brought for one trace. `payload` is packed, and None where it is elsewhere or there is none."""

    digest: str
    records: tuple[Record, ...]
    payload: bytes | None = None

    @property
    def received_ms(self) -> int:
        return self.records[0].received_ms

    @property
    def has_payload(self) -> bool:
        return any(record.payload_fields for record in self.records)

    @property
    def payload_rides(self) -> bool:
        """Whether the payload is in the segment's own item."""
        return self.payload is not None and len(self.payload) <= RIDING_PAYLOAD_BYTES

    def joined_with(self, parts: Iterable[Item]) -> "Segment":
        """The same with the payload that these items hold; unchanged while one of them is missing."""
        by_number = {int(part["sk"]["S"].rpartition("#")[2]): part for part in parts}
        numbers = range(int(by_number[0]["parts"]["N"])) if 0 in by_number else range(1)
        if not all(number in by_number for number in numbers):
            return self
        return self.with_payload(b"".join(by_number[number]["payload"]["B"] for number in numbers))

    def with_payload(self, payload: bytes) -> "Segment":
        """The same with its payload at hand: packed, and in the facts of its records."""
        records = tuple(
            replace(record, facts=cast(Facts, {**record.facts, **fields}))
            for record, fields in zip(self.records, unpack(payload), strict=True)
        )
        return Segment(self.digest, records, payload)


@dataclass(frozen=True, slots=True)
class Head:
    """The one item of a trace that stands in the indexes.

    `version` grows by one with every put. `summary` is None while there are no spans. `position` is the trace's place
    in the indexes and never changes. `covered` names the newest segments that went into it, `deleted` the spans that
    were deleted for good, `first` is a segment that rides along, `folding_ms` is when somebody last set out to fold.
    A tombstone is what remains of a deleted trace; it `is_purged` when nothing else is left.
    """

    version: int
    generation: str
    expires_at_s: int
    position: str
    created_ms: int
    updated_ms: int
    summary: Summary | None
    covered: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    first: Segment | None = None
    folding_ms: int = 0
    is_tombstone: bool = False
    is_purged: bool = False

    def is_expired(self, now_ms: int) -> bool:
        return self.expires_at_s * 1000 <= now_ms


@dataclass(slots=True)
class StoredTrace:
    """What one Query of a trace's partition found: payloads only where the Query read them.

    `loose` are the segments with an item of their own, `folds` the sort keys of folds with the segments in each.
    """

    head: Head | None = None
    segments: dict[str, Segment] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    folds: dict[str, list[str]] = field(default_factory=dict)

    def records(self) -> Iterator[Record]:
        for segment in self.segments.values():
            yield from segment.records


def segment_of(records: Iterable[Record]) -> Segment:
    """The segment of these records. The same records, in any order, make the same digest."""
    unique = {(record.rank, record.digest): record for record in records}
    ordered = tuple(unique[key] for key in sorted(unique))
    names = "\n".join(f"{record.rank}:{record.digest}:{_flags(record)}" for record in ordered)
    payload = None
    if any(record.payload_fields for record in ordered):
        payload = pack([payload_of(record.facts) for record in ordered])
    return Segment(hashlib.blake2b(names.encode(), digest_size=8).hexdigest(), ordered, payload)


def segments_of(records: Iterable[Record]) -> list[Segment]:
    """One segment of these records, or several where its light part would not fit into an item."""
    segment = segment_of(records)
    most_bytes = 4 * len(json.dumps(_document(segment), ensure_ascii=False))
    if most_bytes <= LIGHT_BYTES or len(segment.records) == 1 or len(pack([_document(segment)])) <= LIGHT_BYTES:
        return [segment]
    middle = len(segment.records) // 2
    return [*segments_of(segment.records[:middle]), *segments_of(segment.records[middle:])]


def segment_items(
    trace_pk: str, generation: str, segment: Segment, expires_at_s: int, *, is_first: bool = False
) -> list[Item]:
    """The items that store a segment by itself: its light part, with a small payload aboard, and payload parts.

    A segment that `is_first` came when the trace was created. It does not say when, so that sending it again, which
    stores it anew before the head is looked at, changes nothing.
    """
    document = _document(segment) | ({"t": 0} if is_first else {})
    light: Item = {**_key(trace_pk, keys.segment(generation, segment.digest)), **_expiry(expires_at_s)}
    light["light"] = {"B": pack([document])}
    if segment.payload_rides:
        light["payload"] = {"B": segment.payload}
        return [light]
    return [light, *payload_items(trace_pk, generation, segment, expires_at_s)]


def payload_items(trace_pk: str, generation: str, segment: Segment, expires_at_s: int) -> list[Item]:
    """The payload of a segment in parts. The first tells how many there are, so that a missing one shows."""
    payload = segment.payload or b""
    parts = [payload[start : start + PART_BYTES] for start in range(0, len(payload), PART_BYTES)]
    items: list[Item] = [
        {
            **_key(trace_pk, keys.payload_part(generation, segment.digest, number)),
            **_expiry(expires_at_s),
            "payload": {"B": part},
        }
        for number, part in enumerate(parts)
    ]
    if items:
        items[0]["parts"] = {"N": str(len(parts))}
    return items


def fold_items(trace_pk: str, generation: str, segments: Sequence[Segment], expires_at_s: int) -> list[Item]:
    """The light parts of many segments, in one item or as few as they fit into."""
    if not segments:
        return []
    light = pack([_document(segment) for segment in segments])
    if len(light) > LIGHT_BYTES and len(segments) > 1:
        halves = segments[: len(segments) // 2], segments[len(segments) // 2 :]
        return [item for half in halves for item in fold_items(trace_pk, generation, half, expires_at_s)]
    names = "\n".join(sorted(segment.digest for segment in segments))
    digest = hashlib.blake2b(names.encode(), digest_size=8).hexdigest()
    return [{**_key(trace_pk, keys.fold(generation, digest)), **_expiry(expires_at_s), "light": {"B": light}}]


def alias_items(user_id: str, trace_id: str, head: Head, records: Iterable[Record]) -> list[Item]:
    """What leads from the messages that these records name to their trace."""
    messages = sorted({record.facts["message_id"] for record in records if "message_id" in record.facts})
    return [
        {
            **_key(keys.trace(user_id, trace_id), keys.message_alias(message_id)),
            **_expiry(head.expires_at_s),
            "by_conversation": {"S": keys.by_message(user_id, message_id)},
            "at": {"S": head.position},
        }
        for message_id in messages
    ]


def head_item(user_id: str, trace_id: str, head: Head, time_shards: int) -> Item:
    """The head as an item, with the index keys that its summary calls for; a tombstone stands in no index."""
    content = {
        "c": head.created_ms,
        "u": head.updated_ms,
        "at": head.position,
        "s": asdict(head.summary) if head.summary else None,
        "k": head.covered,
        "x": sorted(head.deleted),
        "f": [_document(head.first) | {"t": 0}] if head.first else [],
        "l": head.folding_ms,
        "d": [head.is_tombstone, head.is_purged],
    }
    item: Item = {
        **_key(keys.trace(user_id, trace_id), keys.HEAD),
        **_expiry(head.expires_at_s),
        "v": {"N": str(head.version)},
        "g": {"S": head.generation},
        "head": {"B": pack(content)},
    }
    if head.first and head.first.payload is not None:
        item["payload"] = {"B": head.first.payload}
    if summary := head.summary:
        item["at"] = {"S": head.position}
        item["by_time"] = {"S": keys.by_time(user_id, trace_id, time_shards)}
        if summary.conversation_id:
            item["by_conversation"] = {"S": keys.by_conversation(user_id, summary.conversation_id)}
        if summary.error_count:
            item["by_status"] = {"S": keys.by_status(user_id, "error")}
        elif summary.status == "pending":
            item["by_status"] = {"S": keys.by_status(user_id, "pending")}
    return item


def head_from(item: Item) -> Head:
    """What `head_item` was given."""
    content = unpack(item["head"]["B"])
    (first,) = _segments(content["f"], content["c"]) or (None,)
    if first and "payload" in item:
        first = first.with_payload(item["payload"]["B"])
    return Head(
        version=int(item["v"]["N"]),
        generation=item["g"]["S"],
        expires_at_s=int(item["expires_at"]["N"]),
        position=content["at"],
        created_ms=content["c"],
        updated_ms=content["u"],
        summary=_summary(content["s"]),
        covered=tuple(content["k"]),
        deleted=frozenset(content["x"]),
        first=first,
        folding_ms=content["l"],
        is_tombstone=content["d"][0],
        is_purged=content["d"][1],
    )


def trace_from(items: Iterable[Item], now_ms: int) -> StoredTrace:
    """What the items of one trace's partition say, those of other generations and incomplete payloads left out.

    *absent*: without a head there are no segments; an expired head is returned for its version, without segments.
    """
    found = StoredTrace()
    parts: dict[str, list[Item]] = {}
    for item in items:
        kind, _, rest = item["sk"]["S"].partition("#")
        if kind == keys.HEAD:
            found.head = head_from(item)
            if found.head.first:
                found.segments[found.head.first.digest] = found.head.first
        if found.head is None or found.head.is_expired(now_ms):
            continue
        generation, _, name = rest.partition("#")
        if generation != found.head.generation:
            continue
        if kind == "X":
            parts.setdefault(name.partition("#")[0], []).append(item)
        elif kind in ("S", "SF"):
            _take_in(found, item, is_fold=kind == "SF")
    for digest, items_of_payload in parts.items():
        if digest in found.segments and found.segments[digest].payload is None:
            found.segments[digest] = found.segments[digest].joined_with(items_of_payload)
    return found


def _take_in(found: StoredTrace, item: Item, *, is_fold: bool) -> None:
    assert found.head is not None
    segments = _segments(unpack(item["light"]["B"]), found.head.created_ms)
    if "payload" in item:
        segments = [segment.with_payload(item["payload"]["B"]) for segment in segments]
    for segment in segments:
        found.segments.setdefault(segment.digest, segment)
    if is_fold:
        found.folds[item["sk"]["S"]] = [segment.digest for segment in segments]
    else:
        found.loose.update(segment.digest for segment in segments)


def _document(segment: Segment) -> dict[str, Any]:
    return {
        "h": segment.digest,
        "t": segment.received_ms,
        "r": segment.records[0].rank,
        "s": [[record.digest, _flags(record), without_payload(record.facts)] for record in segment.records],
    }


def _flags(record: Record) -> str:
    return "".join(_FLAGS[name] for name in record.payload_fields)


def _segments(documents: list[dict[str, Any]], created_ms: int) -> list[Segment]:
    return [
        Segment(
            document["h"],
            tuple(
                Record(
                    facts, digest, tuple(_FIELDS[flag] for flag in flags), document["t"] or created_ms, document["r"]
                )
                for digest, flags, facts in document["s"]
            ),
        )
        for document in documents
    ]


def _summary(content: dict[str, Any] | None) -> Summary | None:
    if content is None:
        return None
    return Summary(
        **{
            **content,
            "usage": Usage(**content["usage"]),
            "values_cut": tuple(content["values_cut"]),
            "previews": Previews(content["previews"][0], content["previews"][1], tuple(content["previews"][2])),
        }
    )


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _expiry(expires_at_s: int) -> Item:
    return {"expires_at": {"N": str(expires_at_s)}}


def item_bytes(item: Item) -> int:
    """An item's size as DynamoDB counts it: names, and values as UTF-8, bytes, or digits by two and one."""
    return sum(len(name) + _value_bytes(*value.popitem()) for name, value in ((n, dict(v)) for n, v in item.items()))


def _value_bytes(kind: str, value: Any) -> int:
    if kind == "B":
        return len(value)
    return len(value.encode()) if kind == "S" else len(value) // 2 + 2
