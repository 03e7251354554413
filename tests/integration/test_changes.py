"""`since` never misses a change: a caller that applies the changes has, at each step, the whole as it is then."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import flat
from tests.builders import START_NS, Clock, Endpoint, batches_of, call, long_deadline, reader, store_on, writer
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.api.traces.changes import outline_contents, response_since
from tracestore.api.traces.parameters import TraceView
from tracestore.api.traces.responses import encode_tree
from tracestore.domain.errors import NotFound
from tracestore.domain.spans import FROM_LOGS, Json, SpanFields
from tracestore.domain.times import NS_PER_MS
from tracestore.storage.store import Store
from tracestore.storage.user_store import parse_version
from tracestore.storage.versions import LISTED

few = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=40, deadline=None)

OUTLINE: Final = TraceView("outline", payloads=False)
TREE: Final = TraceView("tree", payloads=True)
CORE_TREE: Final = TraceView("tree", payloads=False)
IDS: Final = [f"s{n}" for n in range(5)]

Rows = dict[str, dict[str, Any]]


def in_tree_order(rows: Rows) -> list[dict[str, Any]]:
    """Rows in tree order, by the rules of `docs/api.md`: what a caller does after it has applied changes."""

    def order(span_id: str) -> tuple[float, str, float, str]:
        row = rows[span_id]
        duration_ms = row.get("duration_ms")
        start = row.get("start_offset_ms", 0), row.get("start_time") or ""
        return *start, inf if duration_ms is None else duration_ms, span_id

    def parent(span_id: str) -> str | None:
        name = rows[span_id].get("parent_span_id")
        return name if name in rows and name != span_id else None

    roots = {span_id for span_id in rows if parent(span_id) is None}
    for span_id in rows:  # the earliest span of a cycle is a root
        path = [span_id]
        while (above := parent(path[-1])) is not None and above not in path:
            path.append(above)
        if above is not None:
            roots.add(min(path[path.index(above) :], key=order))
    children: dict[str, list[str]] = {}
    for span_id in rows:
        if span_id not in roots:
            children.setdefault(str(parent(span_id)), []).append(span_id)
    ordered = []
    stack = sorted(roots, key=order, reverse=True)
    while stack:
        span_id = stack.pop()
        ordered.append(rows[span_id])
        stack += sorted(children.get(span_id, ()), key=order, reverse=True)
    return ordered


def whole(store: Store, user: str, view: TraceView) -> tuple[str, list[dict[str, Any]]]:
    """The version of a trace, and all rows of a view."""
    state = reader(store, user).trace_state("t", 10**7 if view.payloads else 0)
    if view.name == "outline":
        return state.version, [json.loads(row) for row in outline_contents(state.spans).values()]
    tree = encode_tree(user, "t", state.head, state.spans, payloads=view.payloads)
    assert not tree.omitted
    spans = list(flat(json.loads(tree.roots)))
    return state.version, [{name: value for name, value in row.items() if name != "children"} for row in spans]


@dataclass
class Caller:
    """A caller that has a view of a trace, and keeps it current with `since`."""

    store: Store
    user: str
    view: TraceView
    version: str = ""
    rows: Rows = field(default_factory=dict)
    wholes: int = 0
    deltas: int = 0

    def poll(self) -> None:
        """Bring the rows up to date, as the route does."""
        try:
            _, tag = reader(self.store, self.user).trace_tag("t")
        except NotFound:
            self.version, self.rows = "", {}
            return
        since = parse_version(self.version) if self.version else None
        if since and since.tag == tag:
            return
        if since:
            state = reader(self.store, self.user).trace_state("t", since=since)
            if response := response_since(self.user, reader(self.store, self.user), "t", self.view, state):
                self.apply(json.loads(response.body))
                return
        self.wholes += 1
        self.version, rows = whole(self.store, self.user, self.view)
        self.rows = {row["span_id"]: row for row in rows}

    def apply(self, changes: dict[str, Any]) -> None:
        """Apply a response with changes."""
        assert changes["full"] is False
        self.deltas += 1
        for span_id in changes["trace"]["gone"]:
            del self.rows[span_id]
        self.rows |= {row["span_id"]: row for row in changes["trace"]["changed"]}
        self.version = changes["version"]

    def is_current(self) -> bool:
        """Whether the caller has exactly the rows that a whole response has now."""
        try:
            _, rows = whole(self.store, self.user, self.view)
        except NotFound:
            return not self.rows
        return in_tree_order(self.rows) == rows


starts = st.integers(0, 5).map(lambda ms: START_NS + ms * NS_PER_MS)


def reported() -> st.SearchStrategy[SpanFields]:
    """Captured fields of few spans, often in conflict with each other, also about their place in the tree."""
    return st.fixed_dictionaries(
        {"span_id": st.sampled_from(IDS), "start_ns": starts},
        optional={
            "parent_span_id": st.sampled_from(IDS),
            "span_name": st.sampled_from(["a", "b"]),
            "end_ns": starts,
            "status": st.sampled_from(["success", "error"]),
            "operation_type": st.sampled_from(["agent", "completion"]),
            "model_name": st.just("gpt-4o-mini"),
            "input_tokens": st.integers(0, 3),
            "cost_nano_usd": st.integers(0, 5),
            "input_data": st.sampled_from(["in", "x" * 900, {"n": 1}]),
            "output_data": st.sampled_from(["out", "y" * 900]),
            "metadata": st.sampled_from(["m", "z" * 2_000]),
        },
    )  # type: ignore[return-value]


Step = tuple[str, list[SpanFields]]

steps = st.tuples(
    st.sampled_from(["capture"] * 5 + ["logs", "patch", "repeat", "delete", "crash", "burst"]),
    st.lists(reported(), min_size=1, max_size=3),
)
histories = st.tuples(st.lists(steps, min_size=1, max_size=10), st.randoms(use_true_random=False))


def message_of(span: SpanFields) -> SpanFields:
    """The log message of a span."""
    said: Json = {"role": "user", "parts": [{"type": "text", "text": span.get("span_name", "said")}]}
    return SpanFields(span_id=span["span_id"], log_messages=[[START_NS, 0, "input", said]])


def take(step: Step, engine: Endpoint, store: Store, user: str, clock: Clock, choose: random.Random) -> None:
    """Carry out one step of a trace's growth."""
    kind, spans = step
    target = spans[0]["span_id"]
    with suppress(NotFound, Crash):
        if kind in ("capture", "repeat"):
            for _ in range(1 + (kind == "repeat")):
                process = choose.choice([store, store_on(engine, clock)])
                writer(process, user).capture(batches_of(spans))
                clock.advance(ms=choose.choice([0, 1, 5_000]))
        elif kind == "logs":
            writer(store, user).capture([("t", message_of(span)) for span in spans], precedence=FROM_LOGS)
        elif kind == "patch":
            writer(store, user).patch("t", target, lambda _: SpanFields(span_id=target, metadata=choose.random()))
        elif kind == "delete":
            writer(store, user).delete_span("t", target)
        elif kind == "crash":
            crashing = store_on(engine, clock, db=CrashingAtWrite(store.table.client, choose.randrange(4)))
            writer(crashing, user).capture(batches_of(spans))
        elif kind == "burst":
            for number in range(34):
                writer(store, user).capture([("t", call(f"b{number}", target, input_data="i" * 30 * number))])
                clock.advance(ms=200)
    clock.advance(ms=choose.choice([0, 1, 5_000]))


def never_misses(engine: Endpoint, taken: list[Step], choose: random.Random) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    callers = [Caller(store, user, view) for view in (OUTLINE, TREE, CORE_TREE)]
    for step in taken:
        take(step, engine, store, user, clock, choose)
        if step[0] == "crash":  # until its request is repeated, nothing was acknowledged
            take(("capture", step[1]), engine, store, user, clock, choose)
        for caller in callers:
            if choose.random() < 0.7:
                caller.poll()
                assert caller.is_current()
    for caller in callers:
        caller.poll()
        assert caller.is_current()


@given(histories)
@many
def test_changes_applied_to_what_a_caller_has_give_the_whole(history: tuple[list[Step], random.Random]) -> None:
    never_misses(MemoryDynamoDB(page_items=7), *history)


@given(histories)
@few
def test_on_every_engine_changes_applied_to_what_a_caller_has_give_the_whole(
    engine: Endpoint, history: tuple[list[Step], random.Random]
) -> None:
    never_misses(engine, *history)


@pytest.fixture
def caller() -> Caller:
    """A caller with an outline of a trace on a table in memory."""
    store = store_on(MemoryDynamoDB(page_items=7), Clock())
    return Caller(store, new_user().name, OUTLINE)


def capture(caller: Caller, *spans: SpanFields, ms: int = 5) -> None:
    """Capture spans in one request, and let some time pass."""
    writer(caller.store, caller.user).capture(batches_of(list(spans)))
    assert isinstance(caller.store.now_ms, Clock)
    caller.store.now_ms.advance(ms=ms)


def test_a_growing_trace_is_returned_whole_only_once(caller: Caller) -> None:
    for number in range(3 * LISTED):
        capture(caller, call(f"s{number:03}", "root" if number else None), ms=200)
        if number % 7 == 0:
            caller.poll()
            assert caller.is_current()
    assert (caller.wholes, caller.deltas) == (1, 27)


def test_compactions_need_no_whole(caller: Caller) -> None:
    capture(caller, call("root"))
    caller.poll()
    for number in range(2 * LISTED):
        capture(caller, call(f"s{number}", "root"), ms=4_000)
    stored = caller.store.scope(caller.user, long_deadline()).read_core("t")
    assert len(stored.compacted) >= 2
    caller.poll()
    assert caller.is_current()
    assert (caller.wholes, caller.deltas) == (1, 1)


def test_a_segment_that_arrives_late_with_an_earlier_time_is_found(caller: Caller) -> None:
    """A root that could have begun its trace is stored as if it had: before all segments that came earlier."""
    for number in range(2 * LISTED):
        capture(caller, call(f"s{number}", "root"))
    caller.poll()
    root = call("root", input_data=random.Random(1).randbytes(4_000).hex(), metadata="first")
    cold = store_on(caller.store.table.client, caller.store.now_ms)
    writer(cold, caller.user).capture([("t", root)])
    caller.poll()
    assert caller.is_current()
    assert (caller.wholes, caller.deltas) == (1, 1)


def test_a_repeated_request_that_adds_only_a_payload_changes_the_head(caller: Caller) -> None:
    """Its segment is stored before the trace is read, as for a new trace, and leaves the summary as it is.

    A pending root whose head would be larger than 1 KB has a segment of its own.
    """
    names = random.Random(1)
    children = [call(f"s{number}", "root", span_name=names.randbytes(50).hex()) for number in range(20)]
    capture(caller, call("root", end_ns=None), *children)
    caller.view = TREE
    caller.poll()
    cold = store_on(caller.store.table.client, caller.store.now_ms)
    writer(cold, caller.user).capture(batches_of([call("root", end_ns=None, metadata="added"), *children]))
    caller.poll()
    assert caller.rows["root"]["metadata"] == "added"
    assert caller.is_current()


def test_a_deleted_span_is_gone_though_its_trace_is_returned_whole(caller: Caller) -> None:
    capture(caller, call("root"), call("s", "root"))
    caller.poll()
    writer(caller.store, caller.user).delete_span("t", "s")
    caller.poll()
    assert caller.is_current()
    assert (caller.wholes, caller.deltas, list(caller.rows)) == (2, 0, ["root"])


def test_a_version_fits_into_a_query_whatever_the_size_of_the_trace(caller: Caller) -> None:
    for number in range(5 * LISTED):
        capture(caller, call(f"s{number}", "root"))
    caller.poll()
    assert len(caller.version) <= 320
    assert caller.version.replace("-", "").replace("_", "").isalnum()


def test_new_prices_or_new_code_need_a_whole(caller: Caller) -> None:
    capture(caller, call("root", model_name="m"))
    caller.poll()
    changed: Callable[[], str] = lambda: "other prices"  # noqa: E731
    now = caller.store.now_ms
    caller.store = Store(
        caller.store.table, caller.store.retention_s, now_ms=now, price_of=lambda _: (7, "list"), derivation=changed
    )
    caller.poll()
    assert caller.rows["root"]["cost_usd"] == 7e-9
    assert (caller.wholes, caller.deltas) == (2, 0)
