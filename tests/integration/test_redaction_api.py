"""Secrets in requests are neither stored nor returned."""

import json
from typing import Any

import pytest

from tests.api import TRACES, Api, at, path_of, span
from tests.conftest import TableOnEngine
from tracestore.storage import keys
from tracestore.storage.codec import unpack

# Assembled at run time, so that secret scanners do not report this file.
TAIL = "A1b2C3d4E5f6G7h8J9k0"
SECRET = "sk-proj-" + TAIL
SECRETS = {
    "openai_key": SECRET,
    "anthropic_key": "sk-ant-" + "api03-" + TAIL,
    "github_token": "ghp_" + TAIL,
    "aws_access_key_id": "AKIA" + "ABCDEFGHIJKLMNOP",
    "jwt": ".".join(("eyJ" + TAIL, "eyJ" + TAIL, TAIL)),
    "tracestore_key": "tsk_" + TAIL * 2,
}
TEXT_FIELDS = (
    *("span_name", "model_name", "model_provider", "model_version", "conversation_id", "message_id", "tool_name"),
    *("end_user_id", "service_name", "lesson_id", "error_message", "error_type", "error_stack"),
    *("environment", "release", "prompt_name", "prompt_version", "finish_reason", "service_tier"),
)
PAYLOAD: dict[str, Any] = {
    "input_data": {"messages": [{"role": "user", "content": f"Use {SECRET} please"}], f"key {SECRET}": 1},
    "output_data": [f"I used {SECRET}.", json.dumps({"authorization": f"Bearer {SECRET}"})],
    "metadata": {"api_key": TAIL, "headers": {"Authorization": "Basic " + TAIL}, "max_tokens": 5},
    "tags": ["eu", SECRET],
    "events": [{"name": f"used {SECRET}", "attributes": {"authorization": f"Bearer {SECRET}"}}],
    "links": [{"trace_id": "other", "span_id": "span", "attributes": {"url": f"https://host/?key={SECRET}"}}],
    "usage_details": {SECRET[:60]: 3},
}


def all_responses(api: Api) -> str:
    """The responses of all routes that return the trace `t`."""
    replies = [
        *(api("GET", path_of("t"), query=query) for query in ("", "view=outline", "payloads=false")),
        *(api("GET", path_of("t"), query=query) for query in ("view=spans&new_messages=true", "search=used")),
        *(api("GET", TRACES, query=query) for query in ("", "view=summary")),
        *(api("GET", path_of("t", span_id)) for span_id in ("root", "b")),
    ]
    assert {reply.status for reply in replies} <= {200, 404}
    return "".join(reply.body.decode() for reply in replies)


def in_the_table(api: Api, engine: TableOnEngine) -> str:
    """All stored items of the trace `t`, unpacked."""
    assert api.user
    condition = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": keys.trace(api.user.name, "t")}},
    }
    items = engine.client.query(TableName=engine.table_name, ConsistentRead=True, **condition)["Items"]
    assert items
    values = [value for item in items for value in item.values()]
    return str([unpack(value["B"]) if "B" in value else value for value in values])


@pytest.mark.parametrize("kind", SECRETS)
def test_a_marker_with_the_kind_of_secret_replaces_a_secret(api: Api, kind: str) -> None:
    stored = api.send(span(input_data=f"before {SECRETS[kind]} after"))
    assert stored["input_data"] == f"before [redacted:{kind}] after"


def test_no_field_keeps_a_secret_on_any_route(api: Api, engine: TableOnEngine) -> None:
    fields = {**dict.fromkeys(TEXT_FIELDS, f"x {SECRET}"), **PAYLOAD}
    replies = [
        api.post(span(**fields)),
        api.post({"spans": [span(span_id="b", **fields)]}),
        api("PATCH", path_of("t", "root"), body={**fields, "end_time": at(1)}),
    ]
    assert [reply.status for reply in replies] == [201, 201, 200]
    output = "".join(reply.body.decode() for reply in replies) + all_responses(api) + in_the_table(api, engine)
    assert TAIL not in output
    assert "[redacted:openai_key]" in output


def test_values_that_are_not_secrets_are_unchanged(api: Api) -> None:
    fields: dict[str, Any] = {
        "input_data": "How many tokens has a password of 12 characters? sk-learn is a library.",
        "metadata": {"max_tokens": 5, "token": "Hello", "prompt_tokens": 7, "api_key": None, "password": ""},
    }
    stored = api.send(span(**fields, input_tokens=12))
    assert {name: stored[name] for name in fields} == fields
    assert stored["input_tokens"] == 12


def test_ids_are_stored_as_they_were_sent(api: Api) -> None:
    secret_id = "tsk_" + TAIL
    api.send(span(secret_id, secret_id))
    assert api.span(secret_id, secret_id)["trace_id"] == secret_id


def test_the_same_secret_sent_again_changes_nothing(api: Api) -> None:
    first = api.send(span(**PAYLOAD))
    assert api.send(span(**PAYLOAD)) == first
    assert api.send({**first, "cost_source": None}) == first


def test_the_rejection_of_a_span_does_not_contain_its_secret(api: Api) -> None:
    reply = api.post({"spans": [span(), span("u", status=SECRET, unknown=SECRET, input_data=SECRET)]})
    assert [rejection["index"] for rejection in reply.json["rejected"]] == [1]
    assert TAIL not in reply.body.decode()
