"""Documents of traces: segments, payloads and heads; also pending deletions and jobs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

from tracestore.domain.heads import Attempts, Previews, Summary
from tracestore.domain.merge import core_of, payload_of
from tracestore.domain.spans import SpanFields, SpanUpdate
from tracestore.domain.stats import NO_STATS
from tracestore.domain.usage import Usage, usage_of

from ..codec import decode, encode, pack, unpack
from ..model import (
    MERGED_DIGEST_DIGITS,
    DeletionScope,
    EmptiedHead,
    Head,
    Job,
    PendingDeletion,
    Placeholder,
    Segment,
    StoredHead,
    Tombstone,
)
from .annotations import annotations_document, annotations_from_document
from .positional import extended
from .stats import StoredStats, stats_document

_PAYLOAD_FLAGS: Final = {
    "input_data": "i",
    "output_data": "o",
    "metadata": "m",
    "log_messages": "l",
    "error_stack": "k",
    "events": "e",
    "links": "n",
}
_PAYLOAD_FIELD_OF_FLAG: Final = {flag: name for name, flag in _PAYLOAD_FLAGS.items()}


def payload_flags(update: SpanUpdate) -> str:
    """A letter for each payload field that an update reports."""
    return _flags(update.payload_fields)


@lru_cache(maxsize=256)
def _flags(payload_fields: tuple[str, ...]) -> str:
    return "".join(_PAYLOAD_FLAGS[name] for name in payload_fields)


@lru_cache(maxsize=256)
def _payload_fields(flags: str) -> tuple[str, ...]:
    return tuple(_PAYLOAD_FIELD_OF_FLAG[flag] for flag in flags)


def segment_document(segment: Segment, *, is_first: bool = False, payload_apart: bool = True) -> dict[str, Any]:
    """The core of a segment.

    *shape*: `h` digest, `t` time of arrival in milliseconds, `r` precedence, `b` the segment that its payload is
    delta-encoded against, `n` the bytes of its payload where that is stored apart from the core, `s` a list of
    [digest, payload flags, fields]. `t` is 0 in a segment that `is_first`, which came when the trace was created: a
    retry stores it again before it reads the head, and must change nothing. *absent*: an earlier version stored no `n`.
    """
    base: dict[str, Any] = {"b": segment.base} if segment.base else {}
    if payload_apart and segment.payload_bytes:
        base["n"] = segment.payload_bytes
    return base | {
        "h": segment.digest,
        "t": 0 if is_first else segment.received_ms,
        "r": segment.updates[0].precedence,
        "s": [[update.digest, payload_flags(update), core_of(update.fields)] for update in segment.updates],
    }


def segments_from_documents(
    documents: Iterable[Mapping[str, Any]], created_ms: int, payload: bytes | None = None
) -> list[Segment]:
    """The segments of these documents; `created_ms` is the arrival of those that came first.

    `payload` is that of a single segment, packed, from the same item. *absent*: the segments have none.
    """
    return [
        Segment(
            document["h"],
            tuple(
                SpanUpdate(
                    span_fields,
                    digest,
                    _payload_fields(flags),
                    document["t"] or created_ms,
                    document["r"],
                )
                for digest, flags, span_fields in document["s"]
            ),
            payload,
            base=document.get("b"),
            payload_bytes=document.get("n", 0) if payload is None else len(payload),
        )
        for document in documents
    ]


def pack_segments(segments: Iterable[Segment], *, is_first: bool = False, payload_apart: bool = True) -> bytes:
    """The cores of one or more segments as stored bytes."""
    return pack([segment_document(segment, is_first=is_first, payload_apart=payload_apart) for segment in segments])


def unpack_segments(packed: bytes, created_ms: int, payload: bytes | None = None) -> list[Segment]:
    """The segments that `pack_segments` was given; a `payload` is that of a single segment. *raises*: Unreadable."""
    return segments_from_documents(unpack(packed), created_ms, payload)


def payload_text(updates: Sequence[SpanUpdate]) -> bytes:
    """The payload of a segment as JSON: for each update, in order, an object of its payload fields."""
    texts = [update.payload_text or encode(payload_of(update.fields)) for update in updates]
    return b"[%b]" % b",".join(texts)


def with_payload(updates: Sequence[SpanUpdate], text: bytes) -> tuple[SpanUpdate, ...]:
    """The updates with the payload fields that `payload_text` was given."""
    return tuple(
        SpanUpdate(
            cast(SpanFields, {**update.fields, **payload}),
            update.digest,
            update.payload_fields,
            update.received_ms,
            update.precedence,
        )
        for update, payload in zip(updates, decode(text), strict=True)
    )


_ABSENT_IN_HEAD: Final[dict[str, Any]] = {
    **{"c": 0, "u": 0, "s": None, "n": [], "k": "", "x": [], "f": [], "l": 0, "b": 0, "m": "", "a": 0},
    **{"d": [], "w": False},
}
"""The content of a head where its document has no such key."""

_EMPTY_SUMMARY: Final = Summary("", "", "", 0, None, 0, 0, usage_of([], []), None, None, None)

_EMPTY_VALUES: Final = {field.name: getattr(_EMPTY_SUMMARY, field.name) for field in fields(Summary)}
_EMPTY_USAGE_VALUES: Final = {field.name: getattr(_EMPTY_SUMMARY.usage, field.name) for field in fields(Usage)}
"""The values of an empty summary by name. Lists make a summary of each head, and `replace` takes twice as long."""

T = TypeVar("T", Summary, Usage)


def pack_head(head: StoredHead) -> bytes:
    """The content of a head or a tombstone, except what has attributes of its own.

    *shape*: `c` created and `u` updated, in milliseconds; `s` summary; `n` its annotations; `k` the merged digests,
    joined; `x` deleted span ids; `f` the inlined segment; `l` start of the last compaction, in milliseconds; `b` bytes
    of the other items; `a` bytes of the annotations; `m` the merged sum; `d` of a tombstone: [true, whether it is
    purged, the job, the number of deleted spans]; `w` true in a placeholder. `a`, `b` and `m` are absent in heads of
    earlier versions.
    """
    content: dict[str, Any] = {"c": head.created_ms, "u": head.updated_ms}
    if isinstance(head, Tombstone):
        content["d"] = [True, head.is_purged, head.deleted_by, head.deleted_spans]
    elif isinstance(head, Placeholder):
        content["w"] = True
    else:
        content |= {
            "s": _summary_document(head.summary) if isinstance(head, Head) else None,
            "n": annotations_document(head.summary.annotations) if isinstance(head, Head) else [],
            "k": "".join(head.merged_digests),
            "x": sorted(head.deleted),
            "f": [
                segment_document(segment, is_first=True, payload_apart=segment.payload is None)
                for segment in (head.inline_segment,)
                if segment
            ],
            "l": head.compaction_started_ms,
            "b": head.other_bytes,
            "m": head.merged_sum,
            "a": head.annotation_bytes,
        }
    return pack({name: value for name, value in content.items() if value})


def unpack_head(
    packed: bytes,
    *,
    version: int,
    generation: str,
    expires_at_s: int,
    cursor_position: str,
    payload: bytes | None = None,
) -> StoredHead:
    """The head that `pack_head` was given; `payload` is that of its inlined segment, packed. *raises*: Unreadable."""
    content = _ABSENT_IN_HEAD | unpack(packed)
    stored = (version, generation, expires_at_s, cursor_position, content["c"], content["u"])
    if content["d"]:
        _, is_purged, deleted_by, deleted_spans = extended(content["d"], (True, False, "", 0))
        return Tombstone(*stored, is_purged=is_purged, deleted_by=deleted_by, deleted_spans=deleted_spans)
    if content["w"]:
        return Placeholder(*stored)
    (inline_segment,) = segments_from_documents(content["f"], content["c"], payload) or (None,)
    live = (
        *stored,
        tuple(re.findall("." * MERGED_DIGEST_DIGITS, content["k"])),
        frozenset(content["x"]),
        inline_segment,
        content["l"],
        content["b"],
        content["m"],
        content["a"],
    )
    return EmptiedHead(*live) if content["s"] is None else Head(*live, summary=_summary_from(content))


def unpack_summary(packed: bytes) -> Summary | None:
    """The summary in a head's content, without the work of reading the rest; None where it has none."""
    content = _ABSENT_IN_HEAD | unpack(packed)
    return None if content["s"] is None else _summary_from(content)


def _summary_document(summary: Summary) -> dict[str, Any]:
    """A summary without the values that an empty one has. `asdict` would copy every list in it."""
    document = _changed(summary, _EMPTY_VALUES) | {"usage": _changed(summary.usage, _EMPTY_USAGE_VALUES)}
    document.pop("annotations", None)  # apart from it, so that earlier versions can read the head
    if summary.stats is not NO_STATS:
        document["stats"] = stats_document(summary.stats)
    return document


def _changed(value: Any, empty: Mapping[str, Any]) -> dict[str, Any]:
    values = vars(value)
    return {name: values[name] for name, absent in empty.items() if values[name] != absent}


def _summary_from(content: Mapping[str, Any]) -> Summary:
    document = content["s"]
    usage = _instance(Usage, {**_EMPTY_USAGE_VALUES, **document["usage"]})
    values = {**_EMPTY_VALUES, **document, "usage": usage}
    for name in ("values_cut", "fallback_providers"):
        values[name] = tuple(values[name])
    if content["n"]:
        values["annotations"] = annotations_from_document(content["n"])
    if "previews" in document:
        values["previews"] = Previews(values["previews"][0], values["previews"][1], tuple(values["previews"][2]))
    if "attempts" in document:
        values["attempts"] = tuple(
            Attempts(group, tuple(span_ids), outcome, wasted) for group, span_ids, outcome, wasted in values["attempts"]
        )
    if "stats" in document:
        values["stats"] = StoredStats(values["stats"])
    return _instance(Summary, values)


def _instance(kind: type[T], values: Mapping[str, Any]) -> T:
    """An instance of a frozen dataclass with all of these values. Its own constructor takes four times as long."""
    made = object.__new__(kind)
    vars(made).update(values)
    return made


def pack_pending_deletions(pending_deletions: Iterable[PendingDeletion]) -> bytes:
    """A user's pending deletions as stored bytes."""
    return pack(
        [
            {
                "job_id": pending.job_id,
                "made_ms": pending.requested_ms,
                "conversation_id": pending.scope.conversation_id,
                "before_ns": pending.scope.before_ns,
                "lessons": pending.scope.lessons,
                "lesson_id": pending.scope.lesson_id,
            }
            for pending in pending_deletions
        ]
    )


def unpack_pending_deletions(packed: bytes) -> tuple[PendingDeletion, ...]:
    """The pending deletions that `pack_pending_deletions` was given. *raises*: Unreadable."""
    return tuple(
        PendingDeletion(document.pop("job_id"), document.pop("made_ms"), DeletionScope(**document))
        for document in unpack(packed)
    )


_JOB_NAMES: Final = {"requested_ms": "made_ms", "intent_log": "plan"}
"""The stored names of a job's fields where they differ from the field's own."""


def pack_job(job: Job) -> bytes:
    """A job as stored bytes."""
    return pack({_JOB_NAMES.get(field.name, field.name): getattr(job, field.name) for field in fields(job)})


def unpack_job(packed: bytes) -> Job:
    """The job that `pack_job` was given. *raises*: Unreadable."""
    document = unpack(packed)
    stored_names = {field.name: _JOB_NAMES.get(field.name, field.name) for field in fields(Job)}
    values: dict[str, Any] = {name: document[stored] for name, stored in stored_names.items() if stored in document}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Job(**values)
