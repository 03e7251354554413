"""Responses to exports, and the exports that are refused before they are decoded."""

import gzip
from typing import Any

import pytest

from tests.gateway import Reply
from tests.otlp import ENCODINGS, Encoding, Signal, headers, partial_success, rpc_status
from tracestore.api.otlp.exports import (
    encoding_of,
    export_body,
    otlp_error_response,
    otlp_response,
    rejected_records,
    within_span_limit,
)
from tracestore.domain import errors
from tracestore.domain.errors import TooLarge, TracestoreError, Unsupported
from tracestore.domain.spans import SpanFields
from tracestore.http.errors import status_of
from tracestore.http.request import Request
from tracestore.http.response import Response
from tracestore.ingest.otlp import Export

MIB = 1024 * 1024
ERROR_CLASSES = [
    error_class
    for error_class in vars(errors).values()
    if isinstance(error_class, type) and issubclass(error_class, TracestoreError)
]

in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)


def reply(response: Response) -> Reply:
    return Reply(response.status, dict(response.headers), response.body)


def request(body: bytes = b"", sent: dict[str, str] | None = None) -> Request:
    import base64

    return Request(
        route="POST /v1/traces",
        path={},
        headers=sent or {},
        raw_query="",
        raw_body=base64.b64encode(body).decode(),
        is_base64=True,
        now_ms=0,
        remaining_ms=lambda: 1000,
    )


def read(body: bytes, encoding: Encoding = "json") -> bytes:
    """The body of a request that was sent with gzip."""
    return export_body(request(gzip.compress(body, 1), {"content-encoding": "gzip"}), encoding)


@in_both_encodings
def test_the_response_to_an_export_without_rejections_is_an_empty_message(encoding: Encoding) -> None:
    response = otlp_response("traces", encoding, 0, [])
    assert (response.status, response.body) == (200, b"{}" if encoding == "json" else b"")


@in_both_encodings
@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_rejections_are_counted_and_each_reason_is_reported_once(encoding: Encoding, signal: Signal) -> None:
    received = reply(otlp_response(signal, encoding, 3, ["One.", "Two.", "One."]))
    assert partial_success(received, signal) == (3, "One. Two.")


@in_both_encodings
@pytest.mark.parametrize("error_class", ERROR_CLASSES)
def test_every_failure_has_a_status_in_the_encoding_of_the_request(
    encoding: Encoding, error_class: type[TracestoreError]
) -> None:
    error = error_class("Do it otherwise.")
    received = reply(otlp_error_response(error, headers(encoding)))
    code, message = rpc_status(received)
    assert (received.status, message) == (status_of(error), error.message)
    assert message.startswith("Do it otherwise.")
    assert 0 < code <= 16


@pytest.mark.parametrize("sent", [{}, {"content-type": "text/plain"}])
def test_a_failure_is_in_json_when_the_request_has_neither_encoding(sent: dict[str, str]) -> None:
    assert rpc_status(reply(otlp_error_response(Unsupported("No."), sent))) == (3, "No.")


def test_only_the_two_encodings_of_otlp_are_accepted() -> None:
    with pytest.raises(Unsupported):
        encoding_of(request(sent={"content-type": "application/grpc"}))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(b"[" + b"1000," * 4_000_000 + b"0]", "json", id="integers"),
        pytest.param(b"[" + b"1.5," * 4_000_000 + b"0]", "json", id="floats"),
        pytest.param(b"[" + b"{}," * 4_000_000 + b"0]", "json", id="objects"),
        pytest.param(b"[" + b"{}," * 4_000_000 + b"0]", "protobuf", id="objects as text in protobuf"),
        pytest.param(b"\x0a\x00" * 5_000_000, "protobuf", id="empty values in protobuf"),
        pytest.param(b'"' + b"a" * (10 * MIB) + b'"', "json", id="one text"),
        pytest.param(('["😀' + '", "'.join(["a" * MIB] * 42) + '"]').encode(), "json", id="an emoji among much text"),
    ],
)
def test_a_body_that_would_exhaust_the_memory_when_decoded_is_refused(body: bytes, encoding: Encoding) -> None:
    with pytest.raises(TooLarge):
        read(body, encoding)


@in_both_encodings
def test_a_large_body_of_long_texts_is_accepted(encoding: Encoding) -> None:
    body = ('["' + '", "'.join(["Grüezi 😀, how are you? " * 1_000] * 1_200) + '"]').encode()
    assert len(body) > 30 * MIB
    assert read(body, encoding) == body


def test_a_span_over_4_mib_is_counted_among_the_rejected() -> None:
    export: Export[Any] = Export()
    large, small = SpanFields(span_id="l", input_data="x" * 5_000_000), SpanFields(span_id="s")
    assert within_span_limit([("t", large), ("t", small)], export, 5_000_000) == [("t", small)]
    assert (export.rejected, export.reasons) == (1, ["A span is larger than 4 MiB. Send less input or output with it."])


def test_control_characters_count_by_the_size_of_their_escapes() -> None:
    export: Export[Any] = Export()
    assert within_span_limit([("t", SpanFields(span_id="s", input_data="\x01" * 800_000))], export, 800_000) == []


def test_a_rejected_span_counts_as_the_records_that_reported_it() -> None:
    messages: list[Any] = [[1, 0, "input", {}], [1, 1, "input", {}], [2, 0, "output", {}]]
    reported = [
        ("t", SpanFields(span_id="a")),
        ("t", SpanFields(span_id="b", log_messages=messages)),
        ("u", SpanFields(span_id="a")),
    ]
    assert rejected_records(reported, [("t", "a")]) == 1
    assert rejected_records(reported, [("t", "b")]) == 2
