"""The typed objects of the store: segments, heads, stored traces, pending deletions and jobs. No I/O and no bytes."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from tracestore.domain.annotations import Annotation
from tracestore.domain.heads import Summary
from tracestore.domain.merge import joins_of
from tracestore.domain.spans import SpanUpdate

from . import keys

Item: TypeAlias = dict[str, dict[str, Any]]
"""An item as DynamoDB's API has it: each attribute with its type."""

ItemKey: TypeAlias = tuple[str, str]
"""Partition key and sort key."""

Partition: TypeAlias = tuple[str, str]
"""The name of an index, and a partition key of it."""

INDEXES: Final = ("by_time", "by_conversation", "by_status")
"""The indexes, named as the attributes that are their partition keys."""

INLINE_PAYLOAD_BYTES: Final = 700
"""A payload up to this size is stored inside its segment's item, which then still costs one write unit (1 KB)."""

PAYLOAD_ITEM_BYTES: Final = 110
"""Keys, names and expiry of an item with a payload, about; for estimates alone."""

MEDIUM_ITEM_BYTES: Final = 400
"""The same of the items of a medium."""

MERGED_DIGEST_DIGITS: Final = 10
"""Digits of each digest in a head: of 10¹¹ writers that lose a race, one mistakes another's segment for its own."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The updates that one request reported for one trace.

    `payload` is compressed as it is stored, and None where it was not read or the segment has none. `text` is the
    payload's JSON; it is set once the payload is in the fields of the updates. `base` is the digest of the segment that
    the payload is delta-encoded against. `payload_bytes` is the size of the stored payload, also where it was not read.
    """

    digest: str
    updates: tuple[SpanUpdate, ...]
    payload: bytes | None = None
    text: bytes | None = None
    base: str | None = None
    payload_bytes: int = field(default=0, compare=False)

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

    def reports(self, span_id: str) -> bool:
        """Whether it has an update of this span."""
        return any(update.fields["span_id"] == span_id for update in self.updates)


@dataclass(frozen=True, slots=True)
class _StoredHead:
    """The parts of every stored head, also after its trace lost its spans or was deleted.

    `version` grows by one with every put, and a trace id never has one twice. `generation` is the incarnation of the
    trace (not text generation): a trace id that is written again after its expiry gets a new one. `cursor_position` is
    the trace's sort key in the indexes and never changes.
    """

    version: int
    generation: str
    expires_at_s: int
    cursor_position: str
    created_ms: int
    updated_ms: int

    def is_expired(self, now_ms: int) -> bool:
        """Whether the trace may begin anew."""
        return self.expires_at_s * 1000 <= now_ms

    @property
    def position_ns(self) -> int:
        """The time of the trace's position in lists, in nanoseconds since 1970."""
        return keys.start_ns_of(self.cursor_position)


@dataclass(frozen=True, slots=True)
class Placeholder(_StoredHead):
    """In place of the head of a trace that has annotations, but no span yet.

    It counts as an expired head: there is no trace. The first writer of a span cannot miss it, and so reads the
    annotations.
    """

    def is_expired(self, now_ms: int) -> bool:
        """Always: there is no trace yet, and the first span begins it."""
        return True


@dataclass(frozen=True, slots=True)
class _LiveHead(_StoredHead):
    """The parts of a head that can take in further spans.

    `merged_digests` names the newest segments that the head was derived from. `merged_sum` is a sum over all of them;
    it is empty in a head that was stored before there were sums. `deleted` are the spans that were deleted for good.
    `inline_segment` is a segment stored inside the head. `compaction_started_ms` is when a writer last began a
    compaction. `other_bytes` and `annotation_bytes` are an estimate: the sizes of the trace's other items and of its
    annotations, as the head's writer knew them. They depend on how items were encoded, so equal traces may differ in
    them. They are apart because the writer of an annotation reads the annotations and no other item.
    """

    merged_digests: tuple[str, ...] = ()
    deleted: frozenset[str] = frozenset()
    inline_segment: Segment | None = None
    compaction_started_ms: int = 0
    other_bytes: int = field(default=0, compare=False)
    merged_sum: str = ""
    annotation_bytes: int = field(default=0, compare=False)

    def includes(self, segment: Segment) -> bool:
        """Whether it names this segment among those that it was derived from."""
        return segment.digest[:MERGED_DIGEST_DIGITS] in self.merged_digests


@dataclass(frozen=True, slots=True)
class Head(_LiveHead):
    """The one item of a trace that the indexes contain."""

    summary: Summary = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class EmptiedHead(_LiveHead):
    """The head of a trace whose spans were all deleted one by one. No list contains it; new spans fill it again."""


@dataclass(frozen=True, slots=True)
class Tombstone(_StoredHead):
    """The rest of a deleted trace, which refuses spans that arrive late.

    It `is_purged` once no other item of the trace is left. The job of a bulk deletion is in `deleted_by`; that job
    counts the `deleted_spans` once, however often it meets the tombstone.
    """

    is_purged: bool = field(kw_only=True)
    deleted_by: str = field(kw_only=True)
    deleted_spans: int = field(kw_only=True)


LiveHead: TypeAlias = Head | EmptiedHead
StoredHead: TypeAlias = Head | EmptiedHead | Tombstone | Placeholder


@dataclass(slots=True)
class StoredTrace:
    """The content of a trace's partition, as one Query read it: payloads only where the Query read them.

    `loose` are the segments with an item of their own; `compacted` has the sort key of each compacted item with the
    digests of its segments. `annotations` and the sizes of their items are by sort key; those in `waiting` came before
    the first span, and expire unless a writer stores them again. `index_items` are the items that only lead to the
    trace, aliases and the lesson index item, by sort key. `abandoned` are the sort keys of segments that no head
    includes: their writer was stopped before the head, and the trace began in a later hour. `is_cut` is set when there
    was more payload than the reader asked for: then some segments have their payload and others do not. `core_bytes` is
    the size of the items that were read, payloads and annotations left out.
    """

    head: StoredHead | None = None
    segments: dict[str, Segment] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    compacted: dict[str, list[str]] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    annotation_sizes: dict[str, int] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    index_items: dict[str, Item] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)
    is_cut: bool = False
    core_bytes: int = 0

    def annotations_without(self, deleted: Collection[str]) -> list[Annotation]:
        """The annotations, except those of deleted spans."""
        return [annotation for annotation in self.annotations.values() if annotation.span_id not in deleted]

    def annotation_bytes_without(self, deleted: Collection[str]) -> int:
        """The size of the annotations, except those of deleted spans."""
        annotations = self.annotations.items()
        return sum(self.annotation_sizes[sk] for sk, annotation in annotations if annotation.span_id not in deleted)

    def updates(self) -> Iterator[SpanUpdate]:
        for segment in self.segments.values():
            yield from segment.updates

    def other_bytes(self, inline_segment: Segment | None, without: Collection[str] = ()) -> int:
        """The size of all items except head and annotations, with the payloads of segments except those `without`."""
        in_head = inline_segment.digest if inline_segment and inline_segment.payload is not None else None
        return (
            self.core_bytes
            + self._media_bytes()
            + sum(
                segment.payload_bytes + (0 if self._has_payload_in_its_item(segment) else PAYLOAD_ITEM_BYTES)
                for digest, segment in self.segments.items()
                if segment.payload_bytes and digest != in_head and digest not in without
            )
        )

    def _media_bytes(self) -> int:
        """The size of the media that spans refer to, each once."""
        sizes: dict[str, int] = {}
        for update in self.updates():
            for name, size in update.fields.get("media", {}).items():
                sizes[name] = max(sizes.get(name, 0), size)
        return sum(size + MEDIUM_ITEM_BYTES for size in sizes.values())

    def _has_payload_in_its_item(self, segment: Segment) -> bool:
        return segment.digest in self.loose and segment.payload_bytes <= INLINE_PAYLOAD_BYTES

    def is_unread(self, digest: str) -> bool:
        """Whether a segment has a payload that is not in the fields of its updates."""
        segment = self.segments[digest]
        return segment.has_payload and segment.text is None

    def joins(self) -> dict[str, str]:
        """The span that each span from log records is about, by span id: see `log_joins`."""
        deleted = self.head.deleted if isinstance(self.head, Head | EmptiedHead) else ()
        return joins_of(update for update in self.updates() if update.fields["span_id"] not in deleted)

    def ids_of(self, span_id: str) -> set[str]:
        """The ids under which updates of this span are stored: its own, and those of records that are about it.

        *absent*: none for a span whose records are about another span.
        """
        joined = self.joins()
        ids = {other for other, target in joined.items() if target == span_id}
        return ids if span_id in joined else ids | {span_id}

    def digests_of(self, span_ids: Collection[str]) -> list[str]:
        """The segments that have an update with one of these span ids."""
        return [digest for digest, segment in self.segments.items() if any(map(segment.reports, span_ids))]


@dataclass(frozen=True, slots=True)
class DeletionScope:
    """The traces that a bulk deletion is about: all of them, or those that fit every value given here."""

    conversation_id: str | None = None
    before_ns: int | None = None
    lessons: bool = False
    lesson_id: str | None = None


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """A bulk deletion that hides what it includes until its job has removed it: a range tombstone.

    It includes traces that were first written before `requested_ms`. A trace that begins later is not affected.
    """

    job_id: str
    requested_ms: int
    scope: DeletionScope = DeletionScope()

    def includes(self, head: StoredHead) -> bool:
        """Whether this deletion is about the trace with this head."""
        if not isinstance(head, Head) or head.created_ms >= self.requested_ms:
            return False
        scope, summary = self.scope, head.summary
        return (
            (scope.conversation_id is None or summary.conversation_id == scope.conversation_id)
            and (scope.before_ns is None or head.position_ns < scope.before_ns)
            and (not scope.lessons or summary.is_lesson)
            and (scope.lesson_id is None or summary.lesson_id == scope.lesson_id)
        )


Credential: TypeAlias = Literal["jwt", "api_key", "operator"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller in whose name a request deletes: its user, who may act for a team, the kind of its credential, and the
    id of its API key.

    *absent*: None. `credential` is `operator` for the operator's own command, which reaches the table directly.
    """

    credential: Credential | None = None
    key_id: str | None = None
    user_id: str | None = None


DeletionKind: TypeAlias = Literal["trace", "span", "conversation", "before", "lesson", "lessons", "all", "prune"]

JobState: TypeAlias = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """A bulk deletion and its progress.

    `intent_log` names the traces that are being removed; they count once all of them are gone. `skipped` names the
    traces that could not be removed. `attempts` counts the steps since one last removed a trace. `ended_ms` is set when
    the job is done or has failed. `kind` and the fields after it describe the request, as an `Actor`. *absent*: None in
    a job that an earlier version started.
    """

    job_id: str
    state: JobState
    requested_ms: int
    traces: int = 0
    spans: int = 0
    version: int = 0
    ended_ms: int | None = None
    intent_log: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    attempts: int = 0
    kind: DeletionKind | None = None
    credential: Credential | None = None
    key_id: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeletionRecord:
    """One deletion in the append-only record: its actor, its kind, its time and its numbers.

    It contains no content and no id of a trace, a span or a conversation, because it outlives them. `record_id` is
    the id of the job for a bulk deletion. *absent*: `ended_ms` is None until the job has ended.
    """

    record_id: str
    kind: DeletionKind
    actor: Actor
    requested_ms: int
    state: JobState
    ended_ms: int | None
    traces: int
    spans: int


class StoredSize(NamedTuple):
    """One trace: its position in nanoseconds, its number of spans, and the estimated size of its items."""

    position_ns: int
    spans: int
    stored_bytes: int


class StoredSizes(NamedTuple):
    """The sizes of some traces, the cursor position to continue after, and how far back they reach.

    *absent*: None at the end of the list.
    """

    traces: list[StoredSize]
    next_position: str | None
    scanned_to_ns: int | None


@dataclass(frozen=True, slots=True)
class View:
    """A saved view of lists: a query string under a name and a title. `version` grows by one with every put."""

    name: str
    title: str
    query: str
    created_ms: int
    updated_ms: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """A share without its secret: read access to one generation of one trace of `user_id`, until it expires."""

    share_id: str
    user_id: str
    trace_id: str
    generation: str
    payloads: bool
    created_ms: int
    expires_at_s: int

    def is_expired(self, now_s: float) -> bool:
        """Whether the share is no longer valid."""
        return self.expires_at_s <= now_s


class RateLimits(NamedTuple):
    """The requests and the spans a second that an API key may send. *absent*: None without a limit."""

    requests_per_second: int | None = None
    spans_per_second: int | None = None


NO_LIMITS: Final = RateLimits()


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret. `expires_at_s` is None for a key that is valid until it is revoked."""

    key_id: str
    user_id: str
    name: str
    prefix: str
    scopes: frozenset[str]
    created_ms: int
    expires_at_s: int | None = None
    limits: RateLimits = NO_LIMITS

    def is_expired(self, now_s: float) -> bool:
        """Whether the key is no longer valid."""
        return self.expires_at_s is not None and self.expires_at_s <= now_s
