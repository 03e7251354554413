"""Requests decoded within limits, and responses in API Gateway's form."""

import base64
import gzip
import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid, TooLarge
from tracestore.http.decompression import MAX_FRAMES
from tracestore.http.request import MAX_BINARY_BYTES, MAX_DECODED_BYTES, MAX_TEXT_BYTES, Request, headers_of, request_of
from tracestore.http.response import Response, accepts_gzip, gateway_response, json_bytes, json_response, with_etag


def request(**event: Any) -> Request:
    event = {"routeKey": "GET /x", **event}
    return request_of(event, headers_of(event), now_ms=0, remaining_ms=lambda: 30_000)


def sent(body: bytes, **headers: str) -> Request:
    """A request with a body that API Gateway treats as binary."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(body=base64.b64encode(body).decode(), isBase64Encoded=True, headers=named)


def test_header_names_may_have_any_case() -> None:
    assert request(headers={"Content-ENCODING": "gzip"}).headers == {"content-encoding": "gzip"}


@pytest.mark.parametrize(
    ("method", "headers", "is_preflight"),
    [
        ("OPTIONS", {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}, True),
        ("GET", {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}, False),
        ("OPTIONS", {"Origin": "https://app.example"}, False),
        ("OPTIONS", {"Access-Control-Request-Method": "PATCH"}, False),
    ],
)
def test_a_preflight_is_known_by_its_method_and_two_headers(
    method: str, headers: dict[str, str], is_preflight: bool
) -> None:
    assert request(headers=headers, requestContext={"http": {"method": method}}).is_preflight is is_preflight


def test_an_event_may_lack_all_optional_members() -> None:
    empty = request(headers=None, pathParameters=None, rawQueryString=None, body=None)
    assert (empty.headers, empty.path, empty.query, empty.body()) == ({}, {}, {}, b"")


def test_path_parameters_are_decoded() -> None:
    assert request(pathParameters={"trace_id": "a%3Ab"}).path == {"trace_id": "a:b"}


def test_a_parameter_may_be_blank() -> None:
    assert request(rawQueryString="a=&b=%C3%A9+1&c").query == {"a": "", "b": "é 1", "c": ""}


def test_a_parameter_given_twice_is_named_unless_it_is_repeatable() -> None:
    twice = request(rawQueryString="limit=1&limit=2")
    with pytest.raises(Invalid, match="limit"):
        twice.only("limit")
    twice.only("limit", repeatable=["limit"])
    assert (twice.query.all("limit"), twice.query["limit"], twice.query.all("view")) == (["1", "2"], "1", [])


def test_parameters_with_an_accepted_prefix_are_repeatable() -> None:
    sent = request(rawQueryString="metadata.a=1&metadata.a=2&metadata.b=3")
    sent.only(prefixes=("metadata.",))
    with pytest.raises(Invalid, match=r"metadata\.<key>"):
        request(rawQueryString="metadata.=1").only(prefixes=("metadata.",))


@pytest.mark.parametrize("query", ["a=%FF", "%ED%A0%80=1", "&".join(f"p{number}=1" for number in range(101))])
def test_an_unreadable_query_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        _ = request(rawQueryString=query).query


def test_unknown_parameters_are_named_and_cut() -> None:
    with pytest.raises(Invalid) as refused:
        request(rawQueryString=f"limit=1&{'n' * 100}=secret&m=secret").only("limit", "cursor")
    assert [detail.field for detail in refused.value.details] == ["n" * 64, "m"]
    assert "secret" not in refused.value.message


def test_known_parameters_are_accepted() -> None:
    request(rawQueryString="limit=1").only("limit", "cursor")


def test_a_text_body_is_encoded_as_utf_8() -> None:
    assert request(body='{"a":"é"}').body() == '{"a":"é"}'.encode()


@given(st.binary())
def test_a_binary_body_is_decoded_from_base64_and_gzip(body: bytes) -> None:
    assert sent(body).body() == sent(gzip.compress(body), content_encoding="GZIP").body() == body


def test_gzip_may_have_several_members() -> None:
    assert sent(gzip.compress(b"one ") + gzip.compress(b"two"), content_encoding="gzip").body() == b"one two"


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"x" * 99)[:-1], gzip.compress(b"x") + b"junk", b"\x1f\x8b"],
    ids=["cut", "with junk after it", "only the beginning"],
)
def test_invalid_gzip_is_refused(packed: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        sent(packed, content_encoding="gzip").body()
    assert refused.value.code == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd, gzip"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(Invalid, match="gzip"):
        sent(b"x", content_encoding=encoding).body()


def test_invalid_base64_is_refused() -> None:
    with pytest.raises(Invalid):
        request(body="%%%", isBase64Encoded=True).body()


def test_a_compression_bomb_does_not_exhaust_the_memory() -> None:
    bomb = sent(gzip.compress(b"\0" * MAX_DECODED_BYTES) * 50, content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="64 MiB"):
            bomb.body()
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_DECODED_BYTES
    finally:
        tracemalloc.stop()


def test_a_decompressed_body_may_have_64_mib() -> None:
    assert len(sent(gzip.compress(bytes(MAX_DECODED_BYTES), 1), content_encoding="gzip").body()) == MAX_DECODED_BYTES


@pytest.mark.parametrize(
    "large",
    [request(body="é" * (MAX_TEXT_BYTES // 2 + 1)), sent(bytes(MAX_BINARY_BYTES + 1))],
    ids=["text", "binary"],
)
def test_a_body_over_the_limits_of_the_gateway_is_refused_with_the_remedy(large: Request) -> None:
    with pytest.raises(TooLarge, match="smaller batches"):
        large.body()


def test_a_response_is_compact_utf_8() -> None:
    assert json_response({"name": "é"}).body == '{"success":true,"name":"é"}'.encode()


def test_a_response_cannot_contain_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_response({"cost": float("nan")})


def test_a_response_is_not_cached_by_default() -> None:
    assert gateway_response(json_response({}), {})["headers"]["cache-control"] == "no-store"


def test_a_large_response_is_gzipped_when_the_caller_accepts_it() -> None:
    response = gateway_response(json_response({"text": "é" * 2_000}), {"accept-encoding": "br, gzip"})
    assert (response["isBase64Encoded"], response["headers"]["content-encoding"]) == (True, "gzip")
    assert json.loads(gzip.decompress(base64.b64decode(response["body"])))["text"] == "é" * 2_000


@pytest.mark.parametrize(("size", "accept"), [(10, "gzip"), (2_000, "br"), (2_000, "gzip;q=0")])
def test_other_responses_are_not_gzipped(size: int, accept: str) -> None:
    response = gateway_response(json_response({"text": "x" * size}), {"accept-encoding": accept})
    assert (response["isBase64Encoded"], json.loads(response["body"])["text"]) == (False, "x" * size)


def test_text_that_exceeds_the_limit_of_lambda_when_escaped_is_sent_as_base64() -> None:
    body = json_bytes('"' * 2_000_000)
    response = gateway_response(Response(200, body), {})
    assert base64.b64decode(response["body"]) == body
    assert len(json.dumps(response)) < 6_000_000


def test_a_text_in_a_response_may_contain_the_names_of_such_numbers() -> None:
    assert json.loads(json_bytes({"text": "NaN, Infinity"})) == {"text": "NaN, Infinity"}
    with pytest.raises(ValueError, match="JSON"):
        json_bytes({"text": "x", "rates": [0.5, -math.inf]})


def test_a_response_has_all_digits_of_a_number_and_all_levels_of_a_value() -> None:
    value: Any = 12345678901234567890123
    for _ in range(400):
        value = {"inner": [value]}
    assert json.loads(json_bytes(value)) == value


def test_the_vary_header_names_the_encoding() -> None:
    assert gateway_response(json_response({}), {})["headers"]["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZip ; q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity, *;q=0, gzip", True),
        ("gzip;q=high", False),
        ("gzip;q=nan", False),
        ("deflate, br", False),
        (",;=", False),
    ],
)
def test_accept_encoding_is_read_with_its_weights(accept: str, accepted: bool) -> None:
    assert accepts_gzip(accept) is accepted


def tag_of(content: dict[str, Any]) -> str:
    return with_etag(request(), json_response(content)).headers["etag"]


def test_an_etag_depends_on_the_content() -> None:
    assert tag_of({"a": 1}) == tag_of({"a": 1}) != tag_of({"a": 2})


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*", "{strong}"])
def test_a_caller_with_the_same_content_gets_304(form: str) -> None:
    tag = tag_of({"a": 1})
    cached = form.format(tag, strong=tag.removeprefix("W/"))
    response = with_etag(request(headers={"If-None-Match": cached}), json_response({"a": 1}))
    assert (response.status, response.body, response.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("cached", ["", '"other"', "W/", "junk, ,"])
def test_a_caller_with_other_content_gets_the_new_content(cached: str) -> None:
    assert with_etag(request(headers={"if-none-match": cached}), json_response({"a": 1})).status == 200


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_compressed_body_may_have_100_frames(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    assert sent(compress(b"x") * MAX_FRAMES, content_encoding=encoding).body() == b"x" * MAX_FRAMES
    with pytest.raises(TooLarge, match=f"at most {MAX_FRAMES} frames"):
        sent(compress(b"x") * (MAX_FRAMES + 1), content_encoding=encoding).body()


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_a_cut_body_is_refused(encoding: str, compress: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid, match=f"ends within a frame of {encoding}"):
        sent(compress(b"x" * 99)[:-1], content_encoding=encoding).body()


def test_zeros_after_a_gzip_member_are_padding() -> None:
    assert sent(gzip.compress(b"x") + bytes(9), content_encoding="gzip").body() == b"x"
