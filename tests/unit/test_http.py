"""Requests decoded within limits, and answers in API Gateway's form."""

import base64
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.errors import Invalid, TooLarge
from tracestore.http.request import MAX_BINARY_BYTES, MAX_DECODED_BYTES, MAX_TEXT_BYTES, Request, headers_of, request_of
from tracestore.http.response import Response, accepts_gzip, gateway_answer, json_answer, json_bytes, with_etag


def request(**event: Any) -> Request:
    event = {"routeKey": "GET /x", **event}
    return request_of(event, headers_of(event), now_ms=0, remaining_ms=lambda: 30_000)


def sent(body: bytes, **headers: str) -> Request:
    """A request with a body that API Gateway took for binary."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request(body=base64.b64encode(body).decode(), isBase64Encoded=True, headers=named)


def test_header_names_come_in_any_case() -> None:
    assert request(headers={"Content-ENCODING": "gzip"}).headers == {"content-encoding": "gzip"}


def test_an_event_may_lack_all_that_is_optional() -> None:
    empty = request(headers=None, pathParameters=None, rawQueryString=None, body=None)
    assert (empty.headers, empty.path, empty.query, empty.body()) == ({}, {}, {}, b"")


def test_path_parameters_are_decoded() -> None:
    assert request(pathParameters={"trace_id": "a%3Ab"}).path == {"trace_id": "a:b"}


def test_a_blank_parameter_is_there() -> None:
    assert request(rawQueryString="a=&b=%C3%A9+1&c").query == {"a": "", "b": "é 1", "c": ""}


def test_a_parameter_given_twice_is_named() -> None:
    with pytest.raises(Invalid, match="limit"):
        _ = request(rawQueryString="limit=1&limit=1").query


@pytest.mark.parametrize("query", ["a=%FF", "%ED%A0%80=1", "&".join(f"p{number}=1" for number in range(101))])
def test_a_query_that_cannot_be_read_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        _ = request(rawQueryString=query).query


def test_unknown_parameters_are_named_and_cut() -> None:
    with pytest.raises(Invalid) as refused:
        request(rawQueryString=f"limit=1&{'n' * 100}=secret&m=secret").only("limit", "cursor")
    assert [detail.field for detail in refused.value.details] == ["n" * 64, "m"]
    assert "secret" not in refused.value.message


def test_known_parameters_pass() -> None:
    request(rawQueryString="limit=1").only("limit", "cursor")


def test_a_text_body_is_its_bytes() -> None:
    assert request(body='{"a":"é"}').body() == '{"a":"é"}'.encode()


@given(st.binary())
def test_a_binary_body_survives_base64_and_gzip(body: bytes) -> None:
    assert sent(body).body() == sent(gzip.compress(body), content_encoding="GZIP").body() == body


def test_gzip_may_come_in_several_members() -> None:
    assert sent(gzip.compress(b"one ") + gzip.compress(b"two"), content_encoding="gzip").body() == b"one two"


@pytest.mark.parametrize(
    "packed",
    [b"plain", gzip.compress(b"x" * 99)[:-1], gzip.compress(b"x") + b"junk", b"\x1f\x8b"],
    ids=["plain", "cut", "with junk behind", "nothing but a beginning"],
)
def test_what_is_no_gzip_is_refused(packed: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        sent(packed, content_encoding="gzip").body()
    assert refused.value.code == "invalid_encoding"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(Invalid, match="gzip"):
        sent(b"x", content_encoding=encoding).body()


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(Invalid):
        request(body="%%%", isBase64Encoded=True).body()


def test_a_bomb_does_not_fill_the_memory() -> None:
    bomb = sent(gzip.compress(b"\0" * MAX_DECODED_BYTES) * 50, content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="64 MiB"):
            bomb.body()
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_DECODED_BYTES
    finally:
        tracemalloc.stop()


def test_a_body_may_grow_to_64_mib() -> None:
    assert len(sent(gzip.compress(bytes(MAX_DECODED_BYTES), 1), content_encoding="gzip").body()) == MAX_DECODED_BYTES


@pytest.mark.parametrize(
    "large",
    [request(body="é" * (MAX_TEXT_BYTES // 2 + 1)), sent(bytes(MAX_BINARY_BYTES + 1))],
    ids=["text", "binary"],
)
def test_a_body_beyond_the_gateways_limits_is_refused_with_the_remedy(large: Request) -> None:
    with pytest.raises(TooLarge, match="smaller batches"):
        large.body()


def test_an_answer_is_compact_utf_8() -> None:
    assert json_answer({"name": "é"}).body == '{"success":true,"name":"é"}'.encode()


def test_an_answer_never_holds_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_answer({"cost": float("nan")})


def test_an_answer_is_kept_by_nobody() -> None:
    assert gateway_answer(json_answer({}), {})["headers"]["cache-control"] == "no-store"


def test_a_large_answer_is_gzipped_for_whom_accepts_it() -> None:
    answer = gateway_answer(json_answer({"text": "é" * 2_000}), {"accept-encoding": "br, gzip"})
    assert (answer["isBase64Encoded"], answer["headers"]["content-encoding"]) == (True, "gzip")
    assert json.loads(gzip.decompress(base64.b64decode(answer["body"])))["text"] == "é" * 2_000


@pytest.mark.parametrize(("size", "accept"), [(10, "gzip"), (2_000, "br"), (2_000, "gzip;q=0")])
def test_other_answers_are_not_gzipped(size: int, accept: str) -> None:
    answer = gateway_answer(json_answer({"text": "x" * size}), {"accept-encoding": accept})
    assert (answer["isBase64Encoded"], json.loads(answer["body"])["text"]) == (False, "x" * size)


def test_text_that_escaping_would_swell_beyond_lambdas_limit_leaves_as_base64() -> None:
    body = json_bytes('"' * 2_000_000)
    answer = gateway_answer(Response(200, body), {})
    assert base64.b64decode(answer["body"]) == body
    assert len(json.dumps(answer)) < 6_000_000


def test_caches_are_told_that_the_encoding_varies() -> None:
    assert gateway_answer(json_answer({}), {})["headers"]["vary"] == "Accept-Encoding"


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
def test_accept_encoding_is_read_as_it_is_meant(accept: str, accepted: bool) -> None:
    assert accepts_gzip(accept) is accepted


def tag_of(content: dict[str, Any]) -> str:
    return with_etag(request(), json_answer(content)).headers["etag"]


def test_a_tag_names_the_content() -> None:
    assert tag_of({"a": 1}) == tag_of({"a": 1}) != tag_of({"a": 2})


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*", "{strong}"])
def test_a_caller_who_has_the_content_gets_304(form: str) -> None:
    tag = tag_of({"a": 1})
    known = form.format(tag, strong=tag.removeprefix("W/"))
    answer = with_etag(request(headers={"If-None-Match": known}), json_answer({"a": 1}))
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("known", ["", '"other"', "W/", "junk, ,"])
def test_a_caller_who_has_something_else_gets_the_content(known: str) -> None:
    assert with_etag(request(headers={"if-none-match": known}), json_answer({"a": 1})).status == 200


def test_countless_gzip_members_are_refused_at_once() -> None:
    with pytest.raises(TooLarge):
        sent(gzip.compress(b"") * 10_000, content_encoding="gzip").body()
