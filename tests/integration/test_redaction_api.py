"""Secrets in what is sent are stored nowhere and shown nowhere."""

import json
from typing import Any

import pytest

from tests.api import TRACES, Api, at, path_of, span
from tests.conftest import TableOnEngine
from tracestore.storage import keys
from tracestore.storage.codec import unpack

# Put together here, so that no scanner takes this file for a leak.
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
    *("end_user_id", "service_name", "lesson_id", "error_message", "error_type"),
)
PAYLOAD: dict[str, Any] = {
    "input_data": {"messages": [{"role": "user", "content": f"Use {SECRET} please"}], f"key {SECRET}": 1},
    "output_data": [f"I used {SECRET}.", json.dumps({"authorization": f"Bearer {SECRET}"})],
    "metadata": {"api_key": TAIL, "headers": {"Authorization": "Basic " + TAIL}, "max_tokens": 5},
}


def everything(api: Api) -> str:
    """All that any route shows of the trace `t`."""
    replies = [
        *(api("GET", path_of("t"), query=query) for query in ("", "view=outline", "payloads=false")),
        *(api("GET", TRACES, query=query) for query in ("", "view=summary")),
        *(api("GET", path_of("t", span_id)) for span_id in ("root", "b")),
    ]
    assert {reply.status for reply in replies} <= {200, 404}
    return "".join(reply.body.decode() for reply in replies)


def in_the_table(api: Api, engine: TableOnEngine) -> str:
    """All that is stored of the trace `t`, unpacked."""
    assert api.user
    asked = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": keys.trace(api.user.name, "t")}},
    }
    items = engine.client.query(TableName=engine.table_name, ConsistentRead=True, **asked)["Items"]
    assert items
    values = [value for item in items for value in item.values()]
    return str([unpack(value["B"]) if "B" in value else value for value in values])


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_gives_way_to_a_marker_that_says_what_it_was(api: Api, kind: str) -> None:
    stored = api.send(span(input_data=f"before {SECRETS[kind]} after"))
    assert stored["input_data"] == f"before [redacted:{kind}] after"


def test_no_field_keeps_a_secret_however_it_came_in(api: Api, engine: TableOnEngine) -> None:
    told = {**dict.fromkeys(TEXT_FIELDS, f"x {SECRET}"), **PAYLOAD}
    answers = [
        api.post(span(**told)),
        api.post({"spans": [span(span_id="b", **told)]}),
        api("PATCH", path_of("t", "root"), body={**told, "end_time": at(1)}),
    ]
    assert [answer.status for answer in answers] == [201, 201, 200]
    seen = "".join(answer.body.decode() for answer in answers) + everything(api) + in_the_table(api, engine)
    assert TAIL not in seen
    assert "[redacted:openai_key]" in seen


def test_what_is_no_secret_stays(api: Api) -> None:
    told: dict[str, Any] = {
        "input_data": "How many tokens has a password of 12 characters? sk-learn is a library.",
        "metadata": {"max_tokens": 5, "token": "Hello", "prompt_tokens": 7, "api_key": None, "password": ""},
    }
    stored = api.send(span(**told, input_tokens=12))
    assert {name: stored[name] for name in told} == told
    assert stored["input_tokens"] == 12


def test_ids_stay_as_they_were_sent(api: Api) -> None:
    odd = "tsk_" + TAIL
    api.send(span(odd, odd))
    assert api.span(odd, odd)["trace_id"] == odd


def test_the_same_secret_sent_again_changes_nothing(api: Api) -> None:
    first = api.send(span(**PAYLOAD))
    assert api.send(span(**PAYLOAD)) == first
    assert api.send({**first, "cost_source": None}) == first


def test_a_rejected_span_does_not_tell_its_secret(api: Api) -> None:
    reply = api.post({"spans": [span(), span("u", status=SECRET, unknown=SECRET, input_data=SECRET)]})
    assert [one["index"] for one in reply.json["rejected"]] == [1]
    assert TAIL not in reply.body.decode()
