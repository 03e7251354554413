"""The pure parts of the local server treat requests, responses and stream records like API Gateway and Lambda."""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dev import gateway
from dev.functions import load_handler
from dev.gateway import Request, Router
from dev.streams import event_record, matches
from dev.template import Cors, Function, Route
from tracestore_cli import tokens

SPAN = Route("GET /traces/{trace_id}/spans/{span_id}", "Query")
TRACE = Route("GET /traces/{trace_id}", "Query")
LATEST = Route("GET /traces/latest", "Query")
DEFAULT = Route("$default", "Account")
CORS = Cors(("https://app.example",), ("GET", "POST"), ("authorization",), ("etag",), 60)


def event(request: Request, route: Route = LATEST, **parameters: str) -> dict[str, Any]:
    return gateway.event_of(request, route, parameters)


def post(body: bytes, **headers: str) -> dict[str, Any]:
    return event(Request("POST", "/", headers=[(k.replace("_", "-"), v) for k, v in headers.items()], body=body))


def from_origin(origin: str, method: str = "GET", **headers: str) -> Request:
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(method, "/traces/latest", headers=[("Origin", origin), *more])


@pytest.mark.parametrize("routes", [[LATEST, TRACE, DEFAULT], [DEFAULT, TRACE, LATEST]])
def test_a_literal_segment_wins_over_a_parameter_in_any_order(routes: list[Route]) -> None:
    assert Router(routes).match("GET", "/traces/latest") == (LATEST, {})


def test_path_parameters_are_decoded_after_the_path_is_split() -> None:
    match = Router([SPAN]).match("GET", "/traces/a%2Fb/spans/%23%F0%9F%98%80")
    assert match == (SPAN, {"trace_id": "a/b", "span_id": "#😀"})


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/traces/latest"), ("GET", "/"), ("GET", "/traces/"), ("GET", "/traces/a/b")]
)
def test_a_path_without_a_route_goes_to_the_default_route(method: str, path: str) -> None:
    assert Router([LATEST, TRACE, SPAN, DEFAULT]).match(method, path) == (DEFAULT, {})


def test_without_a_default_route_other_paths_have_no_match() -> None:
    assert Router([LATEST]).match("GET", "/other") is None


def test_a_greedy_parameter_takes_the_rest_of_the_path() -> None:
    files = Route("GET /files/{path+}", "Page")
    assert Router([files]).match("GET", "/files/a/b%20c") == (files, {"path": "a/b c"})


def test_an_event_names_its_route_and_not_the_path_in_it() -> None:
    assert event(Request("GET", "/traces/t1"), TRACE, trace_id="t1")["routeKey"] == "GET /traces/{trace_id}"


def test_the_request_line_and_the_headers_are_measured_as_they_are_sent() -> None:
    sent = b"GET /traces?a=1 HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n"
    assert Request("GET", "/traces", "a=1", [("host", "x"), ("accept", "*/*")]).head_bytes == len(sent)
    assert Request("GET", "/").head_bytes == len(b"GET / HTTP/1.1\r\n\r\n")


def test_header_names_arrive_in_lower_case_and_repeated_ones_joined() -> None:
    sent = Request("GET", "/", headers=[("X-One", "1"), ("x-one", "2")])
    assert event(sent)["headers"] == {"x-one": "1,2"}


def test_cookies_are_separate_from_the_headers() -> None:
    received = event(Request("GET", "/", headers=[("Cookie", "a=1; b=2")]))
    assert (received["cookies"], received["headers"]) == (["a=1", "b=2"], {})


def test_repeated_query_parameters_are_joined_and_the_raw_query_is_unchanged() -> None:
    received = event(Request("GET", "/", query="a=1&a=2&b=%20"))
    assert (received["queryStringParameters"], received["rawQueryString"]) == ({"a": "1,2", "b": " "}, "a=1&a=2&b=%20")


@pytest.mark.parametrize("key", ["queryStringParameters", "pathParameters", "cookies", "body"])
def test_the_event_omits_absent_parts_of_the_request(key: str) -> None:
    assert key not in event(Request("GET", "/"))


@pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=utf-8", "application/problem+json"])
def test_text_arrives_as_text(kind: str) -> None:
    received = post("é".encode(), content_type=kind)
    assert (received["body"], received["isBase64Encoded"]) == ("é", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/x-protobuf"},
        {"content_type": "application/json", "content_encoding": "gzip"},
        {},
    ],
)
def test_bytes_and_compressed_bodies_arrive_in_base64(headers: dict[str, str]) -> None:
    received = post(b"\xff\x00", **headers)
    assert (base64.b64decode(received["body"]), received["isBase64Encoded"]) == (b"\xff\x00", True)


def test_a_result_in_base64_becomes_bytes() -> None:
    result = {"statusCode": 200, "body": base64.b64encode(b"\x1f\x8b").decode(), "isBase64Encoded": True}
    assert gateway.answer_of(result).body == b"\x1f\x8b"


def test_a_result_with_invalid_base64_becomes_a_500() -> None:
    assert gateway.answer_of({"statusCode": 200, "body": "%%%", "isBase64Encoded": True}) == gateway.FAILED


@pytest.mark.parametrize("body", ["x" * (6 * 1024 * 1024 + 57), '"' * (3 * 1024 * 1024 + 57)], ids=["long", "escaped"])
def test_a_result_over_the_limit_of_lambda_becomes_a_500(body: str) -> None:
    assert gateway.answer_of({"statusCode": 200, "body": body}) == gateway.FAILED


def preflight_headers(origin: str, cors: Cors = CORS) -> dict[str, str]:
    """The gateway's headers in the response to a preflight."""
    request = from_origin(origin, "OPTIONS", access_control_request_method="GET")
    return dict(gateway.with_cors(gateway.PREFLIGHT, request, cors).headers)


def test_a_preflight_of_an_allowed_origin_gets_its_permissions() -> None:
    assert preflight_headers("https://app.example") == {
        "access-control-allow-origin": "https://app.example",
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization",
        "access-control-expose-headers": "etag",
        "access-control-max-age": "60",
        "vary": "Origin",
    }


def test_a_preflight_of_another_origin_gets_no_permission() -> None:
    assert preflight_headers("https://evil.example") == {}


@pytest.mark.parametrize(
    ("allowed", "origin", "permitted"),
    [
        ("*", "https://any.example", "*"),
        ("https://*", "https://any.example", "https://any.example"),
        ("https://*", "http://any.example", None),
        ("http://*", "http://localhost:3000", "http://localhost:3000"),
        ("https://app.example", "https://app.example.evil.example", None),
        ("https://*.example", "https://app.example", None),
    ],
)
def test_origins_may_be_a_pattern_of_every_origin_or_of_a_scheme(
    allowed: str, origin: str, permitted: str | None
) -> None:
    assert preflight_headers(origin, replace(CORS, origins=(allowed,))).get("access-control-allow-origin") == permitted


def test_without_origins_preflights_go_to_the_routes() -> None:
    request = from_origin("https://app.example", "OPTIONS", access_control_request_method="GET")
    assert not gateway.is_preflight(request, Cors((), (), (), (), 0))


def test_the_gateways_cors_headers_replace_a_functions_own() -> None:
    own = gateway.Answer(200, [("access-control-allow-origin", "*"), ("etag", "1")])
    received = gateway.with_cors(own, from_origin("https://evil.example"), CORS)
    assert received.headers == [("etag", "1")]


def test_an_allowed_origin_may_read_the_exposed_headers() -> None:
    received = gateway.with_cors(gateway.Answer(200, []), from_origin("https://app.example"), CORS)
    assert ("access-control-expose-headers", "etag") in received.headers


@pytest.mark.parametrize(
    ("pattern", "is_match"),
    [
        ({"eventName": ["INSERT", "MODIFY"]}, True),
        ({"eventName": ["REMOVE"]}, False),
        ({"dynamodb": {"Keys": {"sk": {"S": ["H"]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"prefix": "J#"}]}}}}, False),
        ({"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "U#"}]}}}}, True),
        ({"dynamodb": {"NewImage": {"gone": [{"exists": False}]}}}, True),
        ({"dynamodb": {"NewImage": {"n": {"N": [{"exists": True}]}}}}, True),
        ({"dynamodb": {"OldImage": {"sk": {"S": ["H"]}}}}, False),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": ["P", "L"]}]}}}}, True),
        ({"dynamodb": {"Keys": {"sk": {"S": [{"anything-but": "H"}]}}}}, False),
        ({"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": ["P"]}}}}, False),
    ],
)
def test_a_filter_pattern_matches_as_in_lambda(pattern: dict[str, Any], is_match: bool) -> None:
    keys = {"pk": {"S": "U#a"}, "sk": {"S": "H"}}
    record = {"eventName": "INSERT", "dynamodb": {"Keys": keys, "NewImage": {**keys, "n": {"N": "1"}}}}
    assert matches(record, pattern) is is_match


def test_a_stream_record_arrives_as_json_with_bytes_in_base64() -> None:
    image = {"data": {"B": b"\xff"}, "many": {"L": [{"B": b"\x00"}]}}
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    change = {"ApproximateCreationDateTime": moment, "NewImage": image, "SequenceNumber": "1"}
    received = event_record({"eventID": "e", "eventName": "INSERT", "dynamodb": change}, "arn")
    assert received["dynamodb"] == {
        "ApproximateCreationDateTime": moment.timestamp(),
        "NewImage": {"data": {"B": "/w=="}, "many": {"L": [{"B": "AA=="}]}},
        "SequenceNumber": "1",
    }


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43200), ("1d", 86400)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert tokens.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "0d", "-1h", "1.5h", "1w"])
def test_any_other_text_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        tokens.duration_s(text)


def test_a_handler_is_loaded_once_for_all_threads(tmp_path: Path) -> None:
    file = tmp_path / "slow_handler.py"
    file.write_text("import time\ntime.sleep(0.05)\n\ndef handler(event, context):\n    return event\n")
    function = Function("SlowFunction", file, "handler", {}, 1, 128)
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(load_handler, [function] * 4))) == 1
