"""Spans, stores and clocks with defaults, so that a test states only the values that matter to it."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.filters import Condition, Filters
from tracestore.domain.heads import Summary, summarize
from tracestore.domain.merge import Span, merge
from tracestore.domain.spans import SpanFields, SpanUpdate
from tracestore.domain.trace_previews import previews_of
from tracestore.domain.updates import DERIVED_FIELDS, span_update
from tracestore.storage import keys
from tracestore.storage.codec import unpack
from tracestore.storage.deadline import Deadline
from tracestore.storage.dynamo import Client, client
from tracestore.storage.listing import TraceQuery
from tracestore.storage.store import Scope, Store
from tracestore.storage.table import Table
from tracestore.storage.user_store import UserReader, UserWriter

START_NS = 1_795_312_800_000_000_000
END_NS = START_NS + 1_000_000
DAY_S = 86_400

Items = dict[str, dict[str, Any]]


class Endpoint(Protocol):
    """The address of a table."""

    @property
    def name(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def table_name(self) -> str: ...


@dataclass
class Clock:
    """A clock that moves only by `advance`."""

    ms: int = START_NS // 1_000_000

    def __call__(self) -> int:
        return self.ms

    def advance(self, *, ms: int = 0, s: int = 0) -> None:
        """Move the clock forward."""
        self.ms += ms + s * 1000


def fields(span_id: str = "root", **reported: Any) -> SpanFields:
    """An ended span that started at `START_NS`. A field with the value None is omitted."""
    defaults = {
        "span_id": span_id,
        "span_name": f"call.{span_id}",
        "start_ns": START_NS,
        "end_ns": START_NS + 1_000_000,
    }
    return cast(SpanFields, {name: value for name, value in {**defaults, **reported}.items() if value is not None})


def call(span_id: str, parent: str | None = None, **reported: Any) -> SpanFields:
    """A model call, by default with 10 input and 2 output tokens."""
    usage = {"operation_type": "completion", "input_tokens": 10, "output_tokens": 2}
    return fields(span_id, parent_span_id=parent, **{**usage, **reported})


def update(span: SpanFields, *, precedence: int = 0, received_ms: int = START_NS // 1_000_000) -> SpanUpdate:
    """The update of a span."""
    return span_update(span, received_ms=received_ms, precedence=precedence)


def spans_of(*reported: SpanFields) -> list[Span]:
    """The spans that result from these captures."""
    return merge(map(update, reported))


def summary_of(*reported: SpanFields) -> Summary:
    """The summary of the trace that results from these captures."""
    spans = spans_of(*reported)
    return summarize(spans, previews_of(spans))


def long_deadline() -> Deadline:
    """A deadline that never waits and never expires."""
    return Deadline(time_left_s=lambda: 1e9, sleep=lambda _: None)


def awaiting(clock: Clock) -> Deadline:
    """A deadline that waits by moving the clock, and never expires."""
    return Deadline(time_left_s=lambda: 1e9, sleep=lambda s: clock.advance(ms=math.ceil(s * 1000)))


def unexpected(trace_id: str, error: Exception) -> None:
    """The callback of a job that must not skip any trace."""
    raise AssertionError(f"{trace_id} was skipped") from error


def store_on(
    engine: Endpoint,
    clock: Callable[[], int] | None = None,
    *,
    db: Any = None,
    retention_s: int = 30 * DAY_S,
    time_shards: int = 1,
) -> Store:
    """The store on an engine's table. *absent*: without `db` it uses the functions' own client."""
    table = Table(db or db_on(engine), engine.table_name)
    return Store(table, retention_s, time_shards, clock or Clock())


def db_on(engine: Endpoint) -> Any:
    """The functions' own DynamoDB client of an engine. A table in memory is its own client."""
    if isinstance(engine, MemoryDynamoDB):
        return engine
    return _client(engine.endpoint, os.environ.get("DYNAMODB_CLIENT", ""))


@functools.cache
def _client(endpoint: str, kind: str) -> Client:
    return client(endpoint, {**os.environ, "DYNAMODB_CLIENT": kind})


def reader(store: Store, user: str, deadline: Deadline | None = None, *, repairs: bool = False) -> UserReader:
    """A reader of the user's data, with as much time as it needs."""
    return UserReader(store, user, deadline or long_deadline(), repairs=repairs)


def scope(store: Store, user: str) -> Scope:
    """The user's part of the store, with as much time as needed."""
    return store.scope(user, long_deadline())


def writer(store: Store, user: str, deadline: Deadline | None = None) -> UserWriter:
    """A writer of the user's data, with as much time as it needs."""
    return UserWriter(store, user, deadline or long_deadline())


def stored_items(store: Store, user: str, trace_id: str = "t") -> dict[str, Items]:
    """All items of a trace in the table, by sort key."""
    return {item["sk"]["S"]: item for item in store.table.query(keys.trace(user, trace_id))}


def stored_spans(store: Store, user: str, trace_id: str = "t") -> dict[str, SpanFields]:
    """The reported fields of each span of a trace, with its payload."""
    _, spans = reader(store, user).trace(trace_id, payloads=True)
    return {span.span_id: reported(span.fields) for span in spans}


def reported(span: SpanFields) -> SpanFields:
    """The fields of a span without those that follow from its payload."""
    return cast(SpanFields, {name: value for name, value in span.items() if name not in DERIVED_FIELDS})


def stored_summary(store: Store, user: str, trace_id: str = "t") -> Summary:
    """The summary in a trace's head."""
    head, _ = reader(store, user).trace(trace_id, payloads=False)
    return head.summary


def holds(store: Store, user: str, text: str, trace_id: str = "t") -> list[str]:
    """The sort keys of the segments, payload parts and items that still contain a text."""
    stored = store.scope(user, long_deadline()).read_whole(trace_id)
    sort_keys = [digest for digest, segment in stored.segments.items() if text in str(segment.updates)]
    parts: dict[str, bytes] = {}
    for sk, item in stored_items(store, user, trace_id).items():
        if any(text in str(unpack(item[name]["B"])) for name in ("light", "head") if name in item):
            sort_keys.append(sk)
        if sk.startswith("X#") and len(sk.rpartition("#")[2]) == 4:  # not delta-encoded
            parts[sk.rpartition("#")[0]] = parts.get(sk.rpartition("#")[0], b"") + item["payload"]["B"]
    return sort_keys + [sk for sk, payload in parts.items() if text in str(unpack(payload))]


def orphans(store: Store, user: str, trace_id: str = "t") -> list[str]:
    """The sort keys of orphaned items: no reader of the trace reads them."""
    stored = store.scope(user, long_deadline()).read_core(trace_id)
    assert stored.head is not None
    known = {f"{stored.head.generation}#{digest}" for digest in stored.segments}
    companions = (sk for sk in stored_items(store, user, trace_id) if sk[:2] in ("S#", "X#"))
    return [sk for sk in companions if "#".join(sk.split("#")[1:3]) not in known]


def trace_ids(
    store: Store, user: str, limit: int = 100, *, deadline: Deadline | None = None, **query: Any
) -> list[str]:
    """The traces on all pages of a list. Keyword arguments are filters, or fields of the query."""
    names = {"from_ns", "to_ns", "trace_ids", "newest_first"}
    trace_query = TraceQuery(
        filters=filters(**{name: value for name, value in query.items() if name not in names}),
        **{name: value for name, value in query.items() if name in names},
    )
    ids: list[str] = []
    after = None
    while True:
        page = reader(store, user, deadline).traces(trace_query, limit, after)
        ids += [trace.trace_id for trace in page.traces]
        after = page.next_position
        if after is None:
            return ids


def filters(**stated: Any) -> Filters:
    """Filters by name, also those on span fields. A text stands for a condition with this one value."""
    conditions: dict[str, Any] = {
        name: Condition((value,)) if isinstance(value, str) else value for name, value in stated.items() if value != ""
    }
    own = {field.name for field in dataclasses.fields(Filters)}
    values = {name: value for name, value in conditions.items() if name not in own}
    return Filters(**{name: value for name, value in conditions.items() if name in own}, values=values)


def batches_of(spans: Iterable[SpanFields], trace_id: str = "t") -> list[tuple[str, SpanFields]]:
    """The spans of one request, all of one trace."""
    return [(trace_id, span) for span in spans]
