"""The cost of lesson traces: to write one step by step, and to list ten thousand of them from anywhere in the list.

The steps and the lists go through the real handlers. The ten thousand are put into the table directly, as the head and
the lesson index item that the store writes: sending them one by one would take longer than all other measurements.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any, Final, cast

from rich.console import Console

from dev.bench.deployment import Deployment, User, store_of_process
from dev.bench.meter import Meter
from dev.bench.report import rated, table

_WRITTEN: Final = 40
_LISTED: Final = 50
_LOADED_AT_ONCE: Final = 500
_LOADERS: Final = 4
_START_NS: Final = 1_795_312_800 * 10**9
_STATUSES: Final = ("success", "success", "success", "error", "pending")
_PROMPT: Final = "Write a lesson on photosynthesis for grade 7, in three sections with a question at the end of each. "


def report_lessons(console: Console, deployment: Deployment, meter: Meter, count: int) -> None:
    """Print the capacity units of each step of a lesson, and of pages of a list of `count` lessons."""
    _report_steps(console, meter, deployment.user("teacher"))
    user = deployment.user("school")
    _load(user, count)
    _report_lists(console, meter, user, count)


def _report_steps(console: Console, meter: Meter, user: User) -> None:
    rows = table("A lesson trace, step by step", "write units", "target", "read units", "calls")
    steps: dict[str, tuple[str, str, dict[str, Any]]] = {
        "start": ("POST", "", {"lesson_id": "photosynthesis-7", "request_data": {"topic": "Photosynthesis"}}),
        "first call, which fails": ("POST", "/llm-calls", _call("openai", 1, success=False, error="overloaded")),
        "second call": ("POST", "/llm-calls", _call("anthropic", 2)),
        **{f"call {number}": ("POST", "/llm-calls", _call("anthropic", number)) for number in (3, 4, 5)},
        "finish": ("PATCH", "", {"status": "completed", "response_data": {"text": _PROMPT * 4}}),
    }
    targets = {"start": 28.0, "finish": 16.0}  # transactions, which DynamoDB Local counts four times
    ids = [f"lesson-{number}" for number in range(_WRITTEN)]
    for name, (method, path, body) in steps.items():
        meter.take()
        for trace_id in ids:
            content = {"id": trace_id, **body} if name == "start" else body
            _ask(user, method, "" if name == "start" else f"/{trace_id}{path}", body=content)
        consumed = meter.take()
        target = targets.get(name, 4.0)
        rows.add_row(
            name,
            rated(consumed.write_units / _WRITTEN, target),
            f"≤ {target:g}",
            f"{consumed.read_units / _WRITTEN:.1f}",
            f"{consumed.call_count / _WRITTEN:.1f}",
        )
    console.print(rows)
    console.print("Start and finish are transactions: DynamoDB Local counts their units four times, AWS twice.")


def _report_lists(console: Console, meter: Meter, user: User, count: int) -> None:
    deep = count - _LISTED
    rows = table(f"{_LISTED} of {count:,} lesson traces", "read units", "lessons", "calls", "total")
    first = _row(rows, meter, user, "the newest", "")
    _row(rows, meter, user, "the next, by cursor", f"cursor={first['next_cursor']}")
    before = _ask(user, "GET", query=f"limit={_LISTED}&offset={deep - _LISTED}")
    _row(rows, meter, user, "the oldest, by cursor", f"cursor={before['next_cursor']}")
    _row(rows, meter, user, "the oldest, by offset", f"offset={deep}")
    _row(rows, meter, user, "the newest that failed", "status=failed")
    _row(rows, meter, user, "the newest of one lesson", "lesson_id=lesson-3")
    _row(rows, meter, user, "the failed of one lesson", "lesson_id=lesson-3&status=failed")
    console.print(rows)


def _row(rows: Any, meter: Meter, user: User, name: str, query: str) -> Any:
    meter.take()
    page = _ask(user, "GET", query=f"limit={_LISTED}&{query}".rstrip("&"))
    consumed = meter.take()
    assert page["traces"], name
    calls = ", ".join(f"{times} {operation}" for operation, times in sorted(consumed.calls.items()))
    rows.add_row(name, f"{consumed.read_units:g}", str(len(page["traces"])), calls, f"{page['total']:,}")
    return page


def _call(provider: str, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "request": {"prompt": _PROMPT * 3, "model": "gpt-4o-mini", "temperature": 0.2, "max_tokens": 800},
        "response": {"content": _PROMPT * 6, "usage": {"prompt_tokens": 60, "completion_tokens": 120}},
        "duration_ms": 900,
        "timestamp": f"2026-11-22T01:00:0{number}Z",
        **fields,
    }


def _ask(user: User, method: str, path: str = "", query: str = "", body: Any = None) -> Any:
    return user.call_json(method, f"/api/traces{path}", query, b"" if body is None else json.dumps(body).encode())


def _load(user: User, count: int) -> None:
    """Put `count` lesson traces into the table."""
    items = _items(user, count)
    store = store_of_process()
    from tracestore.storage.deadline import Deadline

    batches = iter(lambda: list(islice(items, _LOADED_AT_ONCE)), [])
    with ThreadPoolExecutor(_LOADERS) as pool:
        for _ in pool.map(lambda batch: store.table.write(batch, deadline=Deadline.never()), batches):
            pass


def _items(user: User, count: int) -> Iterator[dict[str, dict[str, Any]]]:
    """The head and the lesson index item of each lesson trace, from the store's own functions."""
    from tracestore.domain.spans import SpanFields
    from tracestore.domain.updates import span_update
    from tracestore.storage.items import head_item, lesson_index_item
    from tracestore.storage.recompute import first_head
    from tracestore.storage.segments import segment_of

    store = store_of_process()
    for number in range(count):
        trace_id, start_ns = f"{number:032x}", _START_NS + number * 10**9
        status = _STATUSES[number % len(_STATUSES)]
        outcome = {} if status == "pending" else {"status": status, "end_ns": start_ns + 10**9}
        root = {
            "span_id": "root",
            "span_name": "lesson",
            "operation_type": "lesson",
            "lesson_id": f"lesson-{number % 100}",
            "start_ns": start_ns,
            "input_data": {"topic": "Photosynthesis", "grade": 7},
            **outcome,
        }
        segment = segment_of([span_update(cast(SpanFields, root), received_ms=start_ns // 10**6)])
        head = replace(first_head(store, trace_id, segment), inline_segment=segment)
        index_item = lesson_index_item(user.user_id, trace_id, head, 1)
        assert index_item is not None
        yield from (head_item(user.user_id, trace_id, head, 1), index_item)
