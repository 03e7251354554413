"""The media of a trace: the content of each is stored once, however many of its spans refer to it.

An item describes the medium, and parts contain its content. The description is stored last: where it is stored, all
parts are. A segment is stored only after the media that it refers to. Media stay until the trace is deleted or
expires: another writer may be about to refer to one. A medium is returned only while a span refers to it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tracestore.domain.errors import NotFound
from tracestore.domain.media import Medium, name_of
from tracestore.domain.merge import merge
from tracestore.domain.spans import SpanUpdate

from . import keys
from .items import keys_of
from .model import Head, Item, ItemKey, LiveHead, StoredTrace
from .reading import visible_head
from .segments import PART_BYTES, expiry, key
from .store import Scope, expiry_of_companions

NO_MEDIA: Final[Mapping[str, Medium]] = {}
NO_SUCH_MEDIUM: Final = "There is no such medium in this trace."


def media_of(updates: Iterable[SpanUpdate], media: Mapping[str, Medium]) -> dict[str, Medium]:
    """Those of `media` that these updates refer to."""
    if not media:
        return {}
    names = {name for update in updates for name in update.fields.get("media", ())}
    return {sha256: medium for sha256, medium in media.items() if name_of(sha256) in names}


def put_media(scope: Scope, trace_id: str, head: LiveHead, media: Mapping[str, Medium]) -> list[ItemKey]:
    """Store the media that the trace with this head does not have; returns the keys of the new items.

    *repeat*: writes nothing. Two writers at the same time write the same items.
    """
    if not media:
        return []
    pk, expires_at_s = scope.trace_pk(trace_id), expiry_of_companions(head.expires_at_s)
    stored = scope.table.get_many((pk, keys.medium(head.generation, sha256)) for sha256 in media)
    new = {
        sha256: medium for sha256, medium in media.items() if (pk, keys.medium(head.generation, sha256)) not in stored
    }
    items = [
        item
        for sha256, medium in new.items()
        for item in medium_items(pk, head.generation, sha256, medium, expires_at_s)
    ]
    scope.table.write(item for item in items if "content" in item)
    scope.table.write(item for item in items if "content" not in item)
    return keys_of(items)


def medium_items(trace_pk: str, generation: str, sha256: str, medium: Medium, expires_at_s: int) -> list[Item]:
    """The items of a medium: its description, with the number of parts, then the parts."""
    content = medium.content
    parts = [content[start : start + PART_BYTES] for start in range(0, len(content), PART_BYTES)]
    description: Item = {
        **key(trace_pk, keys.medium(generation, sha256)),
        **expiry(expires_at_s),
        "parts": {"N": str(len(parts))},
        "mime_type": {"S": medium.mime_type},
    }
    return [
        description,
        *(
            {
                **key(trace_pk, keys.medium_part(generation, sha256, index)),
                **expiry(expires_at_s),
                "content": {"B": part},
            }
            for index, part in enumerate(parts, 1)
        ),
    ]


def medium_from(items: Iterable[Item]) -> Medium | None:
    """The medium in its items. *absent*: None while one of them is missing."""
    description, *parts = list(items) or [{}]
    if "parts" not in description or len(parts) != int(description["parts"]["N"]):
        return None
    return Medium(description["mime_type"]["S"], b"".join(part["content"]["B"] for part in parts))


def read_media(scope: Scope, trace_id: str, head: Head, hashes: Iterable[str]) -> Iterator[tuple[str, Medium]]:
    """The media with these hashes that the trace has, one after the other, without a check of its spans."""
    pk = scope.trace_pk(trace_id)
    for sha256 in hashes:
        medium = medium_from(scope.table.query(pk, *keys.medium_range(head.generation, sha256)))
        if medium is not None:
            yield sha256, medium


def read_medium(scope: Scope, trace_id: str, sha256: str) -> Medium:
    """A medium that a span of the trace refers to. *raises*: NotFound."""
    stored = scope.read_core(trace_id)
    head = visible_head(scope, stored)
    if _is_referred_to(stored, head, sha256):
        for _, medium in read_media(scope, trace_id, head, [sha256]):
            return medium
    raise NotFound(NO_SUCH_MEDIUM)


def _is_referred_to(stored: StoredTrace, head: Head, sha256: str) -> bool:
    """Whether a span shows a value that refers to the medium: its deleted spans and replaced values do not count."""
    name = name_of(sha256)
    referring = [update for update in stored.updates() if name in update.fields.get("media", ())]
    joined = stored.joins()
    ids = [(joined.get(update.fields["span_id"], update.fields["span_id"]), update) for update in referring]
    spans = merge(stored.updates(), head.deleted) if referring else []
    shown = {(span.span_id, digest) for span in spans for digest in span.payload_from.values()}
    return any((span_id, update.digest) in shown or _is_joined(update, head) for span_id, update in ids)


def _is_joined(update: SpanUpdate, head: Head) -> bool:
    """Whether an update has log messages or amendable metadata, which are joined with those of other updates."""
    is_joined = "log_messages" in update.payload_fields or "report_order" in update.fields
    return is_joined and update.fields["span_id"] not in head.deleted
