"""Segments: what one request brought for one trace, as records and as items.

The light part of a segment and its payload are packed apart. A **document** is the JSON of a light part: `h` its
digest, `t` when it came, `r` its rank, `b` the segment that its payload leans on, `s` its records as
`[digest, payload fields, facts]`. A segment item holds one document, a fold many, a head at most one.

A payload may **lean** on that of an earlier segment: zstd starts with the other's text as if it had just read it, and
what a long run repeats of its history costs next to nothing. Then it can be read only with what it leans on, so what
others lean on is never removed before they stand alone (`erasure`).
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from tracestore.domain.merge import core_of, payload_of
from tracestore.domain.spans import PAYLOAD_FIELDS, SpanFields, SpanUpdate, digest_of

from . import keys
from .codec import compress, decompress, encode, is_delta_encoded, pack

Item = dict[str, dict[str, Any]]

PART_BYTES: Final = 380_000
"""Payload in one item; DynamoDB's limit is 400 KB with keys and names (409,600 bytes)."""

CORE_BYTES: Final = 380_000
"""Light parts in one item, by the same limit."""

INLINE_PAYLOAD_BYTES: Final = 700
"""A payload up to this size rides in its segment's item, which then still costs one write unit (1 KB)."""

DIGEST_DIGITS: Final = 16

_FLAGS: Final = dict(zip(PAYLOAD_FIELDS, "ioml", strict=True))
_FIELDS: Final = {flag: name for name, flag in _FLAGS.items()}


@dataclass(frozen=True, slots=True)
class Segment:
    """What one request brought for one trace.

    `payload` is packed as it is stored, and None where it was not read or there is none; `text` is the JSON of it, and
    there once the payload is in the facts of the records. `base` is the digest of the segment it leans on.
    """

    digest: str
    updates: tuple[SpanUpdate, ...]
    payload: bytes | None = None
    text: bytes | None = None
    base: str | None = None

    @property
    def received_ms(self) -> int:
        return self.updates[0].received_ms

    @property
    def has_payload(self) -> bool:
        return any(update.payload_fields for update in self.updates)

    @property
    def is_payload_inline(self) -> bool:
        """Whether the payload is in the segment's own item."""
        return self.payload is not None and len(self.payload) <= INLINE_PAYLOAD_BYTES

    def joined_with(self, parts: Iterable[Item]) -> "Segment":
        """The same with the payload that these items hold; unchanged while one of them is missing.

        One that stands alone is taken before one that leans, whatever the light part says: it can always be read.
        """
        by_name = {part["sk"]["S"].rpartition("#")[2]: part for part in parts}
        first = by_name.get("0000")
        names = [f"{number:04d}" for number in range(int(first["parts"]["N"]))] if first else [self.base or ""]
        if not all(name in by_name for name in names):
            return self
        return replace(self, payload=b"".join(by_name[name]["payload"]["B"] for name in names))

    def opened(self, base_text: bytes | None) -> "Segment":
        """The same with its payload in the facts of its records, given the text that it leans on."""
        assert self.payload is not None
        text = decompress(self.payload, base_text)
        updates = tuple(
            replace(update, fields=cast(SpanFields, {**update.fields, **fields}))
            for update, fields in zip(self.updates, json.loads(text), strict=True)
        )
        return replace(self, updates=updates, text=text)

    def delta_encoded(self, base: str, base_text: bytes) -> "Segment":
        """The same with its payload packed so that it can be read only with that of segment `base`."""
        assert self.text is not None
        return replace(self, payload=compress(self.text, base_text), base=base)

    def rebased(self) -> "Segment":
        """The same with its payload packed so that it needs no other."""
        return self if self.base is None or self.text is None else replace(self, payload=compress(self.text), base=None)


def open_payloads(segments: dict[str, Segment], most_bytes: int | None = None) -> bool:
    """Open every payload that is at hand with all that it leans on; the others stay as they are.

    Stops, and returns False, when what it has opened is more than `most_bytes`.
    """
    opened_bytes = 0
    for digest in list(segments):
        chain: list[str] = []
        at: str | None = digest
        while at is not None and at in segments and segments[at].text is None and segments[at].payload is not None:
            if at in chain:
                break  # nothing is ever stored so, and reading it would not end
            chain.append(at)
            at = segments[at].base if is_delta_encoded(segments[at].payload or b"") else None
        base_text = segments[at].text if at is not None and at in segments else None
        if at is not None and base_text is None:
            continue
        for link in reversed(chain):
            segments[link] = segments[link].opened(base_text)
            base_text = segments[link].text
            opened_bytes += len(base_text or b"")
            if most_bytes is not None and opened_bytes > most_bytes:
                return False
    return True


def segment_of(updates: Iterable[SpanUpdate]) -> Segment:
    """The segment of these records. The same records, in any order, make the same digest."""
    unique = {(update.precedence, update.digest): update for update in updates}
    ordered = tuple(unique[key] for key in sorted(unique))
    names = "\n".join(f"{update.precedence}:{update.digest}:{_flags(update)}" for update in ordered)
    text = None
    if any(update.payload_fields for update in ordered):
        text = encode([payload_of(update.fields) for update in ordered])
        names += "\n" + digest_of(text)  # the records' digests do not tell the order of keys, which others lean on
    return Segment(_digest_of(names), ordered, None if text is None else compress(text), text)


def segments_of(updates: Iterable[SpanUpdate]) -> list[Segment]:
    """One segment of these records, or several where its light part would not fit into an item."""
    segment = segment_of(updates)
    most_bytes = 4 * len(json.dumps(document_of(segment), ensure_ascii=False))
    if most_bytes <= CORE_BYTES or len(segment.updates) == 1 or len(pack([document_of(segment)])) <= CORE_BYTES:
        return [segment]
    middle = len(segment.updates) // 2
    return [*segments_of(segment.updates[:middle]), *segments_of(segment.updates[middle:])]


def segment_items(
    trace_pk: str, generation: str, segment: Segment, expires_at_s: int, *, is_first: bool = False
) -> list[Item]:
    """The items that store a segment by itself: its light part, with a small payload aboard, and payload parts.

    A segment that `is_first` came when the trace was created. It does not say when, so that sending it again, which
    stores it anew before the head is looked at, changes nothing.
    """
    document = document_of(segment) | ({"t": 0} if is_first else {})
    core: Item = {**key(trace_pk, keys.segment(generation, segment.digest)), **expiry(expires_at_s)}
    core["light"] = {"B": pack([document])}
    if segment.is_payload_inline:
        core["payload"] = {"B": segment.payload}
        return [core]
    return [core, *payload_items(trace_pk, generation, segment, expires_at_s)]


def payload_items(trace_pk: str, generation: str, segment: Segment, expires_at_s: int) -> list[Item]:
    """The payload of a segment in parts. The first tells how many there are, so that a missing one shows."""
    payload = segment.payload or b""
    if is_delta_encoded(payload):
        assert segment.base is not None
        sk = keys.delta_payload(generation, segment.digest, segment.base)
        return [{**key(trace_pk, sk), **expiry(expires_at_s), "payload": {"B": payload}}]
    parts = [payload[start : start + PART_BYTES] for start in range(0, len(payload), PART_BYTES)]
    items: list[Item] = [
        {
            **key(trace_pk, keys.payload_part(generation, segment.digest, number)),
            **expiry(expires_at_s),
            "payload": {"B": part},
        }
        for number, part in enumerate(parts)
    ]
    if items:
        items[0]["parts"] = {"N": str(len(parts))}
    return items


def compacted_items(trace_pk: str, generation: str, segments: Sequence[Segment], expires_at_s: int) -> list[Item]:
    """The light parts of many segments, in one item or as few as they fit into."""
    if not segments:
        return []
    core = pack([document_of(segment) for segment in segments])
    if len(core) > CORE_BYTES and len(segments) > 1:
        halves = segments[: len(segments) // 2], segments[len(segments) // 2 :]
        return [item for half in halves for item in compacted_items(trace_pk, generation, half, expires_at_s)]
    names = "\n".join(sorted(segment.digest for segment in segments))
    digest = _digest_of(names)
    return [{**key(trace_pk, keys.compacted_segment(generation, digest)), **expiry(expires_at_s), "light": {"B": core}}]


def _digest_of(names: str) -> str:
    return hashlib.blake2b(names.encode(), digest_size=DIGEST_DIGITS // 2).hexdigest()


def document_of(segment: Segment) -> dict[str, Any]:
    """The light part of a segment as JSON."""
    base = {"b": segment.base} if segment.base else {}
    return base | {
        "h": segment.digest,
        "t": segment.received_ms,
        "r": segment.updates[0].precedence,
        "s": [[update.digest, _flags(update), core_of(update.fields)] for update in segment.updates],
    }


def _flags(update: SpanUpdate) -> str:
    return "".join(_FLAGS[name] for name in update.payload_fields)


def segments_from(documents: list[dict[str, Any]], created_ms: int) -> list[Segment]:
    """The segments of these documents, without payloads. One that does not say when it came began the trace."""
    return [
        Segment(
            document["h"],
            tuple(
                SpanUpdate(
                    fields, digest, tuple(_FIELDS[flag] for flag in flags), document["t"] or created_ms, document["r"]
                )
                for digest, flags, fields in document["s"]
            ),
            base=document.get("b"),
        )
        for document in documents
    ]


def key(pk: str, sk: str) -> Item:
    """The key attributes of an item."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def expiry(expires_at_s: int) -> Item:
    """The attribute that tells when an item goes."""
    return {"expires_at": {"N": str(expires_at_s)}}
