"""OTLP over HTTP as exporters use it: encodings, partial success, failures, and throttling."""

import base64
import gzip
import http.client
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dev import server
from dev.template import Template
from tests.api import TRACES, Api, failure
from tests.conftest import TableOnEngine
from tests.gateway import Call
from tests.otlp import (
    CONTENT_TYPES,
    ENCODINGS,
    Encoding,
    Signal,
    bomb,
    export,
    headers,
    message,
    new_id,
    partial_success,
    rpc_status,
    send,
    span,
    throttled,
)
from tracestore.http import wiring

PATHS = (
    *("/v1/traces", "/api/public/otel/v1/traces", "/otel/v1/traces", "/api/otel/v1/traces"),
    *("/api/v1/otel/v1/traces", "/api/v1/private/otel/v1/traces", "/"),
)
SIGNALS: tuple[Signal, ...] = ("traces", "logs")
MIB = 1024 * 1024

in_both_encodings = pytest.mark.parametrize("encoding", ENCODINGS)
on_one_engine = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
"""For responses that do not depend on the store."""


# Storing.


@on_one_engine
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_the_root_accepts_nothing_but_exports(api: Api, content_type: str) -> None:
    sent = {"content-type": content_type}
    assert api("POST", "/", body=export(span(new_id())), headers=sent).status == 415


@in_both_encodings
@pytest.mark.parametrize("path", PATHS)
def test_spans_are_stored_from_every_path_and_encoding(api: Api, path: str, encoding: Encoding) -> None:
    trace_id = new_id()
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 7}
    records = [
        span(trace_id, name="root"),
        span(trace_id, "00000000000000bb", parentSpanId="00000000000000aa", values=attributes),
    ]
    reply = api("POST", path, body=export(*records, encoding=encoding), headers=headers(encoding))
    assert partial_success(reply) == (0, "")
    trace = api.trace(trace_id)
    assert (trace["summary"]["name"], trace["summary"]["input_tokens"]) == ("root", 7)
    (child,) = trace["spans"][0]["children"]
    assert (child["operation_type"], child["model_name"], child["status"]) == ("completion", "gpt-4o", "success")


@on_one_engine
def test_the_root_reads_all_signals_from_their_json(api: Api) -> None:
    attributes = {"event.name": "gemini_cli.user_prompt", "session.id": new_id(), "prompt": "Is it raining?"}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    record = {"timeUnixNano": str(time.time_ns()), "attributes": pairs}
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    bodies: list[Any] = [logs, {"resourceMetrics": []}, {"resourceSpans": []}]
    for body in bodies:
        reply = api("POST", "/", body=json.dumps(body).encode(), headers=headers("json"))
        assert partial_success(reply) == (0, "")
    (listed,) = api.page(view="summary", conversation_id=attributes["session.id"])["traces"]
    assert listed["input_preview"] == "Is it raining?"


def test_the_same_export_in_both_encodings_is_stored_once(api: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id), encoding="protobuf")
    before = api.trace(trace_id)
    time.sleep(0.002)
    send(api, span(trace_id), encoding="json")
    assert api.trace(trace_id) == before


@in_both_encodings
def test_a_gzipped_export_is_decompressed(api: Api, encoding: Encoding) -> None:
    trace_id = new_id()
    body = gzip.compress(export(span(trace_id), encoding=encoding))
    assert partial_success(api("POST", "/v1/traces", body=body, headers=headers(encoding, packed=True))) == (0, "")
    assert api.trace(trace_id)["summary"]["span_count"] == 1


def test_an_exported_trace_is_not_visible_to_other_users(api: Api, other: Api) -> None:
    trace_id = new_id()
    send(api, span(trace_id))
    assert other("GET", f"{TRACES}/{trace_id}").status == 404


# Empty requests.


@on_one_engine
@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(("encoding", "body"), [("json", b"{}"), ("protobuf", b"")])
def test_the_response_to_an_empty_request_is_an_empty_message(
    api: Api, signal: Signal, encoding: Encoding, body: bytes
) -> None:
    reply = api("POST", f"/v1/{signal}", body=body, headers=headers(encoding))
    assert (reply.status, reply.body) == (200, body)
    assert reply.headers["content-type"] == CONTENT_TYPES[encoding]


@on_one_engine
@in_both_encodings
def test_metrics_are_accepted_and_dropped(api: Api, encoding: Encoding) -> None:
    reply = api("POST", "/v1/metrics", body=b"whatever", headers=headers(encoding))
    assert (reply.status, reply.body) == (200, b"{}" if encoding == "json" else b"")


@on_one_engine
@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_have_parameters_and_any_case(api: Api, content_type: str) -> None:
    reply = api("POST", "/v1/traces", body=b"{}", headers={"content-type": content_type})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")


# Invalid spans among valid ones.

BAD: dict[str, dict[str, Any]] = {
    "a trace id that is too short": {"traceId": "5b8aa5a2"},
    "a span id that is too long": {"spanId": "051581bf3cb55c1300"},
    "a parent id that is too short": {"parentSpanId": "0515"},
    "a trace id of zeros": {"traceId": "0" * 32},
    "a span id of zeros": {"spanId": "0" * 16},
    "no trace id": {"traceId": None},
    "no span id": {"spanId": None},
    "no start": {"startTimeUnixNano": None},
}


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_an_invalid_span_is_rejected_alone(api: Api, encoding: Encoding, change: dict[str, Any]) -> None:
    trace_id = new_id()
    bad = span(**{"trace_id": trace_id, "span_id": "00000000000000bb", **change})
    rejected, reason = send(api, span(trace_id), bad, encoding=encoding)
    assert rejected == 1
    assert reason.endswith(".")
    (root,) = api.trace(trace_id)["spans"]
    assert (root["span_id"], root["children"]) == ("00000000000000aa", [])


@on_one_engine
@in_both_encodings
def test_each_invalid_span_is_counted(api: Api, encoding: Encoding) -> None:
    trace_id = new_id()
    changes: list[dict[str, Any]] = [{"spanId": "00"}, {"spanId": "01"}, {"startTimeUnixNano": None}]
    rejected, reason = send(api, span(trace_id), *(span(trace_id, **change) for change in changes), encoding=encoding)
    assert rejected == 3
    assert reason.count(".") == 2, "each reason is reported once"


@on_one_engine
@in_both_encodings
def test_a_request_of_invalid_spans_only_is_a_partial_success(api: Api, encoding: Encoding) -> None:
    assert send(api, span("00" * 16), encoding=encoding)[0] == 1


@in_both_encodings
def test_a_span_of_a_deleted_trace_is_rejected_alone(api: Api, encoding: Encoding) -> None:
    deleted, live = new_id(), new_id()
    send(api, span(deleted))
    assert api("DELETE", f"{TRACES}/{deleted}").status == 200
    rejected, reason = send(api, span(deleted, "00000000000000bb"), span(live), encoding=encoding)
    assert (rejected, "deleted" in reason) == (1, True)
    assert api.trace(live)["summary"]["span_count"] == 1


@on_one_engine
@in_both_encodings
def test_a_span_over_4_mb_is_rejected_alone(api: Api, encoding: Encoding) -> None:
    trace_id = new_id()
    noise = random.Random(4).randbytes(2_200_000).hex()
    large = span(trace_id, "00000000000000bb", values={"input.value": noise})
    body = gzip.compress(export(span(trace_id), large, encoding=encoding), 1)
    rejected, reason = partial_success(api("POST", "/v1/traces", body=body, headers=headers(encoding, packed=True)))
    assert (rejected, "4 M" in reason) == (1, True)
    assert api.trace(trace_id)["summary"]["span_count"] == 1


@on_one_engine
def test_a_reason_repeats_no_value_that_was_sent(api: Api) -> None:
    _, reason = send(api, span(new_id(), "secret-secret-se"))
    assert reason
    assert "secret" not in reason


# Requests that fail.


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_body_that_cannot_be_read_is_a_400(api: Api, signal: Signal, encoding: Encoding) -> None:
    reply = api("POST", f"/v1/{signal}", body=b"{\xff not an export", headers=headers(encoding))
    assert reply.status == 400
    assert rpc_status(reply)[0] == 3
    assert reply.headers["content-type"] == CONTENT_TYPES[encoding]


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"{}" * 99)[:-9], gzip.compress(b"{}")[:-2] + b"!!"],
    ids=["cut", "with another checksum"],
)
def test_a_body_that_is_not_the_declared_gzip_is_a_400(api: Api, encoding: Encoding, body: bytes) -> None:
    reply = api("POST", "/v1/traces", body=body, headers=headers(encoding, packed=True))
    assert reply.status == 400
    assert "gzip" in rpc_status(reply)[1]


@on_one_engine
@in_both_encodings
def test_more_than_64_mib_decompressed_is_a_413(api: Api, encoding: Encoding) -> None:
    body = bomb(b"", b" ", b"", 65 * MIB)
    assert len(body) < MIB
    reply = api("POST", "/v1/traces", body=body, headers=headers(encoding, packed=True))
    assert (reply.status, rpc_status(reply)[0]) == (413, 8)


@on_one_engine
@in_both_encodings
def test_more_than_a_function_accepts_is_a_413(api: Api, encoding: Encoding) -> None:
    reply = api("POST", "/v1/traces", body=b" " * 6_000_001, headers=headers(encoding))
    assert reply.status == 413
    assert "smaller" in rpc_status(reply)[1]


@on_one_engine
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/grpc", ""])
@pytest.mark.parametrize("path", [*PATHS, "/v1/logs", "/v1/metrics"])
def test_another_content_type_is_a_415(api: Api, path: str, content_type: str) -> None:
    reply = api("POST", path, body=b"{}", headers={"content-type": content_type})
    assert (reply.status, reply.headers["content-type"]) == (415, "application/json")
    assert "application/x-protobuf" in rpc_status(reply)[1]


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize("path", [*PATHS, "/v1/logs", "/v1/metrics"])
def test_a_request_without_a_credential_is_a_401_in_its_own_encoding(call: Call, path: str, encoding: Encoding) -> None:
    reply = call("POST", path, body=export(span(new_id()), encoding=encoding), headers=headers(encoding))
    assert (reply.status, rpc_status(reply)[0]) == (401, 16)
    assert reply.headers["content-type"] == CONTENT_TYPES[encoding]


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize("path", [*PATHS, "/v1/logs", "/v1/metrics"])
def test_a_key_without_the_ingest_scope_is_a_403(api: Api, path: str, encoding: Encoding) -> None:
    reader = api.with_key("read", "delete")
    reply = reader("POST", path, body=export(span(new_id()), encoding=encoding), headers=headers(encoding))
    assert (reply.status, rpc_status(reply)[0]) == (403, 7)
    assert "ingest" in rpc_status(reply)[1]


@on_one_engine
@pytest.mark.parametrize("sent_as", ["Bearer", "Basic", "x-api-key"])
@pytest.mark.parametrize("path", PATHS)
def test_a_key_is_accepted_in_each_form_that_clients_send(api: Api, path: str, sent_as: str) -> None:
    key = api.with_key("ingest").headers["x-api-key"]
    basic = base64.b64encode(f"pk-lf-anything:{key}".encode()).decode()
    ways = {"Bearer": {"authorization": f"Bearer {key}"}, "Basic": {"authorization": f"Basic {basic}"}}
    trace_id = new_id()
    sent = {**headers("json"), **ways.get(sent_as, {"x-api-key": key})}
    assert api.call("POST", path, body=export(span(trace_id)), headers=sent).status == 200
    assert api.trace(trace_id)["summary"]["span_count"] == 1


# A throttled store.


@on_one_engine
@in_both_encodings
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_throttled_store_is_a_503_with_retry_after(api: Api, signal: Signal, encoding: Encoding) -> None:
    trace_id = new_id()
    record = span(trace_id) if signal == "traces" else message(trace_id, "Hi")
    body = export(record, signal=signal, encoding=encoding)
    with throttled(wiring.dynamodb()):
        reply = api("POST", f"/v1/{signal}", body=body, headers=headers(encoding))
    assert (reply.status, rpc_status(reply)[0]) == (503, 14)
    assert int(reply.headers["retry-after"]) > 0
    assert reply.headers["content-type"] == CONTENT_TYPES[encoding]


@on_one_engine
def test_a_key_that_cannot_be_looked_up_is_a_503_and_not_a_401(api: Api) -> None:
    keyed = api.with_key("ingest")
    with throttled(wiring.dynamodb()):
        reply = keyed("POST", "/v1/traces", body=export(span(new_id())), headers=headers("json"))
    assert (reply.status, "retry-after" in reply.headers) == (503, True)


def test_an_export_that_was_throttled_is_stored_once_when_retried(api: Api) -> None:
    ids = [new_id() for _ in range(3)]
    body = export(*(span(trace_id) for trace_id in ids), encoding="protobuf")
    with throttled(wiring.dynamodb()):
        assert api("POST", "/v1/traces", body=body, headers=headers("protobuf")).status == 503
    for _ in range(2):
        assert api("POST", "/v1/traces", body=body, headers=headers("protobuf")).status == 200
    assert sorted(api.summaries()) == sorted(ids)
    assert [api.trace(trace_id)["summary"]["span_count"] for trace_id in ids] == [1, 1, 1]


# Routes of Langfuse clients.


@on_one_engine
def test_the_credential_check_of_langfuse_finds_one_project(api: Api) -> None:
    key = api.with_key("ingest").headers["x-api-key"]
    basic = base64.b64encode(f"pk:{key}".encode()).decode()
    reply = api.call("GET", "/api/public/projects", headers={"authorization": f"Basic {basic}"})
    assert reply.status == 200
    (project,) = reply.json["data"]
    assert set(project) >= {"id", "name"}


@on_one_engine
def test_the_project_of_langfuse_needs_a_credential(call: Call) -> None:
    assert failure(call("GET", "/api/public/projects")) == (401, "unauthenticated")


@on_one_engine
@pytest.mark.parametrize("route", ["POST /api/public/datasets", "GET /api/public/prompts"])
def test_other_routes_of_langfuse_are_a_404(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    assert failure(api(method, path, body={})) == (404, "route_not_found")


# Over HTTP.


@contextmanager
def connected(template: Template) -> Iterator[http.client.HTTPConnection]:
    with server.serving(template, server.listening(0)) as base:
        connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=30)
        try:
            yield connection
        finally:
            connection.close()


@in_both_encodings
@on_one_engine
@pytest.mark.parametrize("packed", [True, False])
def test_a_chunked_body_is_accepted(
    engine: TableOnEngine, template: Template, api: Api, encoding: Encoding, packed: bool
) -> None:
    trace_id = new_id()
    body = export(span(trace_id), encoding=encoding)
    body = gzip.compress(body) if packed else body
    assert api.user
    sent = {**headers(encoding, packed=packed), "authorization": f"Bearer {api.user.token}"}
    with connected(template) as connection:
        chunks = (body[start : start + 40] for start in range(0, len(body), 40))
        connection.request("POST", "/v1/traces", chunks, sent, encode_chunked=True)
        response = connection.getresponse()
        assert (response.status, response.headers["content-type"]) == (200, CONTENT_TYPES[encoding])
        assert response.read() == (b"{}" if encoding == "json" else b"")
    assert api.trace(trace_id)["summary"]["span_count"] == 1
