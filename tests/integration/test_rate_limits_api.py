"""A key with a limit is refused beyond it, in the form that its route promises, and other callers are not."""

import json

import pytest

from tests import otlp
from tests.api import TRACES, Api, failure, fields_of, span
from tests.otlp import ENCODINGS, Encoding


def limited(api: Api, **limits: int) -> Api:
    """The same user with a new key that has these limits."""
    reply = api("POST", "/api/keys", body={"name": "limited", "scopes": ["ingest", "read"], **limits})
    assert reply.status == 201
    key = reply.json["data"]
    assert {name: key[name] for name in limits} == limits
    assert any(listed["key_id"] == key["key_id"] and limits.items() <= listed.items() for listed in _keys(api))
    return Api(api.call, None, {"x-api-key": key["secret"]})


def _keys(api: Api) -> list[dict[str, object]]:
    keys: list[dict[str, object]] = api("GET", "/api/keys").json["keys"]
    return keys


def test_requests_beyond_the_limit_are_429_with_retry_after(api: Api) -> None:
    client = limited(api, max_requests_per_second=1)
    replies = [client("GET", TRACES) for _ in range(20)]
    refused = [reply for reply in replies if reply.status != 200]
    assert refused
    assert {failure(reply) for reply in refused} == {(429, "rate_limited")}
    assert {reply.headers["retry-after"] for reply in refused} == {"1"}
    assert replies[0].status == 200
    assert api("GET", TRACES).status == 200


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_exporters_get_the_form_of_otlp(api: Api, encoding: Encoding) -> None:
    client = limited(api, max_spans_per_second=1)
    trace_id = otlp.new_id()
    spans = [otlp.span(trace_id, span_id=f"{number + 1:016x}") for number in range(50)]
    assert otlp.send(client, *spans, encoding=encoding) == (0, "")
    body = otlp.export(otlp.span(trace_id), signal="traces", encoding=encoding)
    reply = client("POST", "/v1/traces", body=body, headers=otlp.headers(encoding))
    assert reply.status == 429
    assert 45 < int(reply.headers["retry-after"]) <= 50
    assert reply.headers["content-type"] == otlp.headers(encoding)["content-type"]
    if encoding == "json":
        assert json.loads(reply.body)["code"] == 8
    assert failure(client.post(span("t"))) == (429, "rate_limited")
    assert client("GET", TRACES).status == 200
    assert api.post(span("t")).status == 201


@pytest.mark.parametrize("limit", [0, -1, 1.5, "5", True, 1_000_001])
def test_a_malformed_limit_is_named(api: Api, limit: object) -> None:
    for field in ("max_requests_per_second", "max_spans_per_second"):
        reply = api("POST", "/api/keys", body={"name": "k", "scopes": ["read"], field: limit})
        assert (reply.status, fields_of(reply)) == (400, [field])


def test_a_limit_may_be_written_as_a_float(api: Api) -> None:
    reply = api("POST", "/api/keys", body={"name": "k", "scopes": ["read"], "max_requests_per_second": 320.0})
    assert (reply.status, reply.json["data"]["max_requests_per_second"]) == (201, 320)
