"""DynamoDB capacity that the store consumes per span, compared with the naive store in the same run.

All requests go through the real handlers, so the numbers are those of the HTTP API, not of a layer below it. The
workloads are seeded: two runs of one version print the same numbers, except those of concurrent writers.
"""

import gzip
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console

from dev import workloads
from dev.bench import reference, report
from dev.bench.annotations import report_annotations
from dev.bench.counting import report_counting
from dev.bench.deployment import Deployment, User, deployed
from dev.bench.lessons import report_lessons
from dev.bench.media import report_media
from dev.bench.meter import Consumed, Meter, metered
from dev.bench.report import rated, table
from dev.bench.search import report_search
from dev.engines import EngineUnavailable
from dev.workloads import Request

_LISTED: Final = 50
_FOREST: Final = 20
_TURNS: Final = 50
_TURNS_RATIO: Final = 3
"""Bytes of an answer for each byte of text that is new in the conversation."""
_OUTLINE_GZIP_KB: Final = 400
"""Of 10,000 spans whose texts do not repeat."""
_OUTLINE_KB: Final = 5_000
"""A page of an outline ends before."""
_MORE: Final = 4
_GROWN: Final = (1_000, 5_000, 20_000 - _MORE)
"""Spans of traces that one more span is added to; the last has room for just these until it is full."""
_GZIP_LEVEL: Final = 5
"""As the functions compress."""


class Workload(NamedTuple):
    """Spans to write, and the target of write units per span."""

    name: str
    requests: list[Request]
    target: float

    @property
    def span_count(self) -> int:
        """The spans of all requests."""
        return sum(map(len, self.requests))


def main(
    scale: Annotated[float, typer.Option(min=0.02, help="Size of the workloads: 1 takes one to two minutes.")] = 1.0,
    with_reference: Annotated[
        bool, typer.Option("--reference/--no-reference", help="Measure the naive store too.")
    ] = True,
) -> None:
    """Read and write units per span on AWS's DynamoDB Local, compared with a naive design."""
    console = report.console()
    began = time.monotonic()
    try:
        with deployed(console.print) as deployment, metered(deployment.api_client) as meter:
            users = _report_writing(console, deployment, meter, _workloads(scale), with_reference)
            report_counting(console, deployment, meter, min(scale, 1))
            _report_reads_by_writing(console, deployment, meter, max(40, round(500 * min(scale, 1))))
            _report_reading(console, meter, *users)
            _report_changes(console, deployment, meter, max(2_000, round(10_000 * min(scale, 1))))
            _report_growth(console, deployment, meter, [round(count * min(scale, 1)) for count in _GROWN])
            report_annotations(console, deployment, meter)
            _report_conversation(console, deployment, meter, _TURNS)
            report_search(console, deployment, meter, max(100, round(1_000 * min(scale, 1))))
            report_media(console, deployment, meter)
            report_lessons(console, deployment, meter, max(500, round(10_000 * min(scale, 1))))
    except EngineUnavailable as reason:
        console.print(f"DynamoDB Local cannot run here, and no other engine reports capacity: {reason}.")
        raise typer.Exit(1) from reason
    console.print(
        f"Took {time.monotonic() - began:.0f} s. Units as DynamoDB Local reports them, and of refused writes as "
        "DynamoDB bills them."
    )


def _workloads(scale: float) -> list[Workload]:
    def some(count: int, at_least: int) -> int:
        return max(at_least, round(count * scale))

    return [
        Workload("single chats", list(workloads.single_chats(some(300, _LISTED))), 4.55),
        Workload("5-span agents", list(workloads.agents(some(100, _FOREST), turns=2)), 1.20),
        Workload("41-span agents", list(workloads.agents(some(15, 2), turns=20)), 0.42),
        Workload("41 spans, one turn per request", list(workloads.drip(turns=20, count=some(6, 1))), 1.12),
    ]


def _report_writing(
    console: Console, deployment: Deployment, meter: Meter, measured: list[Workload], with_reference: bool
) -> tuple[User, User, User]:
    """Measure writing. Returns the users that wrote the first three workloads, for the measurements of reading."""
    rows = table(
        "Writing, per span", "spans", "write units", "target", "naive", "ratio", "read units", "calls", "items", "bytes"
    )
    users = []
    for workload in measured:
        user, spans = deployment.user("writer"), workload.span_count
        items_before, bytes_before = deployment.stored()
        consumed = _write(meter, user, workload.requests)
        items, size = deployment.stored()
        _assert_stored(user, spans)
        units = consumed.write_units / spans
        naive = 0.0
        if with_reference:
            consumed_naively = reference.measure(deployment.api_client, deployment.client, workload.requests)
            naive = consumed_naively.write_units / spans
        rows.add_row(
            workload.name,
            f"{spans:,}",
            rated(units, workload.target),
            f"≤ {workload.target:.2f}",
            f"{naive:.1f}" if naive else "–",
            f"{naive / units:.1f}×" if naive else "–",
            f"{consumed.read_units / spans:.2f}",
            f"{consumed.call_count / spans:.2f}",
            f"{(items - items_before) / spans:.2f}",
            f"{(size - bytes_before) / spans:,.0f}",
        )
        users.append(user)
    console.print(rows)
    return users[0], users[1], users[2]


def _report_reads_by_writing(console: Console, deployment: Deployment, meter: Meter, many: int) -> None:
    rows = table(
        "One trace in one-span requests of 10 KB",
        "threads",
        "read units per span",
        "target",
        "write units",
        "calls",
        "refused",
    )
    for count, target in ((20, 10), (many, 40)):
        for threads in (1, 8):
            user = deployment.user("exporter")
            requests = list(workloads.one_span_requests(count, seed=threads))
            consumed = _write(meter, user, requests, threads)
            _assert_stored(user, count)
            rows.add_row(
                f"{count} requests",
                str(threads),
                rated(consumed.read_units / count, target),
                f"≤ {target}",
                f"{consumed.write_units / count:.2f}",
                f"{consumed.call_count / count:.2f}",
                str(consumed.refused),
            )
    console.print(rows)


def _report_reading(console: Console, meter: Meter, chats: User, small: User, large: User) -> None:
    trace_id = large.get(query="view=summary&limit=1")["traces"][0]["trace_id"]
    rows = table("Reading", "read units", "calls", "KB returned")
    for name, user, path, query in (
        (f"list of {_LISTED} summaries", chats, "", f"view=summary&limit={_LISTED}"),
        (f"forest of {_FOREST} 5-span traces", small, "", f"limit={_FOREST}"),
        ("one 41-span trace", large, f"/{trace_id}", ""),
        ("its outline", large, f"/{trace_id}", "view=outline"),
    ):
        meter.take()
        _, body = user.read(path, query)
        consumed = meter.take()
        calls = ", ".join(f"{count} {operation}" for operation, count in sorted(consumed.calls.items()))
        rows.add_row(name, f"{consumed.read_units:g}", calls, f"{len(body) / 1_000:,.0f}")
    console.print(rows)


def _report_changes(console: Console, deployment: Deployment, meter: Meter, count: int) -> None:
    """Measure reading an outline of `count` spans again, with the version from before, after some of them changed."""
    user = deployment.user("reader")
    requests = list(workloads.large_trace(count))
    _write(meter, user, requests)
    trace_id = requests[0][0]["trace_id"]
    rows = table(
        f"Outline of {count:,} spans", "status", "read units", "target", "rows", "KB", "target", "KB gzip", "target"
    )
    version = ""
    for name, changed, most_kb, most_gzip_kb in (
        ("whole", 0, _OUTLINE_KB, _OUTLINE_GZIP_KB * count / 10_000),
        ("nothing changed", 0, 0, 0),
        ("1 span", 1, 5, None),
        ("100 spans", 100, 50, None),
    ):
        if changed:
            user.post([{**span, "status": "error", "error_type": "Timeout"} for span in requests[-1][-changed:]])
        meter.take()
        status, body = user.read(f"/{trace_id}", f"view=outline&since={version}" if version else "view=outline")
        units = meter.take().read_units
        content: dict[str, Any] = json.loads(body) if body else {"version": version, "trace": {}}
        version = content["version"]
        trace = content["trace"]
        if name == "whole":
            whole_units = units
        most_units = 2 if not body else 1.05 * whole_units  # of the outline as it was before it grew
        rows.add_row(
            name,
            str(status),
            rated(units, most_units),
            f"≤ {most_units:.0f}",
            f"{len(trace.get('outline', trace.get('changed', ()))):,}",
            rated(len(body) / 1_000, most_kb),
            f"≤ {most_kb:,}",
            *_gzipped(body, most_gzip_kb),
        )
    console.print(rows)


def _report_growth(console: Console, deployment: Deployment, meter: Meter, counts: Iterable[int]) -> None:
    """Measure what one more span costs in a trace that has many: each write reads the cores of all of them."""
    rows = table("One more span of a trace", "read units", "write units", "ms of processor")
    for count in counts:
        user = deployment.user("agent")
        spans = [span for request in workloads.large_trace(count + _MORE) for span in request]
        _write(meter, user, [spans[first : min(first + 1_000, count)] for first in range(0, count, 1_000)])
        began_s = time.process_time()
        consumed = _write(meter, user, [[span] for span in spans[count:]])
        each_ms = 1000 * (time.process_time() - began_s) / _MORE
        rows.add_row(
            f"of {count:,} spans",
            f"{consumed.read_units / _MORE:.1f}",
            f"{consumed.write_units / _MORE:.1f}",
            f"{each_ms:,.0f}",
        )
    console.print(rows)


def _gzipped(body: bytes, most_kb: float | None) -> tuple[str, str]:
    kb = len(gzip.compress(body, _GZIP_LEVEL)) / 1_000 if body else 0.0
    return (f"{kb:.2f}", "–") if most_kb is None else (rated(kb, most_kb), f"≤ {most_kb:,.0f}")


def _report_conversation(console: Console, deployment: Deployment, meter: Meter, turns: int) -> None:
    """Measure how much a reader of a conversation reads and receives, compared with the text that is new in it."""
    user, requests = deployment.user("talker"), list(workloads.conversation(turns))
    _write(meter, user, requests)
    _assert_stored(user, turns)
    conversation_id = requests[0][0]["conversation_id"]
    last = requests[-1][0]
    messages = [*last["input_data"]["messages"], *last["output_data"]["messages"]]
    new_bytes = sum(len(part["text"].encode()) for message in messages for part in message["parts"])
    rows = table(f"A conversation of {turns} turns", "read units", "KB returned", "KB of new text", "ratio", "target")
    for name, query, target in (
        ("turns", "view=turns", _TURNS_RATIO),
        ("turns with whole inputs", "view=turns&messages=all", None),
        ("summaries", "view=summary", None),
    ):
        meter.take()
        _, body = user.read("", f"{query}&conversation_id={conversation_id}&limit=1000")
        consumed = meter.take()
        ratio = len(body) / new_bytes
        rows.add_row(
            name,
            f"{consumed.read_units:g}",
            f"{len(body) / 1_000:,.1f}",
            f"{new_bytes / 1_000:,.1f}",
            rated(ratio, target) if target else f"{ratio:.2f}",
            f"≤ {target}" if target else "–",
        )
    console.print(rows)


def _write(meter: Meter, user: User, requests: Iterable[Request], threads: int = 1) -> Consumed:
    meter.take()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(user.post, requests))
    return meter.take()


def _assert_stored(user: User, spans: int) -> None:
    """Fail if spans are missing: the measurements would not be valid."""
    stored, cursor = 0, ""
    while cursor is not None:
        page = user.get(query="view=summary&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        stored += sum(trace["span_count"] for trace in page["traces"])
        cursor = page["next_cursor"]
    assert stored == spans, f"{stored} of {spans} spans are stored"
