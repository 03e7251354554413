"""The one face of the store: everything that a request may read or write of one user.

A reader or a writer is bound to a user and a deadline by its constructor. No method takes a user, and the table below
refuses the partitions of any other user (`store.UserTable`), so no input of a request can reach another user's data. A
function that only reads is given a `UserReader`.

For every method: *raises*: Unavailable when DynamoDB is throttled or out of reach, or when the deadline is too near.
A trace that is absent, expired, deleted, in a pending deletion, or another user's is the same: NotFound, or left out of
lists. The modules below are the implementation: routes import this module and `model`. Those of counters and of bulk
deletions are imported when they are used: the capture function starts faster without them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import NotFound
from tracestore.domain.media import Medium
from tracestore.domain.merge import Span
from tracestore.domain.span_text import SpanTexts
from tracestore.domain.spans import CAPTURED, SpanFields

from . import (
    annotations,
    api_keys,
    deletes,
    deletion_records,
    keys,
    lessons,
    listing,
    media,
    patching,
    pending_deletions,
    reading,
    writer,
)
from .deadline import Deadline
from .deletes import DELETE_THREADS
from .lessons import LessonQuery, Offset
from .listing import ListedTrace, Page, TraceQuery
from .media import NO_MEDIA
from .model import (
    Actor,
    ApiKey,
    DeletionRecord,
    DeletionScope,
    Head,
    Job,
    PendingDeletion,
    Share,
    StoredHead,
    StoredSizes,
    View,
)
from .reading import LazyTrace, TraceState
from .store import NO_ACTOR, Store
from .versions import Version, parse_version
from .writer import Rejection

if TYPE_CHECKING:
    from tracestore.domain.buckets import Bucket
    from tracestore.domain.counters import ConversationCounter, MarginalCounter

    from .bulk import Report
    from .conversations import ListedConversation

__all__ = [
    "LazyTrace",
    "LessonQuery",
    "ListedTrace",
    "Offset",
    "Page",
    "Rejection",
    "TraceQuery",
    "TraceReader",
    "TraceState",
    "UserReader",
    "UserWriter",
    "Version",
    "parse_version",
]


class TraceReader(Protocol):
    """The part of a reader that reads single traces; a share has no other. See `UserReader`."""

    @property
    def shows_payloads(self) -> bool: ...

    def trace_tag(self, trace_id: str) -> tuple[Head, bytes]: ...

    def trace_state(self, trace_id: str, payload_bytes: int = 0, since: Version | None = None) -> TraceState: ...

    def whole_spans(self, trace_id: str, state: TraceState, span_ids: Sequence[str]) -> Iterator[Span]: ...

    def lazy_trace(self, trace_id: str) -> LazyTrace: ...

    def span(self, trace_id: str, span_id: str) -> tuple[Head, Span]: ...

    def medium(self, trace_id: str, sha256: str) -> Medium: ...


class UserReader:
    """A reader of one user's traces, lessons, counters and jobs.

    One that `repairs` puts the head of a trace that it reads where a writer was interrupted before, see `repair`.
    """

    def __init__(self, store: Store, user_id: str, deadline: Deadline, *, repairs: bool = False) -> None:
        self._scope = store.scope(user_id, deadline, repairs=repairs)

    @property
    def user_id(self) -> str:
        """The user whose data this reads."""
        return self._scope.user_id

    @property
    def is_budget_spent(self) -> bool:
        """Whether the request has read as much as one request may: a page ends then with what it has."""
        return self._scope.budget.is_spent

    def trace(
        self, trace_id: str, *, payloads: bool, pending_deletions: Sequence[PendingDeletion] | None = None
    ) -> tuple[Head, list[Span]]:
        """One trace: its head, and its spans in the order of their start.

        Without `payloads` the spans have no payload fields, and no payload is read. A caller that reads many traces
        reads the user's `pending_deletions` once and passes them. *raises*: NotFound.
        """
        return reading.read_trace(self._scope, trace_id, payloads=payloads, pending_deletions=pending_deletions)

    def trace_within(
        self, trace_id: str, payload_bytes: int, pending_deletions: Sequence[PendingDeletion] | None = None
    ) -> tuple[Head, list[Span], bool]:
        """One trace as `trace` with payloads, and whether all payloads were read: at most `payload_bytes` are.

        A trace may have hundreds of megabytes, more than a function has time and memory for. *raises*: NotFound.
        """
        return reading.read_trace_within(self._scope, trace_id, payload_bytes, pending_deletions)

    def listed_trace_within(
        self, listed: ListedTrace, payload_bytes: int, pending_deletions: Sequence[PendingDeletion]
    ) -> tuple[Head, list[Span], bool]:
        """A trace of a list as `trace_within`. Nothing is read where its head contains the whole trace."""
        return reading.read_listed_within(self._scope, listed, payload_bytes, pending_deletions)

    def lazy_trace(self, trace_id: str, pending_deletions: Sequence[PendingDeletion] | None = None) -> LazyTrace:
        """One trace whose payloads are read on demand, those of a few spans at a time. *raises*: NotFound."""
        return reading.read_lazily(self._scope, trace_id, pending_deletions)

    @property
    def shows_payloads(self) -> bool:
        """Whether any payload can be read."""
        return True

    def trace_tag(self, trace_id: str, *, key: bytes = b"") -> tuple[Head, bytes]:
        """A trace's head, and the tag of its present state, from the head alone: every change changes it.

        `key` is the secret key of its digests, see `versions`. *raises*: NotFound.
        """
        return reading.read_tag(self._scope, trace_id, key)

    def trace_state(
        self, trace_id: str, payload_bytes: int = 0, since: Version | None = None, *, key: bytes = b""
    ) -> TraceState:
        """One trace with its version, with at most `payload_bytes` of payload, and its spans as they were `since`.

        `key` is as in `trace_tag`. *raises*: NotFound.
        """
        return reading.read_state(self._scope, trace_id, payload_bytes, since, key)

    def whole_spans(self, trace_id: str, state: TraceState, span_ids: Sequence[str]) -> Iterator[Span]:
        """These spans of a trace that was read, with payloads, which are read lazily, those of a few at a time."""
        return reading.read_whole_spans(self._scope, trace_id, state.stored, span_ids)

    def span(self, trace_id: str, span_id: str) -> tuple[Head, Span]:
        """One span with its payload, and the head of its trace. *raises*: NotFound."""
        return reading.read_span(self._scope, trace_id, span_id)

    def medium(self, trace_id: str, sha256: str) -> Medium:
        """A medium that a span of the trace refers to, by the hash of its content. *raises*: NotFound."""
        return media.read_medium(self._scope, trace_id, sha256)

    def media(self, trace_id: str, head: Head, hashes: Iterable[str]) -> Iterator[tuple[str, Medium]]:
        """The media that spans of a trace refer to, which the caller has read with this head, by their hashes.

        *shape*: read lazily, one after the other. *absent*: left out.
        """
        return media.read_media(self._scope, trace_id, head, hashes)

    def spans_after(self, position: str, order: tuple[int, str]) -> tuple[ListedTrace, Iterator[Span]]:
        """The trace at a cursor position, and its spans after `order` (start in nanoseconds, span id) with payloads.

        *shape*: by start; payloads are read lazily, those of a few spans at a time, so that a trace of any size can be
        read. *raises*: NotFound.
        """
        trace_id = keys.trace_id_at(position)
        head, spans = reading.read_spans_after(self._scope, trace_id, order)
        return ListedTrace(trace_id, head), spans

    def annotations(self, trace_id: str) -> tuple[list[Annotation], StoredHead | None]:
        """The annotations of a trace and of its spans, and its head.

        *shape*: by name, then by span, those of the trace first, then by id. *absent*: the head is no `Head` where the
        trace has no span; then there is at least one annotation. *raises*: NotFound.
        """
        return annotations.read_annotations(self._scope, trace_id)

    def traces(self, query: TraceQuery, limit: int, after: str | None = None, budget_share: float = 1) -> Page:
        """A page of at most `limit` traces, those after cursor position `after`.

        A request that needs several pages gives each a share of its budget.

        *shape*: by start, newest first unless the query says otherwise. A page may be short or empty without being the
        last; only a `next_position` of None ends a list. A trace that is written while a caller pages is neither
        repeated nor moved.
        """
        return listing.list_traces(self._scope, query, limit, after, budget_share)

    def trace_of_span(self, span_id: str) -> str:
        """The id of the newest trace with a span of this id: the trace of the same id, or one that an alias names.

        Only spans that were sent by a protocol which refers to them by their id alone have an alias. An alias may be
        found some milliseconds after its span is stored, so the index is asked again, for half a second in a
        request. *raises*: NotFound.
        """
        return listing.trace_of_span(self._scope, span_id)

    def turn_number(self, conversation_id: str, position: str) -> int:
        """The number of the turn at a cursor position, counted from the oldest trace of its conversation.

        Costs half a read unit for about 25 turns. Traces within the conversation that a pending deletion hides count.
        """
        return listing.turn_number(self._scope, conversation_id, position)

    def turn_before(self, conversation_id: str, position: str) -> ListedTrace | None:
        """The newest trace of a conversation before a cursor position. *absent*: None."""
        return listing.turn_before(self._scope, conversation_id, position)

    def newest_turn(self, conversation_id: str) -> ListedTrace | None:
        """The newest trace of a conversation. *absent*: None."""
        return listing.turn_before(self._scope, conversation_id)

    def newest_traces(self, from_ns: int, to_ns: int, most: int) -> list[str]:
        """The ids of the newest traces of a time range, at most `most`, as the indexes have them.

        *shape*: newest first; deleted and hidden traces may be among them, so their heads decide.
        """
        return listing.newest_in(self._scope, from_ns, to_ns, most)

    def heads(self, trace_ids: Iterable[str]) -> dict[str, Head]:
        """The heads of these traces by trace id. *absent*: left out."""
        by_pk = {self._scope.trace_pk(trace_id): trace_id for trace_id in trace_ids}
        return {by_pk[pk]: head for pk, head in listing.visible_heads(self._scope, by_pk).items()}

    def stored_sizes(self, query: TraceQuery, most: int, after: str | None = None) -> StoredSizes:
        """The estimated sizes of the traces after cursor position `after`; filters do not apply.

        *shape*: newest first; at most `most` traces are examined, at a read unit each.
        """
        from .stored_sizes import read_stored_sizes

        return read_stored_sizes(self._scope, query, most, after)

    def lessons(self, query: LessonQuery, limit: int, after: str | None = None) -> Page:
        """A page of at most `limit` lesson traces, newest first, those after cursor position `after`; as `traces`."""
        return lessons.list_lessons(self._scope, query, limit, after)

    def skip_lessons(self, query: LessonQuery, offset: int = 0) -> Offset:
        """The total of a list of lessons, and the cursor position after its first `offset`.

        Costs half a read unit for about twenty lessons. A query by lesson and status reads the heads of the lesson: no
        index has both.
        """
        return lessons.skip_lessons(self._scope, query, offset)

    def lesson_head(self, trace_ids: Sequence[str]) -> ListedTrace:
        """The first lesson trace that has one of these ids, with its head. *raises*: NotFound; a trace that is no
        lesson trace counts as absent.
        """
        return lessons.read_lesson_head(self._scope, trace_ids)

    def counters(self, buckets: Iterable["Bucket"]) -> "dict[Bucket, Any]":
        """The counters of these buckets, each of its kind's class. *absent*: counters of nothing are left out."""
        from .counter_reading import read_counters

        return read_counters(self._scope, buckets)

    def marginals(self, name: str, hours: Iterable["Bucket"]) -> "dict[Bucket, MarginalCounter]":
        """The counters of these hours, for reading one marginal. *absent*: counters of nothing are left out."""
        from .counter_reading import read_marginals

        return read_marginals(self._scope, name, hours)

    def pseudonym(self, end_user_id: str) -> str:
        """The pseudonym under which counters count an end user."""
        return self._scope.store.pseudonym(keys.user(self._scope.user_id), end_user_id)

    def conversations(
        self, limit: int, after: str | None = None, *, before_ns: int | None = None
    ) -> "tuple[list[ListedConversation], str | None]":
        """A page of conversations after cursor position `after`, and the position to continue after.

        The first page begins with those last active before `before_ns`. *shape*: last active first, at most `limit`;
        fewer when a conversation lost its last trace meanwhile. *absent*: the position is None at the end.
        """
        from .conversations import read_conversations

        return read_conversations(self._scope, limit, after, before_ns)

    def conversation(self, conversation_id: str) -> "ConversationCounter":
        """The counter of one conversation. *raises*: NotFound, also when it has no traces any more."""
        from .conversations import read_conversation

        return read_conversation(self._scope, conversation_id)

    @property
    def has_spent_budget(self) -> bool:
        """Whether this request has read so much that it should end with what it has, see `read_budget`."""
        return self._scope.budget.is_spent

    def pending_deletions(self) -> tuple[PendingDeletion, ...]:
        """The user's bulk deletions that are not done, in the order of their requests."""
        return pending_deletions.recent_pending_deletions(self._scope)

    def api_keys(self) -> list[ApiKey]:
        """The user's API keys that are valid, the oldest first."""
        return api_keys.list_api_keys(self._scope)

    def shares(self, trace_id: str) -> list[Share]:
        """The shares of a trace that are valid, the oldest first. *raises*: NotFound when there is no such trace."""
        from .shares import list_shares

        return list_shares(self._scope, trace_id, self._visible_head(trace_id).generation)

    def _visible_head(self, trace_id: str) -> Head:
        heads = self.heads([trace_id])
        if trace_id not in heads:
            raise NotFound("There is no such trace.")
        return heads[trace_id]

    def views(self) -> list[View]:
        """The user's saved views, by name."""
        from .views import list_views

        return list_views(self._scope)

    def job(self, job_id: str) -> Job:
        """The job of a bulk deletion. *raises*: NotFound."""
        from .jobs import read_job

        return read_job(self._scope, job_id)

    def deletion_records(self, limit: int, after: str | None = None) -> tuple[list[DeletionRecord], str | None]:
        """A page of the record of deletions after cursor position `after`, and the position to continue after.

        *shape*: the latest request first, at most `limit`. *absent*: the position is None at the end.
        """
        return deletion_records.read_deletion_records(self._scope, limit, after)


class UserWriter(UserReader):
    """A reader and writer of one user's traces. `actor` is recorded with everything that it deletes."""

    def __init__(self, store: Store, user_id: str, deadline: Deadline, actor: Actor = NO_ACTOR) -> None:
        super().__init__(store, user_id, deadline)
        self._scope = store.scope(user_id, deadline, actor, repairs=True)

    def capture(
        self,
        spans: Iterable[tuple[str, SpanFields]],
        *,
        precedence: int = CAPTURED,
        media: Mapping[str, Medium] = NO_MEDIA,
        texts: SpanTexts | None = None,
    ) -> list[Rejection]:
        """Store captured spans, given with their trace ids; returns those that a deletion or the size of
        their trace forbids. `texts` has the JSON of some of them, as it was written for the search for secrets.

        When it returns, all others are stored, and before them those of `media` that they refer to, which are given by
        their hashes. *repeat*: the same spans again change nothing. *raises*: Unavailable; some traces may be stored by
        then, and the same call again completes it.
        """
        return writer.capture(self._scope, spans, precedence=precedence, media=media, texts=texts)

    def capture_one(
        self, trace_id: str, fields: SpanFields, media: Mapping[str, Medium] = NO_MEDIA
    ) -> tuple[Head, Span]:
        """Store one captured span; returns its trace's head, and the span merged with earlier updates.

        *repeat*: as `capture`. *raises*: Conflict when the span or its trace was deleted, or the trace is full.
        """
        return writer.capture_one(self._scope, trace_id, fields, media)

    def patch(
        self,
        trace_id: str,
        span_id: str,
        change: Callable[[Span], SpanFields],
        media: Mapping[str, Medium] = NO_MEDIA,
    ) -> tuple[Head, Span]:
        """Apply to a span the fields that `change` returns for it; returns its trace's head and the changed span.

        `change` is called again each time another writer was faster, and raises where the change is not allowed. Of two
        PATCHes at the same time the last to arrive wins. *repeat*: fields that earlier PATCHes report are not written.
        *raises*: NotFound.
        """
        return patching.patch(self._scope, trace_id, span_id, change, media)

    def annotate(self, trace_id: str, annotation: Annotation) -> tuple[Annotation, StoredHead]:
        """Store an annotation in place of the one with the same span, name and id; returns it, and the trace's head.

        A trace that is absent, and one without spans, gets it with its next span, if that comes within a day: then the
        head is no `Head`. *repeat*: changes nothing. *raises*: Conflict when the trace or the span was deleted, or has
        too many annotations.
        """
        return annotations.annotate(self._scope, trace_id, annotation)

    def delete_annotations(
        self,
        trace_id: str,
        name: str,
        *,
        annotation_id: str | None = None,
        span_id: str | None = None,
        source: str | None = None,
    ) -> int:
        """Delete the annotations of a name that have all values given; returns their number. *raises*: NotFound."""
        return annotations.delete_annotations(
            self._scope, trace_id, name, annotation_id=annotation_id, span_id=span_id, source=source
        )

    def delete_trace(self, trace_id: str) -> int:
        """Delete a trace; returns the number of its spans.

        The trace is invisible before its items are removed, and refuses spans that arrive late. *raises*: NotFound,
        also when it is deleted already.
        """
        return deletes.delete_trace(self._scope, trace_id)

    def delete_span(self, trace_id: str, span_id: str) -> None:
        """Delete one span for good; its children become roots.

        *raises*: NotFound; Conflict when too many spans of the trace were deleted one by one.
        """
        deletes.delete_span(self._scope, trace_id, span_id)

    def create_api_key(self, api_key: ApiKey, secret: str) -> None:
        """Store an API key of the user, which is found by the hash of `secret` from now on.

        *raises*: Conflict when the user has the maximum. Two simultaneous requests may both create the last one.
        """
        api_keys.create_api_key(self._scope, api_key, secret)

    def revoke_api_key(self, key_id: str) -> None:
        """Remove an API key. *raises*: NotFound."""
        api_keys.revoke_api_key(self._scope, key_id)

    def create_share(self, trace_id: str, expires_at_s: int, *, payloads: bool) -> tuple[Share, str]:
        """Share the present generation of a trace; returns the share and its secret, which is not stored.

        *repeat*: another share. *raises*: NotFound when there is no such trace; Conflict when it has the maximum of
        shares. Two simultaneous requests may both create the last one.
        """
        from .shares import create_share

        generation = self._visible_head(trace_id).generation
        return create_share(self._scope, trace_id, generation, expires_at_s, payloads=payloads)

    def revoke_share(self, trace_id: str, share_id: str) -> None:
        """Remove a share. *raises*: NotFound."""
        from .shares import revoke_share

        revoke_share(self._scope, trace_id, share_id)

    def put_view(self, name: str, title: str, query: str) -> View:
        """Save a view under a name, in place of the one that has it.

        *repeat*: the same again writes nothing. *raises*: Conflict when the user has the maximum. Two simultaneous
        requests may both save the last one.
        """
        from .views import put_view

        return put_view(self._scope, name, title, query)

    def delete_view(self, name: str) -> None:
        """Remove a saved view. *raises*: NotFound."""
        from .views import delete_view

        delete_view(self._scope, name)

    def delete_chosen(self, trace_ids: Iterable[str], *, threads: int = DELETE_THREADS) -> Job:
        """Delete the traces with these ids; returns the result, a job that is done or that removes what is left.

        All of them are invisible when it returns. *absent*: ids without a visible trace are ignored. *repeat*: finishes
        what an interrupted call has begun, and counts only what it deletes itself. *raises*: Unavailable; some of the
        traces may be deleted by then.
        """
        from .chosen_deletes import delete_chosen

        return delete_chosen(self._scope, trace_ids, threads=threads)

    def start_deletion(self, deletion: DeletionScope) -> Job:
        """Hide all traces that a bulk deletion includes, and queue the job that removes them, both or neither.

        It includes traces first written before this call. *repeat*: a second job. *raises*: Conflict when too many are
        pending.
        """
        from . import bulk

        return bulk.start(self._scope, deletion)

    def continue_deletion(self, job_id: str, traces_most: int, *, threads: int = DELETE_THREADS) -> Job:
        """Remove at most `traces_most` traces of a job while there is time; returns its progress.

        The job is `done` when no index has a further trace; `step_deletion` looks again later. *repeat*: continues.
        *raises*: NotFound.
        """
        from . import bulk

        return bulk.work(self._scope, job_id, traces_most, threads=threads)

    def step_deletion(self, job_id: str, *, report: "Report", threads: int = DELETE_THREADS) -> Job | None:
        """Continue a job for as long as there is time; returns its progress.

        Waits first until every capture that began before the request is indexed. Work that is left goes to the next
        step, which the last write of the job triggers; when none is left, the pending deletion is removed. Traces that
        cannot be removed are skipped and passed to `report`. *absent*: None when there is no such job. *repeat*: a job
        that has ended is returned unchanged. *raises*: the error that stopped it; the same call later continues.
        """
        from . import bulk

        return bulk.step(self._scope, job_id, report=report, threads=threads)
