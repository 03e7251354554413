"""Segments: the updates that one request reported for one trace, as objects and as items.

The core of a segment and its payload are stored apart. A segment item contains one core, a compacted item many, a head
at most one.

A payload may be **delta-encoded** against that of an earlier segment, its delta base: zstd then starts with the text of
the base as a dictionary, and the history that a long run repeats costs next to nothing. Such a payload can be read only
together with its base. A payload that is another's delta base is therefore removed only after the dependent payload has
been rewritten in full (`erasure`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from tracestore.domain.spans import SpanUpdate, digest_of

from . import keys
from .codec import compress, decompress, encode, is_delta_encoded
from .formats.traces import pack_segments, payload_flags, payload_text, segment_document, with_payload
from .model import Item, Segment

PART_BYTES: Final = 380_000
"""Payload in one item. DynamoDB's limit is 400 KB with keys and names (409,600 bytes)."""

CORE_BYTES: Final = 380_000
"""Cores in one item, by the same limit."""

UNPACKED_CORE_BYTES: Final = 370_000
"""A core of this size fits into an item however badly it compresses: zstd adds at most a two hundredth."""

NAMES_BYTES: Final = 500
"""The names of the derived fields of an update, its digest and its flags, generously."""

DIGEST_DIGITS: Final = 16


def segment_of(updates: Iterable[SpanUpdate]) -> Segment:
    """The segment of these updates. The same updates, in any order, give the same digest."""
    unique = {(update.precedence, update.digest): update for update in updates}
    ordered = tuple(unique[key] for key in sorted(unique))
    names = "\n".join(f"{update.precedence}:{update.digest}:{payload_flags(update)}" for update in ordered)
    text = None
    if any(update.payload_fields for update in ordered):
        text = payload_text(ordered)
        names += "\n" + digest_of(text)  # updates' digests ignore the order of keys, on which delta encoding depends
    payload = None if text is None else compress(text)
    return Segment(_digest_of(names), ordered, payload, text, payload_bytes=len(payload or b""))


def segments_of(updates: Iterable[SpanUpdate], text_bytes: int | None = None) -> list[Segment]:
    """One segment of these updates, or several where its core would not fit into an item.

    `text_bytes` is the length of the JSON of all of them. What a core derives from a payload is at most twice as long
    as the payload: most cores are known to fit without being written. *absent*: they are written.
    """
    segment = segment_of(updates)
    if len(segment.updates) == 1:
        return [segment]
    if text_bytes is not None and 2 * text_bytes + NAMES_BYTES * len(segment.updates) <= UNPACKED_CORE_BYTES:
        return [segment]
    if len(encode(segment_document(segment))) <= UNPACKED_CORE_BYTES:
        return [segment]
    if len(pack_segments([segment])) <= CORE_BYTES:
        return [segment]
    middle = len(segment.updates) // 2
    return [*segments_of(segment.updates[:middle]), *segments_of(segment.updates[middle:])]


def opened(segment: Segment, base_text: bytes | None) -> Segment:
    """The segment with its payload in the fields of its updates, given the text of its delta base."""
    assert segment.payload is not None
    text = decompress(segment.payload, base_text)
    return replace(segment, updates=with_payload(segment.updates, text), text=text)


def delta_encoded(segment: Segment, base: str, base_text: bytes) -> Segment:
    """The segment with its payload compressed against that of segment `base`."""
    assert segment.text is not None
    payload = compress(segment.text, base_text)
    return replace(segment, payload=payload, base=base, payload_bytes=len(payload))


def rebased(segment: Segment) -> Segment:
    """The segment with its payload rewritten in full, so that it needs no delta base."""
    if segment.base is None or segment.text is None:
        return segment
    payload = compress(segment.text)
    return replace(segment, payload=payload, base=None, payload_bytes=len(payload))


def joined_with(segment: Segment, parts: Iterable[Item]) -> Segment:
    """The segment with the payload that these items contain; unchanged while one of them is missing.

    A payload stored in full is preferred to a delta-encoded one, whatever base the core names: it is always readable.
    """
    by_part = {keys.parse(part["sk"]["S"]).part: part for part in parts}
    first = by_part.get(keys.FIRST_PART)
    if first:
        names = [keys.payload_part_name(index) for index in range(int(first["parts"]["N"]))]
    else:
        names = [segment.base or ""]
    if not all(name in by_part for name in names):
        return segment
    return replace(segment, payload=b"".join(by_part[name]["payload"]["B"] for name in names))


def open_payloads(segments: dict[str, Segment], most_bytes: int | None = None) -> bool:
    """Open every payload whose whole delta chain was read; the others stay as they are.

    Stops, and returns False, once more than `most_bytes` were opened.
    """
    opened_bytes = 0
    for digest in list(segments):
        chain: list[str] = []
        link: str | None = digest
        while link is not None and _is_closed(segments.get(link)):
            if link in chain:
                break  # no writer stores a cycle, and following one would not end
            chain.append(link)
            link = segments[link].base if is_delta_encoded(segments[link].payload or b"") else None
        base_text = segments[link].text if link is not None and link in segments else None
        if link is not None and base_text is None:
            continue
        for link in reversed(chain):
            segments[link] = opened(segments[link], base_text)
            base_text = segments[link].text
            opened_bytes += len(base_text or b"")
            if most_bytes is not None and opened_bytes > most_bytes:
                return False
    return True


def _is_closed(segment: Segment | None) -> bool:
    return segment is not None and segment.text is None and segment.payload is not None


def segment_items(
    trace_pk: str, generation: str, segment: Segment, expires_at_s: int, *, is_first: bool = False
) -> list[Item]:
    """The items that store a segment by itself: its core, with a small payload inline, and payload parts."""
    core: Item = {**key(trace_pk, keys.segment(generation, segment.digest)), **expiry(expires_at_s)}
    core["light"] = {"B": pack_segments([segment], is_first=is_first, payload_apart=not segment.is_payload_inline)}
    if segment.is_payload_inline:
        core["payload"] = {"B": segment.payload}
        return [core]
    return [core, *payload_items(trace_pk, generation, segment, expires_at_s)]


def payload_items(trace_pk: str, generation: str, segment: Segment, expires_at_s: int) -> list[Item]:
    """The payload of a segment in parts. The first contains their number, so that a reader notices a missing part."""
    payload = segment.payload or b""
    if is_delta_encoded(payload):
        assert segment.base is not None
        sk = keys.delta_payload(generation, segment.digest, segment.base)
        return [{**key(trace_pk, sk), **expiry(expires_at_s), "payload": {"B": payload}}]
    parts = [payload[start : start + PART_BYTES] for start in range(0, len(payload), PART_BYTES)]
    items: list[Item] = [
        {
            **key(trace_pk, keys.payload_part(generation, segment.digest, index)),
            **expiry(expires_at_s),
            "payload": {"B": part},
        }
        for index, part in enumerate(parts)
    ]
    if items:
        items[0]["parts"] = {"N": str(len(parts))}
    return items


def compacted_items(trace_pk: str, generation: str, segments: Sequence[Segment], expires_at_s: int) -> list[Item]:
    """The cores of many segments, in one item or in as few as they fit into."""
    if not segments:
        return []
    core = pack_segments(segments)
    if len(core) > CORE_BYTES and len(segments) > 1:
        halves = segments[: len(segments) // 2], segments[len(segments) // 2 :]
        return [item for half in halves for item in compacted_items(trace_pk, generation, half, expires_at_s)]
    digest = _digest_of("\n".join(sorted(segment.digest for segment in segments)))
    return [{**key(trace_pk, keys.compacted_segment(generation, digest)), **expiry(expires_at_s), "light": {"B": core}}]


def _digest_of(names: str) -> str:
    return hashlib.blake2b(names.encode(), digest_size=DIGEST_DIGITS // 2).hexdigest()


def key(pk: str, sk: str) -> Item:
    """The key attributes of an item."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def expiry(expires_at_s: int) -> Item:
    """The TTL attribute of an item."""
    return {"expires_at": {"N": str(expires_at_s)}}
