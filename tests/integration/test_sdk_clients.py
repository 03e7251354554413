"""The pinned SDKs, unmodified, against the local server: the snippets of docs/sending, by environment variables alone.

Each sends a chat, a tool, a failure, a session and a score. Every run arrives once, also after two responses of 503.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev import sdks
from dev.template import Template
from tests.api import Api, flat, path_of
from tests.conftest import TableOnEngine
from tests.sdk_programs import Program, run
from tests.served import Service, served, served_throttled

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

ROUTES = ("/runs", "/api/public/", "/v1/traces", "/feedback", "/api/v1/private", "/v1/span_annotations")


@pytest.fixture
def service(engine: TableOnEngine, template: Template, api: Api) -> Iterator[Service]:
    """A server with a store that works."""
    with served(template, api, ("ingest", "annotate", "read"), ROUTES) as running:
        yield running


@pytest.fixture
def throttled_service(service: Service) -> Iterator[Service]:
    """The server with a store that is throttled until two requests have failed."""
    with served_throttled(service, "GET", "/info") as running:
        yield running


def annotations(api: Api, trace_id: str) -> list[Any]:
    listed: list[Any] = api("GET", f"{path_of(trace_id)}/annotations").json["annotations"]
    return listed


def outline(api: Api, trace_id: str) -> list[tuple[str, str, str]]:
    """The name, the operation and the status of each span of a trace, each once, in order of the tree."""
    trace = api.trace(trace_id)
    spans = list(flat(trace["spans"]))
    assert trace["summary"]["span_count"] == len(spans)
    return [(span["span_name"], span["operation_type"], span["status"]) for span in spans]


PYTHON = "Traceback"
JAVASCRIPT = "RangeError: There is no forecast for Lisbon.\n    at "
"""The stacks of the two languages contain these."""


def check_langsmith(api: Api, error_type: str = "LookupError", stack: str | None = PYTHON) -> None:
    (trace_id,) = api.summaries()
    assert outline(api, trace_id) == [
        ("answer", "chain", "success"),
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
        ("ChatOpenAI", "completion", "success"),
    ]
    check_answer(api, trace_id)
    check_failure(api, trace_id, error_type, stack)


def check_langsmith_js(api: Api) -> None:
    check_langsmith(api, "RangeError", None)  # the SDK for JavaScript sends no stack


def check_failure(api: Api, trace_id: str, error_type: str | None = "LookupError", stack: str | None = PYTHON) -> None:
    forecast = next(span for span in flat(api.trace(trace_id)["spans"]) if span["span_name"] == "forecast")
    assert (forecast["error_type"], forecast["error_message"]) == (error_type, "There is no forecast for Lisbon.")
    assert forecast["error_stack"] is None if stack is None else stack in forecast["error_stack"]


def check_mlflow(api: Api) -> None:
    (trace_id,) = api.summaries()
    assert outline(api, trace_id) == [
        ("answer", "agent", "success"),
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
        ("Completions", "completion", "success"),
    ]
    check_call(api, trace_id)
    check_failure(api, trace_id)


def check_phoenix(api: Api) -> None:
    (trace_id,) = api.summaries()
    assert outline(api, trace_id) == [
        ("answer", "chain", "success"),
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
        ("ChatCompletion", "completion", "success"),
    ]
    check_answer(api, trace_id)
    check_failure(api, trace_id)
    (root,) = api.trace(trace_id)["spans"]
    shown = {each["name"]: (each["value"], each["span_id"], each["source"]) for each in annotations(api, trace_id)}
    assert shown == {"helpfulness": (0.75, root["span_id"], "human"), "topic": ("weather", None, "code")}


def check_opik(api: Api) -> None:
    (trace_id,) = api.summaries()
    assert outline(api, trace_id) == [
        ("answer", "workflow", "success"),
        ("answer", "chain", "success"),
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
        ("chat_completion_create", "completion", "success"),
    ]
    check_answer(api, trace_id)
    check_failure(api, trace_id)
    assert api.trace(trace_id)["summary"]["tags"] == ["openai", "weather"]
    (of_span,) = (each for each in annotations(api, trace_id) if each["span_id"])
    inner = next(span for span in flat(api.trace(trace_id)["spans"]) if span["operation_type"] == "chain")
    assert (of_span["name"], of_span["value"], of_span["span_id"]) == ("accuracy", 1, inner["span_id"])


def check_opik_js(api: Api) -> None:
    (trace_id,) = api.summaries()
    assert outline(api, trace_id) == [
        ("answer", "workflow", "success"),
        ("answer", "completion", "success"),  # the SDK's default for a function without a type
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
        ("chat", "completion", "success"),
    ]
    check_answer(api, trace_id)
    check_failure(api, trace_id, "RangeError", JAVASCRIPT)
    assert api.trace(trace_id)["summary"]["tags"] == ["weather"]
    (of_span,) = (each for each in annotations(api, trace_id) if each["span_id"])
    assert (of_span["name"], of_span["value"]) == ("accuracy", 1)


def check_langfuse(api: Api, call: str = "OpenAI-generation") -> None:
    (trace_id,) = api.summaries()
    assert sorted(outline(api, trace_id)) == [
        (call, "completion", "success"),
        ("answer", "workflow", "error"),
        ("forecast", "other", "error"),
        ("weather", "other", "success"),
    ]
    check_answer(api, trace_id)
    assert api.trace(trace_id)["summary"]["tags"] == ["trial"]


def check_langfuse_js(api: Api) -> None:
    check_langfuse(api, "OpenAI.chat")


def check_langfuse_otlp(api: Api, call: str = "OpenAI-generation") -> None:
    (trace_id,) = api.summaries()
    root, *steps = outline(api, trace_id)
    assert root == ("answer", "agent", "success")
    assert sorted(steps) == [  # in JavaScript, two of them may start in the same millisecond
        (call, "completion", "success"),
        ("forecast", "tool_call", "error"),
        ("weather", "tool_call", "success"),
    ]
    check_answer(api, trace_id)
    assert api.trace(trace_id)["summary"]["tags"] == ["trial"]


def check_langfuse_otlp_js(api: Api) -> None:
    check_langfuse_otlp(api, "OpenAI.chat")


def check_call(api: Api, trace_id: str) -> None:
    """What most pages state about their trace: conversation, user, tokens of the one call and messages."""
    trace = api.trace(trace_id)
    summary = trace["summary"]
    assert (summary["name"], summary["conversation_id"], summary["end_user_id"]) == ("answer", "chat-42", "ada")
    assert (summary["llm_call_count"], summary["input_tokens"], summary["output_tokens"]) == (1, 412, 96)
    (call,) = (span for span in flat(trace["spans"]) if span["model_name"])
    assert call["model_name"] == "gpt-4o-mini-2024-07-18"
    assert call["cached_input_tokens"] == 256
    assert call["cost_usd"] > 0
    assert "Is it raining" in call["input_data"]["messages"][-1]["parts"][0]["text"]


def check_answer(api: Api, trace_id: str) -> None:
    """The same, and the score."""
    check_call(api, trace_id)
    of_trace = [each for each in annotations(api, trace_id) if each["name"] == "helpfulness"]
    shown = [(each["name"], each["value"], each["comment"]) for each in of_trace]
    assert shown == [("helpfulness", 0.75, "Short and right.")]


def check_agents(api: Api) -> None:
    ids = api.summaries()
    summaries = [api.trace(trace_id)["summary"] for trace_id in ids]
    assert [(each["name"], each["conversation_id"], each["end_user_id"]) for each in summaries] == 2 * [
        ("answer", "chat-42", "ada")
    ]
    outlines = [outline(api, trace_id) for trace_id in ids]
    (answered,) = (spans for spans in outlines if ("weather", "tool_call", "success") in spans)
    (failed,) = (spans for spans in outlines if ("forecast", "tool_call", "error") in spans)
    assert answered[0] == ("answer", "workflow", "success")
    assert failed[0][:2] == ("answer", "workflow")
    calls = [name for spans in outlines for name, operation, _ in spans if operation == "completion"]
    assert len(calls) == 3
    assert sum(each["input_tokens"] for each in summaries) == 3 * 412


CHECKS: dict[Program, Callable[[Api], None]] = {
    Program("langsmith.md"): check_langsmith,
    Program("langsmith.md", "js"): check_langsmith_js,
    Program("langfuse-2.md"): check_langfuse,
    Program("langfuse-2.md", "js"): check_langfuse_js,
    Program("langfuse.md", requirements=sdks.LANGFUSE): check_langfuse_otlp,
    Program("langfuse.md", "js"): check_langfuse_otlp_js,
    Program("openai-agents.md"): check_agents,
    Program("openai-agents.md", "js"): check_agents,
    Program("opik.md"): check_opik,
    Program("opik.md", "js"): check_opik_js,
    Program("phoenix.md"): check_phoenix,
    Program("mlflow.md"): check_mlflow,
}

programs = pytest.mark.parametrize("program", CHECKS, ids=lambda program: f"{program.page}-{program.language}")


@programs
def test_the_program_of_a_page_gives_the_described_trace(service: Service, program: Program, tmp_path: Path) -> None:
    run(program, service, tmp_path)
    assert service.statuses
    assert max(service.statuses) < 300
    CHECKS[program](service.api)


@programs
def test_every_run_arrives_once_after_the_store_was_throttled_twice(
    throttled_service: Service, program: Program, tmp_path: Path
) -> None:
    run(program, throttled_service, tmp_path)
    assert throttled_service.throttled_count == 2
    CHECKS[program](throttled_service.api)


READ_BACK = """
from langfuse import get_client

api = get_client().api
page = api.observations.get_many(limit=3, fields="core,basic,io,metadata,model,usage,metrics,trace_context,time")
rest = api.observations.get_many(limit=3, cursor=page.meta.cursor)
assert rest.meta.cursor is None, rest
names = {each.name: each for each in [*page.data, *rest.data]}
assert sorted(names) == ["OpenAI-generation", "answer", "forecast", "weather"], names
(call,) = api.observations.get_many(type="GENERATION", fields="basic,usage,model").data
assert call.session_id == "chat-42" and call.user_id == "ada" and call.model == "gpt-4o-mini-2024-07-18", call
assert call.usage_details["output"] == 96 and call.total_cost > 0, call
(failed,) = api.observations.get_many(level="ERROR").data
assert failed.status_message == "There is no forecast for Lisbon.", failed
(score,) = api.scores.get_many(trace_id=call.trace_id, fields="details,subject").data
assert (score.name, score.value, score.data_type) == ("helpfulness", 0.75, "NUMERIC"), score
assert score.comment == "Short and right." and score.subject.kind == "trace", score
"""


def test_langfuses_newest_client_reads_back_what_its_program_sent(service: Service, tmp_path: Path) -> None:
    program = Program("langfuse.md", requirements=sdks.LANGFUSE)
    run(program, service, tmp_path)
    run(program, service, tmp_path, text=READ_BACK)
    assert max(service.statuses) < 300
