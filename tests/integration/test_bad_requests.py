"""Invalid requests: each gets a 4xx in the standard shape, and nothing of it is repeated in the response or the log."""

import gzip
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from dev.template import Template
from tests.api import TRACES, Api, failure, fields_of, path_of, span
from tests.gateway import Reply
from tracestore.api.analytics.parameters import ANALYTICS_PARAMETERS
from tracestore.api.lessons.parameters import LESSON_PARAMETERS
from tracestore.api.traces.parameters import LIST_PARAMETERS
from tracestore.ingest.lesson_model import LessonChange, NewLesson, SentCall
from tracestore.ingest.native_model import NewSpan, SpanChange

pytestmark = pytest.mark.parametrize(
    "engine", ["moto"], indirect=True, scope="session"
)  # hardly any request reaches the engine

CANARY = "sesame"
LONG = "n" * 64 + CANARY
"""A name that responses may repeat only up to its 64th character."""

API_ROUTES = [
    route
    for route in Template().routes
    if route.path.startswith("/api/")
    and route.function != "SdkProtocolsFunction"
    and not {"public", "otel"} & {*route.path.split("/")}
]
"""The project's own routes. Those of other protocols have errors of another form."""
"""The routes that return errors in this API's own shape: neither OTLP routes nor public ones."""

DEEP = b"[" * 98 + b"]" * 98
"""The deepest payload that is accepted inside a batch."""


@pytest.fixture
def log(api: Api) -> Iterator[io.StringIO]:
    """The log of the test."""
    logger = logging.getLogger("tracestore")
    api("GET", "/healthz")  # loads the functions, which create the logger's handler
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(logger.handlers[0].formatter)
    logger.addHandler(handler)
    yield handler.stream
    logger.removeHandler(handler)


def names_of(model: type[BaseModel]) -> set[str]:
    """The fields of a model by the names that clients send."""
    return {field.alias or name for name, field in model.model_fields.items()}


def json_with(**fields: bytes) -> bytes:
    """A span in which these fields are inserted literally, as JSON or not."""
    encoded = {name: json.dumps(value).encode() for name, value in span().items()} | fields
    return b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in encoded.items())


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed_json"),
    "no JSON": (b"sesame", 400, "malformed_json"),
    "half of it": (b'{"span_name":"sesame', 400, "malformed_json"),
    "more after it": (json_with() + b"sesame", 400, "malformed_json"),
    "single quotes": (b"{'span_name':'sesame'}", 400, "malformed_json"),
    "a byte order mark": (b"\xef\xbb\xbf" + json_with(), 400, "malformed_json"),
    "NaN": (json_with(cost_usd=b"NaN"), 400, "malformed_json"),
    "NaN in a payload": (json_with(input_data=b'{"sesame":[NaN]}'), 400, "malformed_json"),
    "infinity": (json_with(input_data=b"-Infinity"), 400, "malformed_json"),
    "a number beyond floats": (json_with(input_data=b"1e400"), 400, "malformed_json"),
    "a number of 5,000 digits": (json_with(input_data=b"9" * 5_000), 400, "malformed_json"),
    "a control character": (json_with(span_name=b'"sesame\x01"'), 400, "malformed_json"),
    "a bad escape": (json_with(span_name=b'"sesame\\x"'), 400, "malformed_json"),
    "100 levels and one": (json_with(input_data=b"[" * 100 + b'"sesame"' + b"]" * 100), 400, "json_too_deep"),
    "a batch 100 levels deep and one": (b'{"spans":[' + json_with(input_data=DEEP) + b"]}", 400, "json_too_deep"),
    "100,000 levels": (b'{"a":' * 100_000, 400, "json_too_deep"),
    "100,000 brackets": (b"[" * 100_000, 400, "json_too_deep"),
    "a list": (b'["sesame"]', 400, "invalid_request"),
    "a string": (b'"sesame"', 400, "invalid_request"),
    "null": (b"null", 400, "invalid_request"),
    "a number": (b"7", 400, "invalid_request"),
    "an empty object": (b"{}", 400, "invalid_request"),
    "no spans": (b'{"spans":[]}', 400, "invalid_request"),
    "spans that are null": (b'{"spans":null}', 400, "invalid_request"),
    "spans that are an object": (b'{"spans":{"sesame":1}}', 400, "invalid_request"),
    "a field next to spans": (b'{"spans":[{}],"%s":1}' % LONG.encode(), 400, "invalid_request"),
    "invalid spans alone": (
        b'{"spans":["sesame",{"%s":"sesame"},null,[]]}' % LONG.encode(),
        400,
        "all_spans_rejected",
    ),
    "1,001 spans": (b'{"spans":[' + b",".join([b"{}"] * 1_001) + b"]}", 400, "invalid_request"),
    "more than 6 MB": (json_with(input_data=b'"%s"' % (b"sesame" * 1_000_001)), 413, "body_too_large"),
    "a span of more than 4 MiB": (json_with(input_data=b'"%s"' % (b"sesame" * 800_000)), 400, "span_too_large"),
    "a span that grows as UTF-8": (json_with(input_data=b'"%s"' % ("ᐂ" * 1_450_000).encode()), 400, "span_too_large"),
}

FIELDS: dict[str, list[Any]] = {
    **{name: ["", 7, CANARY + "#", "-" + CANARY, CANARY + "\n", "é", "a" * 129] for name in ("trace_id", "span_id")},
    **{name: ["", 7, CANARY + "/", "a" * 129, []] for name in ("parent_span_id", "parent_trace_id")},
    "span_name": ["", 7, CANARY * 100, [CANARY], {CANARY: CANARY}, True],
    "operation_type": [7, CANARY + " ", CANARY * 11, [CANARY]],
    "start_time": [7, "", CANARY, "2025-01-02", "2025-01-02T10:00:00", "2025-02-30T10:00:00Z", "9999-12-31T00:00:00Z"],
    "end_time": [7, CANARY, "2025-01-02T09:59:59Z", "1969-12-31T23:59:59Z", "2025-01-02T10:00:00+25:00"],
    "duration_ms": [-1, "5", True, [CANARY], 10**400, 1e308],
    **{
        name: [7, True, [CANARY], {CANARY: 1}]
        for name in ("model_name", "model_provider", "model_version", "tool_name")
    },
    **{name: [7, CANARY * 50, [CANARY]] for name in ("end_user_id", "service_name", "lesson_id", "error_type")},
    **{name: ["", 7, CANARY * 50, [CANARY]] for name in ("conversation_id", "message_id")},
    **{name: [-1, 1.5, 5.0, "5", True, 2**53 + 1, 10**30, [CANARY]] for name in ("input_tokens", "total_tokens")},
    "cost_usd": [-0.01, "0.5", True, 1e12, 10**400, {CANARY: 1}],
    "status": ["done", CANARY, "", 1, True, [CANARY]],
    "error_message": [7, [CANARY], CANARY * 11_000],
    LONG: [CANARY],
    "": [CANARY],
    "spanName": [CANARY],
    "children": [[{CANARY: CANARY}]],
    "cost_nano_usd": [5],
    "start_ns": [5],
}
"""Invalid values of each field."""


@pytest.mark.parametrize("kind", BODIES)
def test_an_invalid_body_is_refused_and_not_repeated(api: Api, log: io.StringIO, kind: str) -> None:
    body, status, code = BODIES[kind]
    reply = api.post(body)
    assert failure(reply) == (status, code)
    assert CANARY not in reply.body.decode() + log.getvalue()
    assert api.summaries() == []


@pytest.mark.parametrize("name", FIELDS)
def test_an_invalid_value_is_refused_with_its_fields_name_and_not_repeated(
    api: Api, log: io.StringIO, name: str
) -> None:
    for value in FIELDS[name]:
        reply = api.post({**span(), name: value})
        assert failure(reply) == (400, "invalid_request"), value
        assert name[:64] in fields_of(reply)
        batch = api.post({"spans": [{**span(), name: value}, span("kept")]})
        assert (batch.status, [rejection["index"] for rejection in batch.json["rejected"]]) == (201, [0])
        assert CANARY not in (reply.body + batch.body).decode() + log.getvalue()
    assert api.summaries() == ["kept"]


@pytest.mark.parametrize("name", ["trace_id", "span_id", "span_name", "start_time"])
@pytest.mark.parametrize("value", [{}, {"x": None}], ids=["absent", "null"])
def test_a_missing_field_is_reported_by_name(api: Api, name: str, value: dict[str, None]) -> None:
    sent = {**span(), name: None} if value else {key: item for key, item in span().items() if key != name}
    batch = api.post({"spans": [sent]})
    assert failure(batch) == (400, "all_spans_rejected")
    assert details_of(batch) == [("spans[0]", f"{name} is required.")]
    if name != "span_id":  # which the server makes for a single span
        reply = api.post(sent)
        assert (failure(reply), fields_of(reply)) == ((400, "invalid_request"), [name])


def details_of(reply: Reply) -> list[tuple[str, str]]:
    return [(detail["field"], detail["message"]) for detail in reply.json["error"]["details"]]


PROGRAMMERS_TEXT = re.compile(r"(?<!\w)\[|(?<!\d)\]|[{}^$\\|]|A-Z|0-9]|Input should|is not valid")
"""Parts of regular expressions, and of messages that pydantic writes for programmers. Indexes are no such parts."""

IDS_IN_PATHS = {
    **{"trace_id": "t", "span_id": "root", "id": "t", "name": "n", "conversation_id": "c", "file": "docs.js"},
    **{"job_id": "0" * 36, "key_id": "0" * 16, "share_id": "0" * 16, "sha256": "0" * 64},
}

VALUES: list[Any] = [
    *("", " ", "#", "é", "a b", "x" * 70_000, "2025-02-30T10:00:00Z", "2025-01-01T00:00:00", "1969-01-01T00:00:00Z"),
    *(-1, 0, 1.5, 1e308, 2**60, 10**400, True, [], [7], ["x" * 300], [{"id": "#"}], ["x"] * 1_000, {}, {"a": 1}),
    *({"usage": 5}, {"usage": {"prompt_tokens": "x"}}, {"model": 5, "temperature": "x", "max_tokens": -1}),
    *([{"request": {"model": 5}}], [{"timestamp": "x", "success": 1}]),
]
"""Values of every type and beyond every limit: each field refuses some of them."""

BODY_FIELDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    f"POST {TRACES}": (span(), names_of(NewSpan)),
    f"PATCH {path_of('t', 'root')}": ({}, names_of(SpanChange)),
    "POST /api/traces": ({"request_data": {}}, names_of(NewLesson)),
    "PATCH /api/traces/lesson": ({}, names_of(LessonChange)),
    "POST /api/traces/lesson/llm-calls": ({}, names_of(SentCall)),
    "POST /api/keys": ({"name": "x", "scopes": ["read"]}, {"name", "scopes", "expires_at"}),
}
"""Each route with a body in JSON: a valid body, and the fields that it accepts."""


@pytest.mark.parametrize("route", BODY_FIELDS)
def test_the_details_of_an_invalid_field_are_sentences(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    valid, names = BODY_FIELDS[route]
    any_json = {"input_data", "output_data", "metadata", "request_data", "response_data"}
    for name in sorted(names - any_json):
        refused = 0
        for value in VALUES:
            body = {**valid, name: value, "unknown": 1}  # always refused, so that nothing is stored
            reply = api(method, path, body=body)
            assert_sentences(reply)
            refused += any(field.startswith(name) for field in fields_of(reply))
            if path == TRACES:
                assert_sentences(api.post({"spans": [body]}))
        assert refused >= 5, name


@pytest.mark.parametrize("route", [route.key for route in API_ROUTES if route.method in ("GET", "DELETE")])
def test_the_details_of_an_invalid_parameter_are_sentences(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    path = path.format(**IDS_IN_PATHS)
    parameters = (*LIST_PARAMETERS, *ANALYTICS_PARAMETERS, *LESSON_PARAMETERS, "view", "payloads", "before", "group_by")
    for name in dict.fromkeys((*parameters, "id", "deleteAll", "nonsense")):
        for value in ("", "%23", "x" * 600, "-1", "1.5", "2025-02-30T10:00:00Z", "9999-01-01T00:00:00Z"):
            for query in (f"{name}={value}", f"{name}={value}&{name}={value}"):
                reply = api(method, path, query=query)
                if reply.status == 400:
                    assert_sentences(reply)


def assert_sentences(reply: Reply) -> None:
    """Check that each detail says which values are accepted, in words."""
    assert failure(reply)[0] == 400
    for field, message in details_of(reply):
        assert not PROGRAMMERS_TEXT.search(message), (field, message)
        assert len(message.split()) >= 2


def test_one_response_names_every_invalid_field(api: Api) -> None:
    reply = api.post({**span(), "input_tokens": -1, "colour": CANARY, "status": CANARY})
    assert sorted(fields_of(reply)) == ["colour", "input_tokens", "status"]


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"sesame", {"content-encoding": "gzip"}, "malformed_json"),
        (gzip.compress(json_with(), mtime=0)[:-9], {"content-encoding": "gzip"}, "invalid_encoding"),
        (gzip.compress(json_with(), mtime=0) + b"sesame", {"content-encoding": "gzip"}, "invalid_encoding"),
        (gzip.compress(b"sesame", mtime=0), {"content-encoding": "gzip"}, "malformed_json"),
        (json_with(), {"content-encoding": "br"}, "invalid_encoding"),
        (json_with(), {"content-encoding": "gzip, gzip"}, "invalid_encoding"),
        (json_with(), {"content-encoding": "sesame"}, "invalid_encoding"),
        (json_with(span_name=b'"sesame\xff"'), {"content-type": "application/octet-stream"}, "malformed_json"),
        (json_with(span_name=b'"sesame\xed\xa0\x80"'), {"content-type": "application/x-sesame"}, "malformed_json"),
        (json_with().decode().encode("utf-16"), {"content-type": "application/octet-stream"}, "malformed_json"),
    ],
)
def test_a_wrongly_encoded_body_is_refused_and_not_repeated(
    api: Api, log: io.StringIO, body: bytes, headers: dict[str, str], code: str
) -> None:
    reply = api.post(body, headers=headers)
    assert failure(reply) == (400, code)
    assert CANARY not in reply.body.decode() + log.getvalue()


def test_a_binary_body_of_more_than_4500_kb_is_refused(api: Api) -> None:
    reply = api.post(b" " * 4_500_001, headers={"content-type": "application/octet-stream"})
    assert failure(reply) == (413, "body_too_large")


def test_a_body_that_decompresses_beyond_the_limit_is_refused(api: Api) -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024 + 1), 1)
    assert failure(api.post(bomb, headers={"content-encoding": "gzip"})) == (413, "body_too_large")


ROUTES_WITH_A_BODY = [route.key for route in API_ROUTES if route.method in ("POST", "PUT", "PATCH")]

SMALL_BODIES = {"POST /api/keys", "PUT /api/me/views/{name}", "POST /api/analytics/traces/delete"} | {
    f"{method} {TRACES}/{{trace_id}}/{rest}" for method, rest in (("POST", "shares"), ("PUT", "annotations/{name}"))
}
"""The routes whose bodies are a few short fields or a list of ids."""


@pytest.mark.parametrize("route", ROUTES_WITH_A_BODY)
def test_every_route_with_a_body_refuses_more_than_a_million_values(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    body = gzip.compress(b'{"spans": [' + b"[]," * 1_000_000 + b"[]]}", 1)
    reply = api(method, path.format(**IDS_IN_PATHS), body=body, headers={"content-encoding": "gzip"})
    assert failure(reply) == (413, "body_too_large")
    assert "smaller batches" in reply.body.decode() or route in SMALL_BODIES


@pytest.mark.parametrize("route", sorted(SMALL_BODIES))
def test_a_route_with_short_fields_refuses_a_body_of_more_than_kilobytes(api: Api, route: str) -> None:
    method, _, path = route.partition(" ")
    reply = api(method, path.format(**IDS_IN_PATHS), body={"name": "x" * 256 * 1024})
    assert failure(reply) == (413, "body_too_large")
    assert "KiB. Send less." in reply.body.decode()


def test_a_route_with_short_fields_names_the_first_ten_unknown_ones(api: Api) -> None:
    for route in SMALL_BODIES:
        method, _, path = route.partition(" ")
        body = dict.fromkeys([f"field{number}" for number in range(1_000)], 1)
        reply = api(method, path.format(**IDS_IN_PATHS), body=body)
        assert [name for name in fields_of(reply) if name.startswith("field")] == [f"field{n}" for n in range(10)]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [b"sesame", b"", b'{"sesame', b"[" * 100_000, b"NaN"])
def test_every_route_with_a_body_refuses_invalid_json(api: Api, log: io.StringIO, method: str, body: bytes) -> None:
    api.send(span())
    routes = [route for route in API_ROUTES if route.method == method]
    paths = [route.path.format(trace_id="t", span_id="root", id="t", name="n") for route in routes]
    assert paths
    for path in paths:
        reply = api(method, path, body=body)
        assert failure(reply)[0] == 400
        assert CANARY not in reply.body.decode() + log.getvalue()


@pytest.mark.parametrize("route", [route.key for route in API_ROUTES])
def test_every_route_refuses_unknown_parameters(api: Api, log: io.StringIO, route: str) -> None:
    method, _, path = route.partition(" ")
    path = path.format(**IDS_IN_PATHS)
    for query in (
        f"{LONG}={CANARY}",
        f"limit={CANARY}&limit={CANARY}",
        f"{CANARY[0]}=%FF{CANARY}",
        "&".join(["a=1"] * 101),
    ):
        reply = api(method, path, query=query, body=None if method in ("GET", "DELETE") else span())
        assert failure(reply)[0] == 400
        assert CANARY not in reply.body.decode() + log.getvalue()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", TRACES + "/"), ("GET", path_of("t") + "/spans"), ("GET", path_of("t") + "/spans/"), ("GET", "//")),
        *(("GET", TRACES + "//spans/a"), ("GET", TRACES.upper()), ("GET", "/traces/"), ("GET", "/api")),
        *(
            ("SESAME", "/sesame"),
            ("GET", "/sesame"),
            ("GET", TRACES + "/t/spans/a/sesame"),
            ("GET", "/docs/docs.js/sesame"),
        ),
        *(("GET", "/api/analytics/traces/../traces/sesame"), ("GET", "/%2e%2e/sesame"), ("GET", "/sesame" * 500)),
    ],
)
def test_an_unknown_route_is_not_found(api: Api, log: io.StringIO, method: str, path: str) -> None:
    reply = api(method, path, query="search=sesame", body=b"sesame")
    assert failure(reply) == (404, "route_not_found")
    assert CANARY not in reply.body.decode() + log.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, TRACES, "POST, GET, DELETE") for method in ("PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "SESAME")),
        *((method, path_of("t"), "GET, DELETE") for method in ("POST", "PUT")),
        *((method, path_of("t", "a"), "PATCH, GET, DELETE") for method in ("POST", "PUT")),
        *((method, path_of("delete"), "GET, DELETE, POST") for method in ("PUT", "OPTIONS")),  # also the id of a trace
        *(("POST", "/healthz", "GET"), ("PATCH", "/api/keys", "POST, GET"), ("DELETE", "/docs/docs.js", "GET")),
    ],
)
def test_another_method_of_a_route_is_refused_with_the_methods_that_it_has(
    api: Api, log: io.StringIO, method: str, path: str, allowed: str
) -> None:
    reply = api(method, path, query="search=sesame", body=b"sesame")
    assert failure(reply) == (405, "method_not_allowed")
    assert reply.headers["allow"] == allowed
    assert CANARY not in reply.body.decode() + log.getvalue()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *((method, "/{id}") for method in ("GET", "DELETE")),
        *((method, "/{id}/spans/root") for method in ("GET", "DELETE", "PATCH")),
        *((method, "/t/spans/{id}") for method in ("GET", "DELETE", "PATCH")),
    ],
)
def test_an_invalid_id_in_a_path_is_not_found_and_not_repeated(
    api: Api, log: io.StringIO, method: str, path: str
) -> None:
    api.send(span())
    for bad in (
        "sesame%23",
        "%25sesame",
        "sesame%2Fsesame",
        "%F0%9F%98%80sesame",
        "sesame" * 30,
        "sesame%FF",
        "sesame%00",
    ):
        reply = api(method, TRACES + path.format(id=bad), body={"status": "error"} if method == "PATCH" else None)
        assert failure(reply) == (404, "not_found")
        assert CANARY not in reply.body.decode() + log.getvalue()


def test_an_invalid_change_is_refused_and_not_repeated(api: Api, log: io.StringIO) -> None:
    api.send(span())
    for name, values in FIELDS.items():
        for value in values:
            reply = api("PATCH", path_of("t", "root"), body={name: value})
            assert failure(reply) == (400, "invalid_request"), (name, value)
            assert CANARY not in reply.body.decode() + log.getvalue()
    assert set(api.span().values()) & {CANARY} == set()


def test_the_log_contains_nothing_of_a_valid_request(api: Api, log: io.StringIO) -> None:
    fields = dict.fromkeys(("span_name", "conversation_id", "model_name", "error_message", "input_data"), CANARY)
    api.send(span(**fields))
    api.patched(output_data=CANARY, end_user_id=CANARY)
    api.page(search=CANARY, conversation_id=CANARY)
    api.page(view="turns", conversation_id=CANARY)
    api.trace(search=CANARY)
    api("DELETE", TRACES, query={"conversation_id": CANARY})
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [201, 200, 200, 200, 200, 200]
    assert CANARY not in log.getvalue()
