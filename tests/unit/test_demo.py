"""The sample day contains all that it promises, and a failure to send it is reported clearly."""

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tracestore.domain.anomalies import Anomaly, anomalies_of, histories_of
from tracestore.domain.buckets import Bucket
from tracestore.domain.contributions import MeasureContribution, contributions_of
from tracestore.domain.counters import MeasureCounter
from tracestore.domain.heads import NO_PREVIEWS, summarize
from tracestore.domain.merge import Span as MergedSpan
from tracestore.domain.merge import merge
from tracestore.domain.updates import span_update
from tracestore.ingest.native import parse_span
from tracestore_cli import demo
from tracestore_cli.posting import NotServed
from tracestore_cli.samples import Span

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
FIELDS = {
    *("trace_id", "span_id", "parent_span_id", "span_name", "operation_type", "start_time", "end_time"),
    *("model_name", "model_provider", "input_data", "output_data", "metadata", "conversation_id", "message_id"),
    *("input_tokens", "output_tokens", "cost_usd", "tool_name", "end_user_id", "service_name", "lesson_id"),
    *("error_message", "error_type", "time_to_first_token_ms"),
}


@pytest.fixture(scope="module")
def traces() -> list[list[Span]]:
    return demo.day(NOW)


@pytest.fixture(scope="module")
def spans(traces: list[list[Span]]) -> list[Span]:
    return [span for trace in traces for span in trace]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def merged(trace: list[Span], now: datetime) -> list[MergedSpan]:
    """The spans of a trace, as the store has them."""
    parsed = [parse_span(span, now_ns=int(now.timestamp()) * 10**9) for span in trace]
    return merge(span_update(fields, received_ms=int(now.timestamp()) * 1000) for _, fields in parsed)


def test_a_day_has_the_requested_number_of_traces() -> None:
    assert [len(demo.day(NOW, count)) for count in (1, 7, 120, 150)] == [1, 7, 120, 150]


def test_a_day_lasts_24_hours_and_ends_now(spans: list[Span]) -> None:
    times = [moment(span[name]) for span in spans for name in ("start_time", "end_time") if name in span]
    assert NOW - timedelta(hours=26) < min(times)
    assert NOW - timedelta(minutes=10) < max(times) <= NOW


def test_the_night_is_quieter_than_the_day(traces: list[list[Span]]) -> None:
    hours = [moment(trace[0]["start_time"]).hour for trace in traces]
    assert sum(hour in range(0, 6) for hour in hours) * 4 < sum(hour in range(9, 15) for hour in hours)


def test_spans_have_only_the_contract_s_fields(spans: list[Span]) -> None:
    assert set().union(*spans) <= FIELDS


def test_span_ids_are_unique(spans: list[Span]) -> None:
    assert len({(span["trace_id"], span["span_id"]) for span in spans}) == len(spans)


def test_ids_differ_from_day_to_day(spans: list[Span]) -> None:
    later = {span["trace_id"] for trace in demo.day(NOW + timedelta(seconds=1)) for span in trace}
    assert not later & {span["trace_id"] for span in spans}


def test_children_lie_within_their_parents(traces: list[list[Span]]) -> None:
    for trace in traces:
        by_id = {span["span_id"]: span for span in trace}
        for span in trace:
            parent = by_id.get(span.get("parent_span_id"))
            if parent and "end_time" in parent:
                assert parent["start_time"] <= span["start_time"] <= span["end_time"] <= parent["end_time"]


def test_errors_are_of_several_kinds(spans: list[Span]) -> None:
    kinds = {span["error_type"] for span in spans if "error_type" in span}
    assert {"RateLimitError", "TimeoutError", "ToolError", "BadRequestError", "GuardrailError"} <= kinds


def test_something_is_pending(spans: list[Span]) -> None:
    assert any("end_time" not in span and "error_type" not in span for span in spans)


def test_one_trace_has_no_root(traces: list[list[Span]]) -> None:
    orphans = [trace for trace in traces if all("parent_span_id" in span for span in trace)]
    assert len(orphans) == 1


def test_a_conversation_spans_several_traces(spans: list[Span]) -> None:
    traces_of: dict[str, set[str]] = defaultdict(set)
    for span in spans:
        traces_of[span.get("conversation_id", "")].add(span["trace_id"])
    assert max(len(ids) for name, ids in traces_of.items() if name) >= 4


def test_an_agent_nests_more_than_40_spans(traces: list[list[Span]]) -> None:
    longest = max(traces, key=len)
    agents = {span["span_id"] for span in longest if span["operation_type"] == "agent"}
    assert len(longest) > 40
    assert sum(span["operation_type"] == "agent" and span.get("parent_span_id") in agents for span in longest) >= 3


def test_answers_that_a_person_watches_have_a_first_token(spans: list[Span]) -> None:
    streamed = [span for span in spans if "time_to_first_token_ms" in span]
    assert len(streamed) > 30
    for span in streamed:
        took = moment(span["end_time"]) - moment(span["start_time"])
        assert timedelta(0) < timedelta(milliseconds=span["time_to_first_token_ms"]) < took


def test_a_lesson_is_written_by_its_second_provider(traces: list[list[Span]]) -> None:
    statuses = [
        (head.provider_used, head.fallback_providers, head.status)
        for trace in traces
        if trace[0]["operation_type"] == "lesson"
        for head in [summarize(merged(trace, NOW), NO_PREVIEWS)]
        if head.fallback_providers
    ]
    [(used, tried, status)] = statuses
    assert used not in tried
    assert len(tried) == 1
    assert status == "success"


@pytest.mark.parametrize("script", ["ü", "の", "ا", "🔥"])
def test_customers_write_in_several_scripts(spans: list[Span], script: str) -> None:
    assert script in json.dumps(spans, ensure_ascii=False)


def test_one_prompt_has_300_kb(spans: list[Span]) -> None:
    sizes = sorted(len(json.dumps(span)) for span in spans)
    assert sizes[-1] > 300_000 > 100_000 > sizes[-2]


def test_services_models_and_providers_vary(spans: list[Span]) -> None:
    names = ("service_name", "model_name", "model_provider", "end_user_id", "operation_type")
    seen = {name: {span[name] for span in spans if name in span} for name in names}
    assert len(seen["service_name"]) >= 5
    assert len(seen["model_name"]) >= 7
    assert len(seen["model_provider"]) >= 5
    assert len(seen["end_user_id"]) >= 20
    assert {"lesson", "retrieval", "embedding", "rerank", "guardrail", "evaluation", "http"} <= seen["operation_type"]


def anomalies_in(traces: list[list[Span]], now: datetime) -> list[Anomaly]:
    """The anomalies on the last day of these traces, from their counters."""
    hours: dict[int, MeasureCounter] = defaultdict(MeasureCounter)
    for trace in traces:
        summary = summarize(merged(trace, now), NO_PREVIEWS)
        for bucket, contribution in contributions_of(trace[0]["trace_id"], summary, 0, str).items():
            if (
                isinstance(bucket, Bucket)
                and isinstance(contribution, MeasureContribution)
                and bucket.interval == "hour"
            ):
                hours[bucket.number].add(contribution, 1)
    last = int(now.timestamp()) // 3_600
    return anomalies_of(histories_of(hours.items()), range(last - 24, last + 1))


@pytest.mark.parametrize("minutes", [0, 3, 30, 59])
@pytest.mark.parametrize("hours", [0, 8, 15])
def test_the_shortage_of_capacity_is_the_only_anomaly(hours: int, minutes: int) -> None:
    now = NOW + timedelta(hours=hours, minutes=minutes)
    anomalies = anomalies_in(demo.week(now), now)
    shortage = int((now - timedelta(hours=5, minutes=5)).timestamp()) // 3_600
    assert {(anomaly.kind, anomaly.series.model_name) for anomaly in anomalies} >= {("error_rate", "gpt-4o-mini")}
    assert all(each.kind == "error_rate" and abs(each.worst.hour - shortage) <= 1 for each in anomalies)


def test_the_week_before_is_thin(traces: list[list[Span]]) -> None:
    earlier = demo.week(NOW)[: -len(traces)]
    assert len(earlier) < len(traces)
    assert len({moment(trace[0]["start_time"]).date() for trace in earlier}) >= 6
    assert max(moment(span["start_time"]) for trace in earlier for span in trace) < NOW - timedelta(hours=24)


Reply = tuple[int, dict[str, str], dict[str, Any]]


@contextmanager
def server(answer: Callable[[int, dict[str, Any]], Reply]) -> Iterator[str]:
    """An HTTP server. `answer` returns the response to the n-th POST (from 1)."""
    count = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal count
            count += 1
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            is_packed = self.headers.get("Content-Encoding") == "gzip"
            status, headers, body = answer(count, json.loads(gzip.decompress(sent) if is_packed else sent))
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}/"
        finally:
            listening.shutdown()
            thread.join()


def stored(_: int, body: dict[str, Any]) -> Reply:
    return 201, {}, {"success": True, "data": [], "rejected": []}


def test_every_span_is_sent_in_requests_of_at_most_200() -> None:
    sizes: list[int] = []

    def answer(number: int, body: dict[str, Any]) -> Reply:
        sizes.append(len(body["spans"]))
        return stored(number, body)

    with server(answer) as base:
        assert demo.send(base, "tsk_x", traces=60) == 60
    assert max(sizes) <= 200


def test_progress_reaches_the_total() -> None:
    calls: list[tuple[int, int]] = []
    with server(stored) as base:
        demo.send(base, "tsk_x", traces=40, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (40, 40)


def test_a_busy_deployment_is_tried_again() -> None:
    def answer(number: int, body: dict[str, Any]) -> Reply:
        return (503, {"Retry-After": "0"}, {"success": False}) if number == 1 else stored(number, body)

    with server(answer) as base:
        assert demo.send(base, "tsk_x", traces=1) == 1


def test_a_refused_key_is_reported_clearly() -> None:
    with server(lambda *_: (401, {}, {})) as base, pytest.raises(NotServed, match="key or token was refused"):
        demo.send(base, "tsk_x", traces=1)


def test_refused_spans_are_reported() -> None:
    rejected = [{"index": 0, "code": "invalid_span", "message": "start_time is missing"}]
    with (
        server(lambda *_: (201, {}, {"success": True, "data": [], "rejected": rejected})) as base,
        pytest.raises(NotServed, match="start_time is missing"),
    ):
        demo.send(base, "tsk_x", traces=1)


def test_an_unreachable_deployment_is_reported_clearly() -> None:
    with pytest.raises(NotServed, match="does not answer"):
        demo.send("http://127.0.0.1:9", "tsk_x", traces=1)
