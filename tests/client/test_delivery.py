"""Delivery: the store's state never affects the application's time, memory and results."""

import gc
import logging
import threading
import time
import tracemalloc
from statistics import median
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider

import tracestore_client as client
from tests.client.conftest import Configure, Store

CALLS = 200
QUICK = client.Limits(interval_s=0.01, export_timeout_s=0.3, exit_timeout_s=0.2)


def lesson(number: int = 0) -> None:
    """A lesson of one model call."""
    with client.trace_lesson(f"lesson-{number}", {"topic": "rivers", "level": 3}) as step:
        with step.llm_call("openai", "gpt-4o-mini", prompt="Write about rivers. " * 50, temperature=0.2) as call:
            call.respond("Rivers flow. " * 100)
            call.usage(input_tokens=200, output_tokens=300)
        step.response = {"title": "Rivers", "sections": ["Source", "Mouth"]}


def typical_ms(calls: int = CALLS) -> float:
    """The median time of a lesson: other work on the machine may have delayed single ones."""
    durations_s = []
    for number in range(calls):
        began = time.perf_counter()
        lesson(number)
        durations_s.append(time.perf_counter() - began)
    return median(durations_s) * 1000


@pytest.mark.parametrize("trouble", ["refusing", "hanging", "garbage"])
def test_a_span_costs_less_than_a_millisecond_in_every_state_of_the_store(
    trouble: str, configure: Configure, request: pytest.FixtureRequest
) -> None:
    configure(request.getfixturevalue(trouble), limits=QUICK)
    assert typical_ms() / 2 < 1  # a lesson and a model call: two spans


@pytest.mark.parametrize("status", [400, 401, 413, 429, 500, 503])
def test_spans_that_the_store_refuses_are_counted_and_raise_nothing(
    status: int, configure: Configure, store: Store
) -> None:
    store.status = status
    configure(store.base, limits=QUICK)
    lesson()
    assert client.flush(5)
    assert (client.dropped(), client.stats().reasons[next(iter(client.stats().reasons))]) == (2, 2)


@pytest.mark.parametrize("trouble", ["refusing", "hanging", "garbage"])
def test_spans_that_cannot_be_sent_are_counted(
    trouble: str, configure: Configure, request: pytest.FixtureRequest
) -> None:
    configure(request.getfixturevalue(trouble), limits=QUICK)
    lesson()
    assert client.flush(5)
    assert client.dropped() == 2


def test_drops_are_logged_once(configure: Configure, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.status = 401
    configure(store.base, limits=QUICK)
    for number in range(5):
        lesson(number)
        assert client.flush(5)
    assert [record.name for record in caplog.records] == ["tracestore_client"]
    assert "HTTP 401: check the API key" in caplog.text


def test_a_log_handler_that_traces_causes_no_deadlock(configure: Configure, hanging: str) -> None:
    class Tracing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lesson()

    configure(hanging, limits=client.Limits(max_queue_spans=1))
    logger, handler = logging.getLogger("tracestore_client"), Tracing()
    logger.addHandler(handler)
    try:
        lesson()
    finally:
        logger.removeHandler(handler)
    assert client.dropped() == 3


def test_every_span_of_many_threads_is_counted(configure: Configure, store: Store) -> None:
    configure(store.base, limits=client.Limits(max_queue_spans=50, batch_spans=20))
    threads = [threading.Thread(target=typical_ms, args=(50,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(10)
    assert client.stats().sent + client.dropped() == 4 * 50 * 2


def test_the_application_s_own_exporter_still_logs(configure: Configure, caplog: pytest.LogCaptureFixture) -> None:
    configure()
    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error("theirs")
    assert caplog.messages == ["theirs"]


def test_the_queue_has_a_limit_of_spans(configure: Configure, hanging: str) -> None:
    configure(hanging, limits=client.Limits(max_queue_spans=10))
    for number in range(50):
        lesson(number)
    assert (client.stats().queued, client.dropped()) == (10, 90)


def test_the_queue_has_a_limit_of_bytes_and_its_spans_are_cut(configure: Configure, hanging: str) -> None:
    limits = client.Limits(max_queue_bytes=1_000_000, max_value_characters=50_000)
    configure(hanging, limits=limits)
    lesson()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(100):
            with client.span("heavy", input="x" * 1_000_000):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert client.stats().queued_bytes <= limits.max_queue_bytes
    assert peak < 3 * limits.max_queue_bytes
    assert client.dropped() > 50


def test_long_values_of_other_tracers_are_cut_with_a_note(configure: Configure, hanging: str) -> None:
    provider = configure(hanging, limits=client.Limits(max_value_characters=100))
    queued: list[Any] = []
    _record_queued_spans(provider, queued)
    with provider.get_tracer("theirs").start_as_current_span("theirs") as span:
        span.set_attribute("long", "x" * 10_000)
        span.set_attribute("short", "y")
    assert queued[0].attributes == {"long": "x" * 100 + "… [cut: 10000 characters]", "short": "y"}


def test_only_the_span_that_is_too_large_after_cutting_is_dropped(configure: Configure, store: Store) -> None:
    provider = configure(store.base, limits=client.Limits(max_span_bytes=10_000))
    with provider.get_tracer("theirs").start_as_current_span("theirs") as span:
        for number in range(100):
            span.set_attribute(f"many.{number}", "x")
    lesson()
    assert client.flush(5)
    assert (client.stats().sent, client.stats().reasons) == (2, {"a single span is too large": 1})


def test_a_batch_that_is_too_large_is_sent_in_halves(configure: Configure, store: Store) -> None:
    configure(store.base)
    store.status = 413
    lesson()
    lesson()
    assert client.flush(5)
    assert len(store.requests) == 7  # of 4, 2, 1, 1, 2, 1, 1 spans


def test_spans_that_the_store_rejects_are_counted(configure: Configure, store: Store) -> None:
    response = ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(rejected_spans=1))
    store.body = response.SerializeToString()
    configure(store.base)
    lesson()
    assert client.flush(5)
    assert (client.stats().sent, client.dropped()) == (1, 1)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (200, {"content-type": "text/html"}, b"<html>Sign in</html>"),
        (302, {"location": "/login"}, b""),
        (200, {"content-type": "application/x-protobuf"}, b"\xff" * 50),
        (200, {"content-type": "application/x-protobuf", "content-encoding": "gzip"}, b"not gzip"),
    ],
    ids=["a page", "a redirect", "not protobuf", "not gzip"],
)
def test_a_response_that_is_not_from_a_store_counts_as_a_failure(
    status: int, headers: dict[str, str], body: bytes, configure: Configure, store: Store
) -> None:
    store.status, store.headers, store.body = status, headers, body
    configure(store.base, limits=QUICK)
    lesson()
    assert client.flush(5)
    assert (client.stats().sent, client.dropped()) == (0, 2)


def test_only_the_beginning_of_a_large_response_is_read(configure: Configure, store: Store) -> None:
    store.body = b"x" * 50_000_000
    configure(store.base)
    lesson()
    tracemalloc.start()
    try:
        assert client.flush(5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000
    assert client.dropped() == 2


def test_only_its_own_credential_is_sent(configure: Configure, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-other-vendor=secret")
    configure(store.base)
    lesson()
    assert client.flush(5)
    (headers,) = store.requests
    assert headers["authorization"] == "Bearer tsk_test"
    assert "x-other-vendor" not in headers


def test_a_shutdown_waits_for_a_hanging_store_no_longer_than_its_timeout(configure: Configure, hanging: str) -> None:
    configure(hanging)
    lesson()
    began = time.monotonic()
    assert not client.shutdown(0.1)
    assert time.monotonic() - began < 1
    assert client.dropped() == 2


def test_the_provider_s_own_shutdown_takes_no_longer_than_the_exit_timeout(configure: Configure, hanging: str) -> None:
    provider = configure(hanging, limits=QUICK)
    lesson()
    began = time.monotonic()
    provider.shutdown()
    assert time.monotonic() - began < 2


def test_spans_that_end_after_a_shutdown_are_counted(configure: Configure, store: Store) -> None:
    configure(store.base)
    assert client.shutdown(5)
    lesson()
    assert client.stats().reasons == {"tracing was shut down": 2}


def test_a_flush_that_times_out_returns_false(configure: Configure, hanging: str) -> None:
    configure(hanging)
    lesson()
    assert not client.flush(0.01)


def test_the_export_after_a_failed_one_succeeds(configure: Configure, store: Store) -> None:
    configure(store.base, limits=QUICK)
    store.status = 500
    lesson()
    assert client.flush(5)
    store.status = 200
    lesson()
    assert client.flush(5)
    assert (client.stats().sent, client.dropped()) == (2, 2)


def _record_queued_spans(provider: TracerProvider, queued: list[Any]) -> None:
    from tracestore_client._state import state

    assert state.delivery
    tap = state.taps[provider]
    offer = state.delivery.offer
    queue = state.delivery._queue

    def offer_and_record(span: Any) -> None:
        offer(span)
        queued.extend(queued_span for queued_span, _ in queue)

    assert tap.delivery is state.delivery
    state.delivery.offer = offer_and_record  # type: ignore[method-assign]
