"""Attributes about the whole trace count for the trace, whichever of its spans reports them."""

import json
from typing import Any

import pytest

from tests.api import TRACES, Api
from tests.otlp import START_NS, new_id, send, span

ROOT, OUTER, INNER, OTHER = (f"00000000000000a{digit}" for digit in range(4))
pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

PREFIXES = ("langfuse.trace.", "langsmith.trace.", "ai.telemetry.metadata.", "traceloop.association.properties.")


def texts(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def exported(trace_id: str, *inner: dict[str, Any]) -> list[Any]:
    """An HTTP root and two calls below it, the first of which has these attributes as well."""
    http = {"http.request.method": "POST", "url.path": "/chat"}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    first, last = (
        {
            "gen_ai.input.messages": texts("user", f"ask {n}"),
            "gen_ai.output.messages": texts("assistant", f"answer {n}"),
        }
        for n in (1, 2)
    )
    added = {name: value for attributes in inner for name, value in attributes.items()}
    return [
        span(trace_id, ROOT, name="POST /chat", values=http),
        span(
            trace_id, INNER, parentSpanId=ROOT, startTimeUnixNano=str(START_NS + 1), values={**chat, **first, **added}
        ),
        span(trace_id, OTHER, parentSpanId=ROOT, startTimeUnixNano=str(START_NS + 2), values={**chat, **last}),
    ]


def summary(api: Api, *inner: dict[str, Any], one_by_one: bool = False) -> dict[str, Any]:
    trace_id = new_id()
    spans = exported(trace_id, *inner)
    for batch in [[each] for each in reversed(spans)] if one_by_one else [spans]:
        assert send(api, *batch) == (0, "")
    found: dict[str, Any] = api.trace(trace_id)["summary"]
    return found


@pytest.mark.parametrize("one_by_one", [False, True])
def test_an_http_root_has_the_previews_of_the_calls_below_it(api: Api, one_by_one: bool) -> None:
    found = summary(api, one_by_one=one_by_one)
    assert (found["name"], found["input_preview"], found["output_preview"]) == ("POST /chat", "ask 1", "answer 2")


@pytest.mark.parametrize("one_by_one", [False, True])
def test_langfuse_attributes_of_an_inner_span_are_about_the_trace(api: Api, one_by_one: bool) -> None:
    stated = {
        "langfuse.trace.name": "support",
        "langfuse.trace.input": json.dumps({"question": "where is it?"}),
        "langfuse.trace.output": '"on its way"',
        "langfuse.trace.tags": '["gold", "eu"]',
        "langfuse.trace.metadata.tenant": "acme",
        "langfuse.trace.release": "v7",
        "langfuse.environment": "staging",
        "langfuse.user.id": "ada",
        "langfuse.session.id": "visit-1",
    }
    found = summary(api, stated, one_by_one=one_by_one)
    assert (found["name"], found["input_preview"], found["output_preview"]) == ("support", "where is it?", "on its way")
    assert (found["tags"], found["release"], found["environment"]) == (["eu", "gold"], "v7", "staging")
    assert (found["end_user_id"], found["conversation_id"]) == ("ada", "visit-1")
    listed = api("GET", TRACES, query={"view": "summary", "metadata.tenant": "acme"}).json["traces"]
    assert found["trace_id"] in [each["trace_id"] for each in listed]


def test_the_input_of_the_trace_is_not_that_of_an_inner_span(api: Api) -> None:
    trace_id = new_id()
    stated = {"langfuse.trace.input": "of the trace", "langfuse.trace.output": "of the trace"}
    send(api, span(trace_id, ROOT, values=stated), span(trace_id, INNER, parentSpanId=ROOT, values=stated))
    (root,) = api.trace(trace_id)["spans"]
    assert (root["input_data"], root["output_data"]) == ("of the trace", "of the trace")
    (inner,) = root["children"]
    assert (inner["input_data"], inner["output_data"]) == (None, None)
    assert inner["metadata"]["trace_input"] == "of the trace"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_convention_may_report_them_on_an_inner_span(api: Api, prefix: str) -> None:
    words = {"session_id": "visit-2", "user_id": "eve", "environment": "test", "release": "v8", "tags": '["a"]'}
    name = {"langfuse.trace.name": "n", "langsmith.trace.name": "n"}.get(f"{prefix}name")
    stated = {prefix + word: value for word, value in words.items()}
    found = summary(api, stated, {prefix + ("name" if name else "trace_name"): "named"})
    assert (found["conversation_id"], found["end_user_id"], found["name"]) == ("visit-2", "eve", "named")
    assert (found["environment"], found["release"], found["tags"]) == ("test", "v8", ["a"])


@pytest.mark.parametrize(
    "prefix",
    ["langfuse.trace.metadata.", "langsmith.metadata.", "ai.telemetry.metadata.", "traceloop.association.properties."],
)
def test_metadata_of_the_application_is_found_under_its_own_key(api: Api, prefix: str) -> None:
    trace_id = new_id()
    stated = {f"{prefix}plan.name": "pro", f"{prefix}limits": '{"daily": 5}', f"{prefix}resource": "theirs"}
    send(api, span(trace_id, ROOT, values=stated))
    metadata = api.trace(trace_id)["spans"][0]["metadata"]
    assert (metadata["plan.name"], metadata["limits"]) == ("pro", {"daily": 5})
    assert "theirs" in json.dumps(metadata["attributes"]), "a key that the service uses itself stays an attribute"
