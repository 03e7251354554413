"""The protocols of other SDKs: amendments, failures, limits and scores, by requests that no recording contains."""

import base64
import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from backports import zstd

from tests.api import Api, failure, flat, path_of
from tests.gateway import Reply, new_user
from tracestore.domain.errors import NotFound
from tracestore.http import wiring
from tracestore.http.request import MAX_DECODED_BYTES
from tracestore.ingest.sdk_multipart import MAX_HEADER_BYTES, MAX_PARTS
from tracestore.storage.deadline import Deadline
from tracestore.storage.listing import ALIAS_ATTEMPTS, trace_of_span

ROOT, CHILD = str(UUID(int=0xA0)), str(UUID(int=0xB0))
ROOT_HEX, CHILD_HEX = UUID(ROOT).hex, UUID(CHILD).hex
START, LATER, END = "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z", "2026-11-22T10:00:05Z"
BOUNDARY = "b0undary"
LEVEL, CONTENT_SIZE, WINDOW = (
    int(getattr(zstd.CompressionParameter, name)) for name in ("compression_level", "content_size_flag", "window_log")
)


def run(run_id: str = ROOT, **fields: Any) -> dict[str, Any]:
    parent = {} if run_id == ROOT else {"parent_run_id": ROOT}
    return {"id": run_id, "trace_id": ROOT, "name": "ask", "run_type": "chain", "start_time": START, **parent, **fields}


def batch(api: Api, **runs: list[Any]) -> Reply:
    return api("POST", "/runs/batch", body=runs)


def multipart(*parts: tuple[str, Any], head: tuple[str, ...] = ()) -> bytes:
    """A body with these parts; a content that is not bytes is sent as JSON."""
    body = b""
    for name, content in parts:
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json; length=1"
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        disposition = f'Content-Disposition: form-data; name="{name}"'
        body += "\r\n".join([f"--{BOUNDARY}", disposition, *head, f"Content-Type: {kind}", "", ""]).encode()
        body += data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def send_parts(api: Api, body: bytes, **headers: str) -> Reply:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content_type = f"multipart/form-data; boundary={BOUNDARY}"
    return api("POST", "/runs/multipart", body=body, headers={"content-type": content_type, **sent})


def events(api: Api, *sent: tuple[Any, dict[str, Any]], time: str = START) -> Any:
    """The reply to a batch of events, which get the ids e0, e1, …."""
    listed = [{"id": f"e{i}", "type": kind, "timestamp": time, "body": body} for i, (kind, body) in enumerate(sent)]
    reply = api("POST", "/api/public/ingestion", body={"batch": listed})
    assert reply.status == 207, reply.body
    return reply.json


def items(api: Api, *sent: dict[str, Any]) -> Reply:
    return api("POST", "/v1/traces/ingest", body={"data": sent})


def agent_span(span_id: str, parent: str | None, data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    ids = {"id": f"span_{span_id * 24}", "trace_id": AGENT_TRACE, "parent_id": parent and f"span_{parent * 24}"}
    times = {"started_at": START, "ended_at": END}
    return {"object": "trace.span", **ids, **times, "span_data": data, "error": None, **fields}


CHAT = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "dry"}}]}
AGENT_TRACE = f"trace_{'7' * 32}"


def only_root(api: Api, trace_id: str) -> Any:
    (root,) = api.trace(trace_id)["spans"]
    return root


# LangSmith: runs


@pytest.mark.parametrize("order", [("post", "patch"), ("patch", "post")])
def test_a_post_and_its_patch_give_one_run_in_either_order(api: Api, order: tuple[str, str]) -> None:
    sent = {
        "post": run(inputs={"q": "rain?"}, extra={"metadata": {"thread_id": "chat-1", "kept": 1}}, serialized={"a": 1}),
        "patch": run(
            end_time=END, outputs={"a": "dry"}, extra={"metadata": {"added": 2}}, inputs={}, tags=[], events=[]
        ),
    }
    for kind in order:
        assert batch(api, **{kind: [sent[kind]]}).status == 202
    root = only_root(api, ROOT_HEX)
    assert (root["status"], root["input_data"], root["output_data"]) == ("success", {"q": "rain?"}, {"a": "dry"})
    assert root["conversation_id"] == "chat-1"
    assert (root["metadata"]["kept"], root["metadata"]["added"]) == (1, 2)
    assert root["metadata"]["attributes"]["langsmith"]["run"]["serialized"] == {"a": 1}


def test_a_patch_of_a_complete_post_replaces_its_fields(api: Api) -> None:
    batch(api, post=[run(end_time=END, outputs={"a": 1})])
    batch(api, patch=[run(outputs={"a": 2})])
    root = only_root(api, ROOT_HEX)
    assert (root["output_data"], root["status"], root["end_time"]) == ({"a": 2}, "success", "2026-11-22T10:00:05.000Z")


def test_a_patch_alone_has_the_start_and_the_parent_of_its_dotted_order(api: Api) -> None:
    order = f"20261122T100000000000Z{ROOT}.20261122T100001000000Z{CHILD}"
    patch = {"dotted_order": order, "end_time": 1795341605000}
    assert send_parts(api, multipart((f"patch.{CHILD}", patch))).status == 202
    span = api.span(CHILD_HEX, ROOT_HEX)
    assert (span["start_time"], span["parent_span_id"]) == ("2026-11-22T10:00:01.000Z", ROOT_HEX)
    assert span["end_time"] == "2026-11-22T10:00:05.000Z"


def test_a_run_that_ends_within_the_millisecond_of_its_start_is_stored(api: Api) -> None:
    """In JavaScript, starts have microseconds and ends do not."""
    start, start_ms = "2026-11-22T10:00:00.000004Z", 1795341600000
    assert batch(api, post=[run(start_time=start, end_time=start_ms)]).status == 202
    root = only_root(api, ROOT_HEX)
    assert (root["duration_ms"], root["status"]) == (0, "success")
    assert batch(api, post=[run(CHILD, start_time=start, end_time=start_ms - 1)]).status == 400


def test_a_run_may_be_sent_and_amended_alone(api: Api) -> None:
    assert api("POST", "/runs", body=run()).status == 202
    assert api("POST", "/runs", body=run(CHILD, run_type="llm")).status == 202
    assert api("PATCH", f"/runs/{CHILD}", body={"end_time": END, "outputs": CHAT}).status == 202
    child = api.span(CHILD_HEX, ROOT_HEX)
    assert (child["status"], child["model_name"], child["operation_type"]) == ("success", "m", "completion")
    assert api.span(ROOT_HEX, ROOT_HEX)["status"] == "pending"


def test_the_project_is_a_tag_and_no_conversation(api: Api) -> None:
    batch(api, post=[run(session_name="my-project", tags=["a"])])
    root = only_root(api, ROOT_HEX)
    assert (root["tags"], root["conversation_id"]) == (["a", "my-project"], None)


def test_copies_of_environment_variables_are_dropped(api: Api) -> None:
    batch(api, post=[run(extra={"metadata": {"LANGSMITH_TRACING": "true", "LANGCHAIN_PROJECT": "p", "mine": 1}})])
    metadata = only_root(api, ROOT_HEX)["metadata"]
    assert metadata["mine"] == 1
    assert "LANGSMITH_TRACING" not in json.dumps(metadata)
    assert "LANGCHAIN_PROJECT" not in json.dumps(metadata)


def test_runs_that_are_nested_in_a_run_are_stored(api: Api) -> None:
    child = {"id": CHILD, "name": "inner", "run_type": "tool", "start_time": LATER, "end_time": END}
    assert api("POST", "/runs", body=run(child_runs=[child])).status == 202
    assert api.span(CHILD_HEX, ROOT_HEX)["parent_span_id"] == ROOT_HEX


def test_a_run_by_otlp_and_a_run_of_the_protocol_are_in_one_trace(api: Api) -> None:
    batch(api, post=[run()])
    span = {"traceId": ROOT_HEX, "spanId": "b7ad6b7169203331", "name": "http"}
    times = {"startTimeUnixNano": "1795341601000000000", "endTimeUnixNano": "1795341602000000000"}
    export = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, **times}]}]}]}
    assert api("POST", "/otel/v1/traces", body=export).status == 200
    assert api.trace(ROOT_HEX)["summary"]["span_count"] == 2


def test_a_repeated_body_changes_nothing(api: Api) -> None:
    body = multipart((f"post.{ROOT}", run()), (f"patch.{ROOT}", run(end_time=END)), (f"patch.{ROOT}.outputs", {"a": 1}))
    assert send_parts(api, body).status == 202
    before = api("GET", path_of(ROOT_HEX))
    assert send_parts(api, gzip.compress(body), content_encoding="gzip").status == 202
    assert api("GET", path_of(ROOT_HEX)).body == before.body


def test_an_attachment_is_a_medium_of_its_run(api: Api) -> None:
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 200
    body = multipart((f"post.{ROOT}", run()), (f"attachment.{ROOT}.photo.png", image))
    assert send_parts(api, zstd.compress(body), content_encoding="zstd").status == 202
    (attachment,) = only_root(api, ROOT_HEX)["metadata"]["attachments"]
    assert (attachment["name"], attachment["bytes"]) == ("photo.png", len(image))
    batch(api, patch=[run(end_time=END, extra={"metadata": {"later": 1}})])
    assert api("GET", f"{path_of(ROOT_HEX)}/media/{attachment['sha256']}").body == image


def test_valid_runs_are_stored_and_the_others_are_named(api: Api) -> None:
    reply = batch(api, post=[run(), {"name": "no id"}, {"id": CHILD, "parent_run_id": ROOT}])
    assert failure(reply) == (400, "invalid_request")
    assert [detail["field"] for detail in reply.json["error"]["details"]] == ["post[1]", CHILD]
    assert only_root(api, ROOT_HEX)["span_name"] == "ask"


def test_runs_of_a_deleted_trace_are_a_conflict(api: Api) -> None:
    batch(api, post=[run()])
    assert api("DELETE", path_of(ROOT_HEX)).status == 200
    assert failure(batch(api, patch=[run(end_time=END)])) == (409, "conflict")


# LangSmith: limits


def test_a_body_may_have_4000_parts(api: Api) -> None:
    names = [(f"post.{UUID(int=i)}", run(str(UUID(int=i)), trace_id=ROOT)) for i in range(1, 3)]
    many = [(f"post.{UUID(int=1)}.inputs", {"i": i}) for i in range(MAX_PARTS - 2)]
    assert send_parts(api, multipart(*names, *many)).status == 202
    assert failure(send_parts(api, multipart(*names, *many, ("post.x", {})))) == (413, "body_too_large")


def test_the_headers_of_a_part_may_have_8_kb(api: Api) -> None:
    long, too_long = (f"X-Note: {'x' * length}" for length in (MAX_HEADER_BYTES - 200, MAX_HEADER_BYTES))
    assert send_parts(api, multipart((f"post.{ROOT}", run()), head=(long,))).status == 202
    reply = send_parts(api, multipart((f"post.{ROOT}", run()), head=(too_long,)))
    assert failure(reply) == (400, "malformed_multipart")


def test_the_values_of_all_parts_count_together(api: Api) -> None:
    half = ("[" + ",".join("1" * 600_000) + "]").encode()
    body = multipart((f"post.{ROOT}", run()), (f"post.{ROOT}.inputs", half), (f"post.{ROOT}.outputs", half))
    reply = send_parts(api, gzip.compress(body), content_encoding="gzip")
    assert failure(reply) == (413, "body_too_large")


@pytest.mark.parametrize("has_size", [True, False])
def test_a_zstd_body_may_unpack_to_64_mib(api: Api, has_size: bool) -> None:
    packed = zstd.compress(bytes(MAX_DECODED_BYTES + 1), options={LEVEL: 1, CONTENT_SIZE: int(has_size)})
    assert failure(send_parts(api, packed, content_encoding="zstd")) == (413, "body_too_large")


def test_a_zstd_window_may_have_8_mib(api: Api) -> None:
    body = multipart((f"post.{ROOT}", run()), (f"attachment.{ROOT}.zeros", bytes(20_000_000)))
    for window_bits, status in ((23, 202), (24, 400)):
        compressor = zstd.ZstdCompressor(options={WINDOW: window_bits, CONTENT_SIZE: 0})
        packed = compressor.compress(body) + compressor.flush()
        assert send_parts(api, packed, content_encoding="zstd").status == status


@pytest.mark.parametrize(
    "body", [b"", b"--b0undary", b"--b0undary\r\n\r\nx", b"no boundary", zstd.compress(b"x")[:-1]], ids=range(5)
)
def test_a_malformed_body_is_refused(api: Api, body: bytes) -> None:
    assert send_parts(api, body).status == 400


# LangSmith: feedback


def test_feedback_finds_the_trace_of_its_run(api: Api) -> None:
    batch(api, post=[run(), run(CHILD)])
    for run_id, span_id in ((ROOT, ROOT_HEX), (CHILD, CHILD_HEX)):
        reply = api("POST", "/feedback", body={"id": "f1", "run_id": run_id, "key": "good one", "score": 0.5})
        assert (reply.status, reply.json["id"]) == (200, "f1")
        (annotation,) = (each for each in annotations(api, ROOT_HEX) if each["span_id"] == span_id)
        assert (annotation["name"], annotation["value"]) == ("good_one", 0.5)


def annotations(api: Api, trace_id: str) -> list[Any]:
    listed: list[Any] = api("GET", f"{path_of(trace_id)}/annotations").json["annotations"]
    return listed


def test_feedback_for_an_unknown_run_is_not_found(api: Api) -> None:
    reply = api("POST", "/feedback", body={"run_id": CHILD, "key": "good", "score": 1})
    assert failure(reply) == (404, "not_found")


def test_feedback_in_a_multipart_body_is_stored_after_its_run(api: Api) -> None:
    feedback = {"run_id": ROOT, "trace_id": ROOT, "key": "label", "value": "right", "comment": "c" * 5_000}
    assert send_parts(api, multipart(("feedback.f2", feedback), (f"post.{ROOT}", run()))).status == 202
    (annotation,) = annotations(api, ROOT_HEX)
    assert (annotation["id"], annotation["value"], len(annotation["comment"])) == ("f2", "right", 1_000)


# Credentials


def test_a_key_without_a_scheme_is_a_credential(api: Api) -> None:
    key = api.with_key("ingest").headers["x-api-key"]
    bare = Api(api.call, None, {"authorization": key})
    assert bare("GET", "/info").json["instance_flags"]["zstd_compression_enabled"] is True
    basic = base64.b64encode(f"pk-lf-1:{key}".encode()).decode()
    assert Api(api.call, None, {"authorization": f"Basic {basic}"})("GET", "/info").status == 200


def test_a_client_is_asked_for_less_than_lambda_takes(api: Api) -> None:
    assert api("GET", "/info").json["batch_ingest_config"]["size_limit_bytes"] < 4_500_000


# Langfuse


def test_updates_before_their_create_and_in_another_request_give_one_observation(api: Api) -> None:
    ids = {"id": "o", "traceId": "t"}
    events(api, ("generation-update", {**ids, "endTime": END, "usage": {"input": 3, "output": 4}}), time=END)
    events(api, ("generation-create", {**ids, "name": "g", "startTime": START, "model": "m", "metadata": {"a": 1}}))
    span = api.span("o", "t")
    assert (span["span_name"], span["status"], span["model_name"]) == ("g", "success", "m")
    assert (span["input_tokens"], span["output_tokens"], span["start_time"]) == (3, 4, "2026-11-22T10:00:00.000Z")
    assert span["metadata"]["a"] == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_later_of_two_updates_counts_in_any_order(api: Api, order: tuple[int, int]) -> None:
    ids = {"id": "o", "traceId": "t"}
    events(api, ("span-create", {**ids, "startTime": START, "endTime": LATER, "output": "first"}))
    for index in order:
        events(api, ("span-update", {**ids, "output": f"update {index}"}), time=(LATER, END)[index])
    assert api.span("o", "t")["output_data"] == "update 1"


def test_a_trace_is_the_root_of_its_observations(api: Api) -> None:
    trace = {"id": "t", "timestamp": LATER, "name": "job", "sessionId": "s", "userId": "u", "tags": ["x"], "input": "q"}
    events(api, ("trace-create", trace))
    assert api.trace("t")["summary"]["status"] == "success"
    events(api, ("span-create", {"id": "o", "traceId": "t", "name": "step", "startTime": START}))
    assert api.trace("t")["summary"]["status"] == "pending"
    events(api, ("span-update", {"id": "o", "traceId": "t", "endTime": END, "level": "ERROR", "statusMessage": "bad"}))
    events(api, ("trace-create", {"id": "t", "output": "a", "timestamp": END}))
    root = only_root(api, "t")
    assert (root["start_time"], root["end_time"]) == ("2026-11-22T10:00:00.000Z", "2026-11-22T10:00:05.000Z")
    assert (root["status"], root["input_data"], root["output_data"], root["tags"]) == ("error", "q", "a", ["x"])
    assert [child["span_id"] for child in root["children"]] == ["o"]
    assert (root["conversation_id"], root["end_user_id"]) == ("s", "u")


@pytest.mark.parametrize(
    "usage",
    [
        {"usage": {"input": 10, "output": 5, "total": 15, "unit": "TOKENS"}},
        {"usage": {"promptTokens": 10, "completionTokens": 5, "totalTokens": 15}},
        {"usageDetails": {"input": 10, "output": 5}, "usage": {"input": 1, "output": 1}},
        {"usageDetails": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}},
    ],
    ids=range(4),
)
def test_usage_is_read_from_each_of_its_forms(api: Api, usage: dict[str, Any]) -> None:
    body = {"id": "o", "traceId": "t", "startTime": START, "endTime": END, "costDetails": {"input": 0.1, "output": 0.2}}
    events(api, ("generation-create", {**body, **usage}))
    span = api.span("o", "t")
    assert (span["input_tokens"], span["output_tokens"], span["cost_usd"]) == (10, 5, 0.3)


def test_an_event_that_cannot_be_stored_is_named_and_the_others_are_stored(api: Api) -> None:
    reply = events(
        api,
        ("span-create", {"id": "o", "traceId": "t", "startTime": START}),
        ("span-create", {"id": "no trace"}),
        ("dream-create", {}),
        ("score-create", {"name": "n", "value": 1}),
        ("sdk-log", {"log": "x"}),
        (["span-create"], {"id": "p", "traceId": "t"}),
    )
    assert [success["id"] for success in reply["successes"]] == ["e0", "e4"]
    assert [error["id"] for error in reply["errors"]] == ["e1", "e2", "e3", "e5"]
    assert {error["status"] for error in reply["errors"]} == {400}
    assert api.span("o", "t")["status"] == "pending"


def test_a_score_needs_the_scope_of_annotations(api: Api) -> None:
    keyed = api.with_key("ingest")
    reply = events(keyed, ("score-create", {"id": "s", "traceId": "t", "name": "n", "value": 1}))
    assert [(error["id"], error["status"]) for error in reply["errors"]] == [("e0", 403)]


def test_scores_are_annotations_and_the_same_id_replaces(api: Api) -> None:
    api.send({"trace_id": "t", "span_id": "o", "span_name": "n", "start_time": START})
    score = {"id": "s1", "traceId": "t", "name": "quality", "value": 0.5}
    assert api("POST", "/api/public/scores", body=score).json == {"id": "s1"}
    more = [{**score, "value": 0.9}, {"id": "s2", "traceId": "t", "name": "ok", "value": 1, "dataType": "BOOLEAN"}]
    assert api("POST", "/api/public/scores", body=more).status == 200
    assert [(each["name"], each["value"]) for each in annotations(api, "t")] == [("ok", True), ("quality", 0.9)]
    bad = api("POST", "/api/public/scores", body=[score, {"name": "no trace"}])
    assert (bad.status, bad.json["accepted"], bad.json["errors"][0]["index"]) == (207, 1, 1)


def test_ids_of_any_characters_are_stored_apart(api: Api) -> None:
    for trace_id in ("order #7/ü", "order #7/ö"):
        events(api, ("trace-create", {"id": trace_id, "timestamp": START, "name": trace_id}))
    stored = {trace["trace_id"]: trace["name"] for trace in api.page(view="summary")["traces"]}
    assert sorted(stored.values()) == ["order #7/ö", "order #7/ü"]
    assert all(trace_id.startswith("id-order__7__-") for trace_id in stored)


def test_langfuses_api_returns_what_is_stored(api: Api) -> None:
    trace = {"id": "t", "timestamp": START, "name": "job", "sessionId": "s 1", "userId": "u", "tags": ["x"]}
    ids = {"traceId": "t", "startTime": START, "endTime": END}
    events(
        api,
        ("trace-create", {**trace, "input": "q", "output": "a"}),
        ("generation-create", {**ids, "id": "g", "name": "call", "model": "m", "usage": {"input": 1, "output": 2}}),
        ("span-create", {**ids, "id": "c", "name": "inner", "parentObservationId": "g"}),
        ("score-create", {"id": "s1", "traceId": "t", "observationId": "g", "name": "quality", "value": 0.5}),
    )
    listed = api("GET", "/api/public/traces", query={"userId": "u", "limit": 1}).json
    assert listed["meta"] == {"page": 1, "limit": 1, "totalItems": 1, "totalPages": 1}
    (summary,) = listed["data"]
    assert (summary["input"], summary["output"], summary["latency"]) == ("q", "a", 5)
    assert (sorted(summary["observations"]), summary["scores"]) == (["c", "g"], ["s1"])
    whole = api("GET", "/api/public/traces/t").json
    parents = {each["id"]: each["parentObservationId"] for each in whole["observations"]}
    assert parents == {"g": None, "c": "g"}
    assert whole["scores"][0]["observationId"] == "g"
    generations = api("GET", "/api/public/observations", query={"type": "GENERATION"}).json["data"]
    assert [(each["id"], each["usage"]["total"]) for each in generations] == [("g", 3)]
    assert [each["id"] for each in api("GET", "/api/public/sessions/s%201").json["traces"]] == ["t"]
    assert [each["value"] for each in api("GET", "/api/public/scores").json["data"]] == [0.5]
    assert api("GET", "/api/public/traces", query={"name": "other"}).json["data"] == []
    times = {"2026-11-22 10:00:00Z": 1, "2026-11-22T12:00:00 02:00": 1, "2026-11-22T12:00:00 01:00": 0}
    for time, count in times.items():
        listed = api("GET", "/api/public/traces", query={"fromTimestamp": time}).json
        assert len(listed["data"]) == count, time


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "page=0", "page=51", "page=x", "page=", "fromTimestamp=soon"]
)
def test_a_page_that_cannot_be_read_is_refused(api: Api, query: str) -> None:
    assert failure(api("GET", "/api/public/traces", query=query))[0] == 400


# OpenAI Agents SDK


def test_a_trace_may_come_before_its_spans(api: Api) -> None:
    trace = {
        "object": "trace",
        "id": AGENT_TRACE,
        "workflow_name": "trip",
        "group_id": "chat",
        "metadata": {"user_id": "u"},
    }
    assert items(api, trace).status == 200
    assert api.trace("7" * 32)["summary"]["status"] == "pending"
    assert items(api, agent_span("1", None, {"type": "agent", "name": "Guide"})).status == 200
    root = only_root(api, "7" * 32)
    assert (root["span_name"], root["status"], root["conversation_id"], root["end_user_id"]) == (
        *("trip", "success", "chat", "u"),
    )
    assert (root["start_time"], root["end_time"]) == ("2026-11-22T10:00:00.000Z", "2026-11-22T10:00:05.000Z")
    assert [child["span_name"] for child in root["children"]] == ["Guide"]
    alone = api.span(root["span_id"], "7" * 32)
    assert alone == {name: root[name] for name in alone}
    before = api("GET", path_of("7" * 32)).body
    assert items(api, trace).status == 200
    assert api("GET", path_of("7" * 32)).body == before


@pytest.mark.parametrize("has_usage", [True, False])
def test_the_usage_of_a_turn_counts_only_where_no_call_has_any(api: Api, has_usage: bool) -> None:
    usage = {"input_tokens": 10, "output_tokens": 5}
    call = {"type": "response", "response_id": "r", **({"usage": usage} if has_usage else {})}
    items(
        api,
        agent_span("3", "2", call),
        agent_span("2", "1", {"type": "custom", "name": "turn", "data": {"sdk_span_type": "turn", "usage": usage}}),
        agent_span("1", None, {"type": "custom", "name": "task", "data": {"sdk_span_type": "task", "usage": usage}}),
    )
    summary = api.trace("7" * 32)["summary"]
    assert (summary["input_tokens"], summary["output_tokens"], summary["llm_call_count"]) == (10, 5, 1)


def test_an_item_that_cannot_be_stored_is_named_and_the_others_are_stored(api: Api) -> None:
    reply = items(
        api, {"object": "dream"}, agent_span("1", None, {"type": "function", "name": "f", "input": '{"a": 1}'})
    )
    assert failure(reply) == (400, "invalid_request")
    assert [detail["field"] for detail in reply.json["error"]["details"]] == ["data[0]"]
    (span,) = flat(api.trace("7" * 32)["spans"])
    assert (span["operation_type"], span["tool_name"], span["input_data"]) == ("tool_call", "f", {"a": 1})


def test_the_key_of_an_item_is_never_stored(api: Api) -> None:
    items(api, agent_span("1", None, {"type": "agent", "name": "a"}, tracing_api_key="plain-words"))
    assert "plain-words" not in json.dumps(api.trace("7" * 32))


@pytest.mark.parametrize(
    "path", ["/v1/traces/ingest", "/api/public/ingestion", "/v1/private/traces/batch", "/v1/private/spans/batch"]
)
def test_a_body_without_its_list_is_refused(api: Api, path: str) -> None:
    assert failure(api("POST", path, body={"items": []})) == (400, "invalid_request")


# Opik


OPIK = "/api/v1/private"
TRACE_7, SPAN_7 = "01a2214b-f4b9-7943-b297-799f11a0500c", "01a2214b-f512-7cfb-8249-55d4c235345c"
TRACE_7_HEX, SPAN_7_HEX = UUID(TRACE_7).hex, UUID(SPAN_7).hex


def written(at: str | None = None, **fields: Any) -> dict[str, Any]:
    """A span as an SDK writes it; `at` is the time of the write."""
    times = {"start_time": START, **({"last_updated_at": at} if at else {})}
    return {"id": SPAN_7, "trace_id": TRACE_7, "name": "ask", "type": "general", **times, **fields}


def send_spans(api: Api, *spans: Any) -> Reply:
    return api("POST", f"{OPIK}/spans/batch", body={"spans": spans})


def change_span(api: Api, **changes: Any) -> Reply:
    return api("PATCH", f"{OPIK}/spans/{SPAN_7}", body={"trace_id": TRACE_7, **changes})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_last_write_of_a_span_counts_and_a_change_after_it(api: Api, order: tuple[int, ...]) -> None:
    sends = (
        lambda: send_spans(api, written(START, metadata={"a": 1, "b": 1}, input={"q": "rain?"})),
        lambda: send_spans(
            api, written(LATER, type="llm", model="m", provider="openai", metadata={"b": 2}, output={"a": 1}, input={})
        ),
        lambda: change_span(api, end_time=END, output={"a": 2}, metadata={"c": 3}),
    )
    for index in order:
        assert (sends[index]().status, sends[index]().body) == (204, b"")
    span = api.span(SPAN_7_HEX, TRACE_7_HEX)
    assert (span["operation_type"], span["model_name"], span["model_provider"]) == ("completion", "m", "openai")
    assert (span["input_data"], span["output_data"], span["status"]) == ({"q": "rain?"}, {"a": 2}, "success")
    assert {name: span["metadata"][name] for name in "abc"} == {"a": 1, "b": 2, "c": 3}


def test_two_writes_of_a_span_in_one_body_are_one_in_either_order(api: Api) -> None:
    assert send_spans(api, written(LATER, end_time=END, output="dry"), written(START, output="none yet")).status == 204
    span = api.span(SPAN_7_HEX, TRACE_7_HEX)
    assert (span["output_data"], span["status"]) == ("dry", "success")


def test_an_opik_trace_is_the_root_of_its_spans(api: Api) -> None:
    error = {"exception_type": "LookupError", "message": "no rain", "traceback": "Traceback: …"}
    trace = {"id": TRACE_7, "name": "job", "start_time": START, "project_name": "weather", "tags": ["x"]}
    assert send_spans(api, written(end_time=END)).status == 204
    assert api("POST", f"{OPIK}/traces", body={**trace, "thread_id": "chat", "environment": "staging"}).status == 204
    assert only_root(api, TRACE_7_HEX)["status"] == "pending"
    changes = {"end_time": END, "error_info": error, "metadata": {"user_id": "ada"}}
    assert api("PATCH", f"{OPIK}/traces/{TRACE_7}", body=changes).status == 204
    root = only_root(api, TRACE_7_HEX)
    assert (root["span_name"], root["operation_type"], root["status"]) == ("job", "workflow", "error")
    assert (root["error_type"], root["error_message"], root["error_stack"]) == tuple(error.values())
    assert (root["conversation_id"], root["end_user_id"]) == ("chat", "ada")
    assert (root["tags"], root["environment"]) == (["x", "weather"], "staging")
    assert [child["span_id"] for child in root["children"]] == [SPAN_7_HEX]


def test_the_project_of_an_application_without_one_is_no_tag(api: Api) -> None:
    send_spans(api, written(project_name="Default Project"))
    assert api.span(SPAN_7_HEX, TRACE_7_HEX)["tags"] is None


@pytest.mark.parametrize(
    ("provider_usage", "total", "counts"),
    [
        ({}, 15, (10, 5, None, None)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details.cached_tokens": 4}, 15, (10, 5, 4, None)),
        (
            {
                "input_tokens": 2,
                "output_tokens": 5,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 30,
            },
            137,
            (132, 5, 100, 30),
        ),
        ({"prompt_tokens_details.cached_tokens": 4}, 15, (10, 5, 4, None)),
        ({"cache_read_input_tokens": 4, "output_tokens": 5}, 15, (10, 5, 4, None)),
        ({"cost_of_fish": 4, "total_tokens": 15}, 15, (10, 5, None, None)),
    ],
    ids=["plain", "openai", "anthropic", "details alone", "cache alone", "names that are not understood"],
)
def test_usage_is_that_of_the_provider(
    api: Api, provider_usage: dict[str, int], total: int, counts: tuple[int | None, ...]
) -> None:
    usage = {"prompt_tokens": total - 5, "completion_tokens": 5, "total_tokens": total}
    usage |= {f"original_usage.{name}": count for name, count in provider_usage.items()}
    send_spans(api, written(type="llm", model="m", usage=usage, total_estimated_cost=0.25, ttft=120.5))
    span = api.span(SPAN_7_HEX, TRACE_7_HEX)
    names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens")
    assert tuple(span[name] for name in names) == counts
    assert (span["cost_usd"], span["time_to_first_token_ms"]) == (0.25, 120.5)


def test_scores_of_opik_are_annotations_and_the_last_of_a_name_counts(api: Api) -> None:
    send_spans(api, written())
    about = {"id": TRACE_7, "name": "quality", "source": "sdk"}
    body = {"scores": [{**about, "value": 0.5, "reason": "so so"}, {**about, "value": 0.8, "category_name": "good"}]}
    for _ in range(2):
        assert api("PUT", f"{OPIK}/traces/feedback-scores", body=body).status == 204
    score = {"id": SPAN_7, "name": "right tone", "value": 1, "source": "ui", "author": "ada"}
    assert api("PUT", f"{OPIK}/spans/feedback-scores", body={"scores": [score]}).status == 204
    listed = [(a["name"], a["value"], a["comment"], a["source"], a["span_id"]) for a in annotations(api, TRACE_7_HEX)]
    assert sorted(listed) == [
        ("quality", 0.8, "good", "sdk", None),
        ("right_tone", 1, None, "ada", SPAN_7_HEX),
    ]


def test_an_object_as_the_value_of_a_score_is_text_and_an_empty_one_is_none(api: Api) -> None:
    send_spans(api, written())
    about = {"id": TRACE_7, "name": "quality", "source": "sdk"}
    body = {"scores": [{**about, "value": {"tone": "ä"}}, {**about, "name": "empty", "value": {}}]}
    reply = api("PUT", f"{OPIK}/traces/feedback-scores", body=body)
    assert failure(reply) == (400, "invalid_request")
    assert [detail["field"] for detail in reply.json["error"]["details"]] == ["scores[1]"]
    assert [(a["name"], a["value"]) for a in annotations(api, TRACE_7_HEX)] == [("quality", '{"tone": "ä"}')]


def test_a_score_of_a_span_that_is_not_stored_is_asked_for_again(api: Api) -> None:
    send_spans(api, written())
    known, unknown = ({"id": span_id, "name": "tone", "value": 1} for span_id in (SPAN_7, CHILD))
    reply = api("PUT", f"{OPIK}/spans/feedback-scores", body={"scores": [unknown, known]})
    assert failure(reply) == (503, "store_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert [each["span_id"] for each in annotations(api, TRACE_7_HEX)] == [SPAN_7_HEX]


def test_what_opik_sends_and_cannot_be_stored_is_named_and_the_rest_is_stored(api: Api) -> None:
    reply = send_spans(api, {"name": "no id"}, written(), {"id": CHILD, "start_time": START}, "text")
    assert failure(reply) == (400, "invalid_request")
    assert [detail["field"] for detail in reply.json["error"]["details"]] == ["spans[0]", "spans[3]", "spans[2]"]
    assert api.span(SPAN_7_HEX, TRACE_7_HEX)["status"] == "pending"
    assert failure(api("PUT", f"{OPIK}/traces/feedback-scores", body={"scores": [{"value": 1}]}))[0] == 400
    assert failure(change_span(api, trace_id=None))[0] == 400
    assert failure(api("PATCH", f"{OPIK}/traces/{TRACE_7}", body=[1]))[0] == 400


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_the_address_of_opik_may_end_in_api(api: Api, prefix: str) -> None:
    assert api("GET", f"{prefix}/is-alive/ping").json["healthy"] is True
    body = gzip.compress(json.dumps({"traces": [{"id": TRACE_7, "start_time": START}]}).encode())
    headers = {"content-encoding": "gzip"}
    assert api("POST", f"{prefix}/v1/private/traces/batch", body=body, headers=headers).status == 204
    assert only_root(api, TRACE_7_HEX)["status"] == "pending"


@pytest.mark.parametrize(
    "path", ["PUT /traces/threads/feedback-scores", "POST /attachment/upload-start", "GET /projects"]
)
def test_other_routes_of_opik_are_a_404(api: Api, path: str) -> None:
    method, _, rest = path.partition(" ")
    assert failure(api(method, f"{OPIK}{rest}", body={})) == (404, "route_not_found")


# Phoenix


def export_of(resource: dict[str, str], span_id: str = "b7ad6b7169203331") -> dict[str, Any]:
    times = {"startTimeUnixNano": "1795341601000000000", "endTimeUnixNano": "1795341602000000000"}
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in resource.items()]
    spans = [{"traceId": ROOT_HEX, "spanId": span_id, "name": "ask", **times}]
    return {"resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]}]}


PHOENIX_SPAN = "b7ad6b7169203331"
PROJECT = {"openinference.project.name": "weather"}


def annotate(api: Api, about: str = "span", **fields: Any) -> Reply:
    ids = {"span_id": PHOENIX_SPAN} if about == "span" else {"trace_id": ROOT_HEX}
    return api("POST", f"/v1/{about}_annotations", body={"data": [{**ids, "name": "tone", **fields}]})


def test_an_annotation_of_phoenix_finds_the_trace_of_its_span(api: Api) -> None:
    assert api("POST", "/v1/traces", body=export_of(PROJECT)).status == 200
    result = {"score": 0.75, "label": "kind", "explanation": "It is."}
    for _ in range(2):
        reply = annotate(api, annotator_kind="HUMAN", result=result, metadata={"m": 1})
        assert (reply.status, reply.json) == (200, {"data": [{"id": "human"}]})
    assert annotate(api, annotator_kind="LLM", identifier="run-1", result={"label": "rude"}).json == {
        "data": [{"id": "run-1"}]
    }
    listed = [(a["id"], a["value"], a["comment"], a["source"], a["span_id"]) for a in annotations(api, ROOT_HEX)]
    assert sorted(listed) == [
        ("human", 0.75, "It is.", "human", PHOENIX_SPAN),
        ("human.label", "kind", None, "human", PHOENIX_SPAN),
        ("run-1", "rude", None, "llm", PHOENIX_SPAN),
    ]


def test_an_annotation_may_have_an_explanation_alone_and_be_about_a_trace(api: Api) -> None:
    assert annotate(api, "trace", annotator_kind="CODE", result={"explanation": "Fine."}).status == 200
    assert api("POST", "/v1/traces", body=export_of(PROJECT)).status == 200
    assert [(a["value"], a["comment"], a["span_id"]) for a in annotations(api, ROOT_HEX)] == [("Fine.", None, None)]


def test_a_note_of_a_span_is_stored_once_for_each_text(api: Api) -> None:
    assert api("POST", "/v1/traces", body=export_of(PROJECT)).status == 200
    for note in ("Fine.", "Fine.", "Not so fine."):
        assert api("POST", "/v1/span_notes", body={"data": {"span_id": PHOENIX_SPAN, "note": note}}).status == 200
    assert sorted(a["value"] for a in annotations(api, ROOT_HEX)) == ["Fine.", "Not so fine."]


def test_an_annotation_of_a_span_that_is_not_found_is_a_404_and_the_others_are_stored(api: Api) -> None:
    assert api("POST", "/v1/traces", body=export_of(PROJECT)).status == 200
    assert api("POST", "/v1/traces", body=export_of({}, "00f067aa0ba902b7")).status == 200
    items_ = [{"span_id": span_id, "name": "tone", "result": {"score": 1}} for span_id in ("1" * 16, PHOENIX_SPAN)]
    assert failure(api("POST", "/v1/span_annotations", body={"data": items_})) == (404, "not_found")
    assert [a["span_id"] for a in annotations(api, ROOT_HEX)] == [PHOENIX_SPAN]
    without_alias = [{"span_id": "00f067aa0ba902b7", "name": "tone", "result": {"score": 1}}]
    assert failure(api("POST", "/v1/span_annotations", body={"data": without_alias})) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("span_annotations", [{"name": "tone", "result": {"score": 1}}]),
        ("span_annotations", [{"span_id": PHOENIX_SPAN, "name": "tone", "result": {}}]),
        ("span_annotations", {}),
        ("trace_annotations", ["text"]),
        ("span_notes", {"span_id": PHOENIX_SPAN}),
        ("span_notes", []),
    ],
)
def test_an_annotation_that_cannot_be_read_is_refused(api: Api, path: str, data: Any) -> None:
    assert api("POST", "/v1/traces", body=export_of(PROJECT)).status == 200
    assert failure(api("POST", f"/v1/{path}", body={"data": data})) == (400, "invalid_request")
    assert annotations(api, ROOT_HEX) == []


def test_annotations_of_sessions_are_a_404(api: Api) -> None:
    assert failure(api("POST", "/v1/session_annotations", body={"data": []})) == (404, "route_not_found")


@pytest.mark.usefixtures("engine")
def test_a_request_waits_once_for_the_aliases_of_all_its_spans() -> None:
    pauses: list[float] = []
    deadline = Deadline(time_left_s=lambda: 1e9, sleep=pauses.append)
    user = wiring.store().scope(new_user().name, deadline)
    for number in range(20):
        with pytest.raises(NotFound):
            trace_of_span(user, f"absent-{number}")
    assert len(pauses) == ALIAS_ATTEMPTS
