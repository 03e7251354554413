"""An export gives the same records in both encodings, and an error in it affects as few records as possible."""

import base64
import json
import random
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tracestore.domain.errors import Invalid, TooLarge, TracestoreError
from tracestore.domain.spans import canonical_json
from tracestore.ingest.log_fields import log_messages
from tracestore.ingest.otlp import MAX_RECORDS, Export, OtlpSpan, read_logs, read_traces, wire_format
from tracestore.ingest.span_fields import spans_fields

CORPUS = Path(__file__).parents[2] / "data" / "otlp"
START_NS = 1_795_312_800_000_000_000
TRACE, SPAN = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"


def span_json(**fields: Any) -> dict[str, Any]:
    """A valid span in OTLP/JSON, except for `fields`."""
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(START_NS),
        "endTimeUnixNano": str(START_NS + 5),
        **fields,
    }


def export_json(*spans: Any) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def read_one(**fields: Any) -> OtlpSpan:
    (span,) = read_traces(export_json(span_json(**fields)), "json").records
    return span


def attribute(value: Any) -> Any:
    return read_one(attributes=[{"key": "it", "value": value}]).attributes.get("it")


# Values from which both encodings are written.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = (
    texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.binary(max_size=6)
    | st.none()
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
attribute_lists = st.lists(st.tuples(texts, values), max_size=4)
times = st.integers(0, 2**64 - 1)
trace_ids = st.binary(min_size=16, max_size=16) | st.binary(max_size=17)
span_ids = st.binary(min_size=8, max_size=8) | st.binary(max_size=9)
generated_spans = st.fixed_dictionaries(
    {
        "trace_id": trace_ids,
        "span_id": span_ids,
        "parent_span_id": st.just(b"") | span_ids,
        "name": texts,
        "kind": st.integers(0, 9),
        "start_time_unix_nano": times,
        "end_time_unix_nano": times | st.just(2**64 - 1),
        "attributes": attribute_lists,
        "events": st.lists(st.tuples(texts, times, attribute_lists), max_size=2),
        "status": st.tuples(st.integers(0, 4), texts),
    }
)
exports = st.lists(
    st.tuples(attribute_lists, st.tuples(texts, texts, attribute_lists), st.lists(generated_spans, max_size=3)),
    max_size=2,
)


def protobuf_value(value: Any) -> AnyValue:
    written = AnyValue()
    if isinstance(value, str):
        written.string_value = value
    elif isinstance(value, bool):
        written.bool_value = value
    elif isinstance(value, int):
        written.int_value = value
    elif isinstance(value, float):
        written.double_value = value
    elif isinstance(value, bytes):
        written.bytes_value = value
    elif isinstance(value, list):
        written.array_value.SetInParent()
        written.array_value.values.extend(map(protobuf_value, value))
    elif isinstance(value, dict):
        written.kvlist_value.SetInParent()
        written.kvlist_value.values.extend(protobuf_pairs(value.items()))
    return written


def protobuf_pairs(pairs: Any) -> list[KeyValue]:
    return [KeyValue(key=key, value=protobuf_value(value)) for key, value in pairs]


def json_value(value: Any, choose: random.Random) -> dict[str, Any]:
    """A value in one of the forms that OTLP/JSON permits."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": choose.choice([value, str(value)])}
    if isinstance(value, float):
        finite = value not in (float("inf"), float("-inf")) and value == value
        name = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        return {"doubleValue": value if finite else name}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [json_value(item, choose) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": json_pairs(value.items(), choose)}}
    return {}


def json_pairs(pairs: Any, choose: random.Random) -> list[dict[str, Any]]:
    return [{"key": key, "value": json_value(value, choose)} for key, value in pairs]


def as_protobuf(export: Any) -> bytes:
    request = ExportTraceServiceRequest()
    for resource, (name, version, scope_attributes), spans in export:
        group = request.resource_spans.add()
        group.resource.attributes.extend(protobuf_pairs(resource))
        scope_group = group.scope_spans.add()
        scope_group.scope.name, scope_group.scope.version = name, version
        scope_group.scope.attributes.extend(protobuf_pairs(scope_attributes))
        for span in spans:
            written = scope_group.spans.add(
                attributes=protobuf_pairs(span["attributes"]),
                **{name: span[name] for name in span if name not in ("attributes", "events", "status")},
            )
            written.status.code, written.status.message = span["status"]
            for event_name, time_ns, attributes in span["events"]:
                written.events.add(name=event_name, time_unix_nano=time_ns, attributes=protobuf_pairs(attributes))
    return request.SerializeToString()


def as_json(export: Any, choose: random.Random) -> bytes:
    def hex_id(raw: bytes) -> str:
        return choose.choice([raw.hex(), raw.hex().upper()])

    def time_of(time_ns: int) -> Any:
        return choose.choice([time_ns, str(time_ns)])

    def word(number: int, prefix: str, words: str) -> Any:
        names = [prefix + name for name in words.split()]
        return choose.choice([number, names[number]]) if number < len(names) else number

    kinds = "UNSPECIFIED INTERNAL SERVER CLIENT PRODUCER CONSUMER"
    groups = []
    for resource, (name, version, scope_attributes), spans in export:
        written = [
            {
                "traceId": hex_id(span["trace_id"]),
                "spanId": hex_id(span["span_id"]),
                **({"parentSpanId": hex_id(span["parent_span_id"])} if span["parent_span_id"] else {}),
                "name": span["name"],
                "kind": word(span["kind"], "SPAN_KIND_", kinds),
                "startTimeUnixNano": time_of(span["start_time_unix_nano"]),
                "endTimeUnixNano": time_of(span["end_time_unix_nano"]),
                "attributes": json_pairs(span["attributes"], choose),
                "events": [
                    {"name": event, "timeUnixNano": time_of(time_ns), "attributes": json_pairs(attributes, choose)}
                    for event, time_ns, attributes in span["events"]
                ],
                "status": {
                    "code": word(span["status"][0], "STATUS_CODE_", "UNSET OK ERROR"),
                    "message": span["status"][1],
                },
                "unknownField": [{}],
            }
            for span in spans
        ]
        scope = {"name": name, "version": version, "attributes": json_pairs(scope_attributes, choose)}
        groups.append(
            {
                "resource": {"attributes": json_pairs(resource, choose)},
                "scopeSpans": [{"scope": scope, "spans": written}],
            }
        )
    return json.dumps({"resourceSpans": groups}).encode()


@settings(deadline=None, max_examples=75)
@given(exports, st.randoms(use_true_random=False))
def test_both_encodings_of_an_export_give_equal_spans(export: Any, choose: random.Random) -> None:
    assert read_traces(as_json(export, choose), "json") == read_traces(as_protobuf(export), "protobuf")


@settings(deadline=None, max_examples=25)
@given(exports, st.randoms(use_true_random=False))
def test_the_fields_of_any_span_can_be_serialized_as_json(export: Any, choose: random.Random) -> None:
    for _, fields in spans_fields(read_traces(as_json(export, choose), "json").records):
        json.loads(canonical_json(fields), parse_constant=pytest.fail)


def test_ids_are_converted_to_lower_case() -> None:
    assert read_one(traceId=TRACE.upper(), parentSpanId="ABCDEF0123456789")[:3] == (TRACE, SPAN, "abcdef0123456789")


@pytest.mark.parametrize("parent", [None, "", "0" * 16])
def test_a_parent_id_of_zeros_is_absent(parent: str | None) -> None:
    assert read_one(parentSpanId=parent).parent_span_id is None


@pytest.mark.parametrize(
    "change",
    [
        {"traceId": TRACE[:-2]},
        {"traceId": "0" * 32},
        {"traceId": None},
        {"traceId": 7},
        {"spanId": SPAN + "00"},
        {"spanId": "0" * 16},
        {"spanId": "not hexadecimal!"},
        {"parentSpanId": "abc"},
        {"startTimeUnixNano": None},
        {"startTimeUnixNano": "0"},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": 2**64},
    ],
)
def test_an_invalid_span_is_rejected_alone(change: dict[str, Any]) -> None:
    export = read_traces(export_json(span_json(**change), span_json(name="good")), "json")
    assert ([span.name for span in export.records], export.rejected, len(export.reasons)) == (["good"], 1, 1)


def test_a_record_that_is_not_an_object_is_rejected_alone() -> None:
    assert read_traces(export_json("span", span_json()), "json").rejected == 1


@pytest.mark.parametrize("end", [0, None, "soon", 1, START_NS - 1, 2**64 - 1, 2**64])
@pytest.mark.parametrize("start", [1, START_NS, 2**64 - 1])
def test_a_span_with_ids_and_a_start_is_never_rejected_for_its_times(start: int, end: int | str | None) -> None:
    span = read_one(startTimeUnixNano=start, endTimeUnixNano=end)
    known_end = end if isinstance(end, int) and end < 2**64 else 0
    assert (span.start_ns, span.end_ns) == (start, known_end)


def test_a_span_that_is_not_utf_8_is_rejected_alone() -> None:
    good: Any = [([], ("", "", []), [valid_span(name="good"), valid_span(name="bad!")])]
    export = read_traces(as_protobuf(good).replace(b"bad!", b"bad\xff"), "protobuf")
    assert ([span.name for span in export.records], export.rejected) == (["good"], 1)


def test_a_span_of_more_than_4_mib_is_rejected_alone() -> None:
    spans = [valid_span(attributes=[("prompt", "x" * 5_000_000)]), valid_span()]
    export = read_traces(as_protobuf([([], ("", "", []), spans)]), "protobuf")
    assert (len(export.records), export.rejected) == (1, 1)


def valid_span(**fields: Any) -> dict[str, Any]:
    return {
        "trace_id": bytes.fromhex(TRACE),
        "span_id": bytes.fromhex(SPAN),
        "parent_span_id": b"",
        "name": "chat",
        "kind": 1,
        "start_time_unix_nano": START_NS,
        "end_time_unix_nano": START_NS + 5,
        "attributes": [],
        "events": [],
        "status": (0, ""),
        **fields,
    }


@pytest.mark.parametrize(("body", "encoding"), [(b"", "protobuf"), (b"{}", "json"), (b'{"resourceSpans":[]}', "json")])
def test_an_empty_request_has_no_records(body: bytes, encoding: Any) -> None:
    assert read_traces(body, encoding) == Export()


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b"null", b'{"resourceSpans":{}}', b'{"resourceSpans":[1]}', b'{"a":NaN}', b"\xff"]
)
def test_json_that_is_not_an_export_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_traces(body, "json")


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\xff", b"{}", b"\x0a\x02\x12\x05", b"\x03", b"\x00\x01", b"\xff" * 20])
def test_protobuf_that_is_not_an_export_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_traces(body, "protobuf")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"intValue": "-7"}, -7),
        ({"intValue": 7.0}, 7),
        ({"intValue": "seven"}, None),
        ({"intValue": 2**63}, None),
        ({"doubleValue": 1}, 1.0),
        ({"doubleValue": "-Infinity"}, "-Infinity"),
        ({"doubleValue": "1e999"}, "Infinity"),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"boolValue": "true"}, None),
        ({"bytesValue": "-_8"}, "+/8="),
        ({"bytesValue": "%"}, None),
        ({"stringValue": ""}, ""),
        ({"stringValue": None, "intValue": 1}, 1),
        ({"arrayValue": {}}, []),
        ({"arrayValue": {"values": [{}, {"intValue": 1}]}}, [None, 1]),
        ({"kvlistValue": {"values": [{"key": "a"}]}}, {"a": None}),
        ({"futureValue": 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_values_are_read_by_the_rules_of_protojson(value: Any, read: Any) -> None:
    assert attribute(value) == read


def test_half_a_surrogate_pair_does_not_reject_a_span() -> None:
    assert attribute({"stringValue": "cut \ud83d"}) == "cut \ufffd"


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/x-protobuf", "protobuf"),
        ("application/json; charset=utf-8", "json"),
        ("Application/JSON", "json"),
        ("text/plain", None),
        (None, None),
    ],
)
def test_the_content_type_determines_the_encoding(content_type: str | None, encoding: str | None) -> None:
    assert wire_format(content_type) == encoding


def test_both_encodings_give_equal_log_records() -> None:
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            trace_id=bytes.fromhex(TRACE),
            span_id=bytes.fromhex(SPAN),
            observed_time_unix_nano=7,
            event_name="gen_ai.choice",
        )
    )
    record.body.CopyFrom(protobuf_value({"message": "hi"}))
    written = {
        "traceId": TRACE,
        "spanId": SPAN,
        "observedTimeUnixNano": "7",
        "eventName": "gen_ai.choice",
        "body": json_value({"message": "hi"}, random.Random(0)),
    }
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [written]}]}]}).encode()
    assert read_logs(body, "json") == read_logs(request.SerializeToString(), "protobuf")


# Hostile bodies.


def read_all(body: bytes) -> None:
    """Read a body in both encodings as spans and as log records. *raises*: any error except a TracestoreError."""
    for encoding in ("protobuf", "json"):
        with suppress(TracestoreError):
            for _, fields in spans_fields(read_traces(body, encoding).records):
                canonical_json(fields)
        with suppress(TracestoreError):
            log_messages(read_logs(body, encoding).records)


def bodies() -> list[bytes]:
    recorded = [path.read_bytes() for path in sorted(CORPUS.glob("*/*/request-*.bin"))]
    return [body for body in recorded if not body.startswith(b"\x1f\x8b") and len(body) < 20_000]


def mutated(body: bytes, choose: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(choose.choice([1, 1, 2, 8])):
        index = choose.randrange(len(changed))
        kind = choose.randrange(5)
        if kind == 0:
            changed[index] ^= 1 << choose.randrange(8)
        elif kind == 1:
            del changed[index:]
        elif kind == 2:
            changed[index:index] = b"\xff\xff\xff\xff\x7f"  # a length of gigabytes
        elif kind == 3:
            changed[index : index + 9] = choose.randbytes(9)
        else:
            changed[index:index] = changed[choose.randrange(len(changed)) :][:200]
        if not changed:
            break
    return bytes(changed)


def test_mutated_bodies_raise_only_domain_errors() -> None:
    originals, choose = bodies(), random.Random(7)
    deadline = time.monotonic() + 20  # Enough for about 2,000 on a slow machine.
    for _ in range(2_000):
        read_all(mutated(choose.choice(originals), choose))
        if time.monotonic() > deadline:
            break


def nested_protobuf(depth: int) -> bytes:
    value = AnyValue(string_value="deep").SerializeToString()
    for _ in range(depth):
        array = b"\x0a" + varint(len(value)) + value
        value = b"\x2a" + varint(len(array)) + array
    pair = b"\x0a\x01k\x12" + varint(len(value)) + value
    return in_span(b"\x4a" + varint(len(pair)) + pair)


def in_span(content: bytes) -> bytes:
    written = ExportTraceServiceRequest.FromString(as_protobuf([([], ("", "", []), [valid_span()])]))
    span = written.resource_spans[0].scope_spans[0].spans[0].SerializeToString() + content
    scope_group = b"\x12" + varint(len(span)) + span
    group = b"\x12" + varint(len(scope_group)) + scope_group
    return b"\x0a" + varint(len(group)) + group


def varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*written, number))


@pytest.mark.parametrize("depth", [10, 45, 60, 1_000, 100_000])
def test_deep_nesting_is_read_or_refused(depth: int) -> None:
    read_all(nested_protobuf(depth) if depth < 10_000 else b"")
    value = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth
    span = json.dumps(span_json()).removesuffix("}") + f', "attributes": [{{"key": "k", "value": {value}}}]}}'
    read_all(f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}'.encode())


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 5_000,
        "[" * 150 + "]" * 150,
        "(" * 5_000,
        "{'a': " * 500 + "1" + "}" * 500,
        "[1e999, -1e999]",
        "[{'a': 1e999}]",
        '["\\ud800"]',
        "[" + "9" * 5_000 + "]",
        "{'\\d': 1}",
        '[{"role": {}, "content": []}]',
        '[{"role": "user", "type": {}, "content": [{"type": []}, {"thinking": 1}, {"function": 2}]}]',
        '{"messages": [{"role": "user", "content": {"message": {"message": null}}}]}',
    ],
)
@pytest.mark.parametrize(
    "name", ["gen_ai.input.messages", "mlflow.spanOutputs", "gen_ai.usage.input_token_details", "session.id"]
)
def test_hostile_texts_in_an_attribute_raise_no_error(name: str, text: str) -> None:
    read_all(export_json(span_json(attributes=[{"key": name, "value": {"stringValue": text}}])))


@pytest.mark.parametrize(
    "name",
    [
        "a" + ".b" * 10_000,
        "." * 1_000,
        "",
        "gen_ai.prompt.99999999999.content",
        "gen_ai.prompt.0.content.1.2.3",
        "llm.input_messages.²",
        "llm.input_messages.0",
    ],
)
def test_hostile_attribute_names_raise_no_error(name: str) -> None:
    read_all(export_json(span_json(attributes=[{"key": name, "value": {"stringValue": "v"}}])))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\x0a\x00" * 16_000_000, "protobuf"),
        (b"\x0a" + varint(16_000_000) + b"\x12\x00" * 8_000_000, "protobuf"),
        (in_span(b"\x5a\x00" * 2_000_000), "protobuf"),
        (export_json().replace(b'"spans": []', b'"spans": [' + b"{}," * 9_000_000 + b"{}]"), "json"),
        (b"[" + b"[]," * 9_000_000 + b"[]]", "json"),
    ],
)
def test_a_body_that_is_small_on_the_wire_stays_small_in_memory(body: bytes, encoding: Any) -> None:
    tracemalloc.start()
    try:
        with suppress(TooLarge, Invalid):
            read_traces(body, encoding)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 150_000_000


def test_a_request_with_too_many_records_is_refused() -> None:
    with pytest.raises(TooLarge):
        read_traces(export_json(*[{}] * (MAX_RECORDS + 1)), "json")


def test_a_request_with_too_many_events_is_refused() -> None:
    with pytest.raises(TooLarge):
        read_traces(in_span(b"\x5a\x00" * 9_999) * 101, "protobuf")


def test_requests_with_one_resource_share_its_origin() -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_spans.add()
    scope.scope.name = "lib"
    scope.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, start_time_unix_nano=1, name="call")
    first, second = (read_traces(request.SerializeToString(), "protobuf").records[0].origin for _ in range(2))
    assert first is second
    assert first.resource == {"service.name": "shop"}
    group.resource.attributes[0].value.string_value = "bank"
    assert read_traces(request.SerializeToString(), "protobuf").records[0].origin.resource == {"service.name": "bank"}
