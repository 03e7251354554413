"""Every example runs unchanged and offline, and stores the traces that it demonstrates."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dev import examples, server
from dev.functions import Functions
from dev.node import NodeUnavailable
from dev.template import ROOT, Template
from tests.api import TRACES, Api, span
from tests.conftest import TableOnEngine
from tests.gateway import SECRET, Call, User, new_user
from tracestore_cli import tokens

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

Tree = tuple[Any, ...]
StoredTraces = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def finished_example(engine: TableOnEngine, template: Template, call: Call) -> Iterator[Callable[[str], Api]]:
    """A function that waits for an example to succeed and returns the API as its user. The examples run at once."""

    def run(name: str) -> tuple[Api, subprocess.CompletedProcess[str]]:
        api = Api(call, new_user())
        return api, examples.run(name, base, api.with_key("ingest").headers["x-api-key"], models)

    def finished(name: str) -> Api:
        try:
            api, process = running[name].result()
        except NodeUnavailable as reason:
            if os.environ.get("CI", "").lower() in ("1", "true"):
                pytest.fail(f"TypeScript must run under CI: {reason}")
            pytest.skip(f"TypeScript cannot run here: {reason}")
        assert process.returncode == 0, process.stderr
        assert process.stderr == ""
        return api

    functions = Functions(template)
    functions.load()  # before other threads start
    with (
        examples.fake_models() as models,
        server.serving(template, server.listening(0), functions) as base,
        ThreadPoolExecutor(2) as pool,
    ):
        running = {name: pool.submit(run, name) for name in examples.EXAMPLES}
        yield finished


@pytest.fixture
def stored_traces(finished_example: Callable[[str], Api]) -> StoredTraces:
    """A function that returns the traces that an example has stored, oldest first."""

    def traces(name: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = finished_example(name)("GET", TRACES, query="order=asc").json["traces"]
        return listed

    return traces


def tree(span: dict[str, Any], *fields: str) -> Tree:
    """A span and its descendants, each as its operation, its status and `fields`."""
    values = (span["operation_type"], span["status"], *(span[field] for field in fields))
    return (*values, [tree(child, *fields) for child in span["children"]])


def test_a_chat_stores_a_successful_and_a_failed_turn(stored_traces: StoredTraces) -> None:
    answered, failed = stored_traces("chat")
    call: Tree = ("completion", "success", "openai", 412, 96, [])
    assert tree(answered, "model_provider", "input_tokens", "output_tokens") == (
        "chain",
        "success",
        None,
        None,
        None,
        [call],
    )
    assert tree(failed, "error_type") == (
        *("chain", "error", "NotFoundError"),
        [("completion", "error", "openai.NotFoundError", [])],
    )
    assert {span["conversation_id"] for span in (answered, failed)} == {"chat-42"}


def test_an_agent_stores_its_steps_in_order(stored_traces: StoredTraces) -> None:
    (agent,) = stored_traces("agent")
    call: Tree = ("completion", "success", None, [])
    assert tree(agent, "tool_name") == (
        *("agent", "success", None),
        [
            ("retrieval", "success", None, []),
            call,
            ("tool_call", "success", "weather", []),
            call,
            ("tool_call", "error", "air_quality", []),
            call,
        ],
    )
    assert agent["children"][2]["input_data"] == {"city": "Lisbon"}
    assert agent["children"][2]["output_data"] == {"city": "Lisbon", "celsius": 18, "sky": "dry"}


def test_a_lesson_traced_by_hand_stores_a_fallback_and_a_failure(stored_traces: StoredTraces) -> None:
    completed, failed = stored_traces("lesson")
    fields = ("lesson_id", "model_provider", "input_tokens")
    assert tree(completed, *fields) == (
        *("lesson", "success", "lesson-rivers", None, None),
        [("completion", "error", None, "openai", None, []), ("completion", "success", None, "deepseek", 412, [])],
    )
    assert tree(failed, *fields) == (
        *("lesson", "error", "lesson-deltas", None, None),
        [("completion", "error", None, "openai", None, []), ("completion", "error", None, "deepseek", None, [])],
    )
    assert (completed["input_data"], completed["output_data"]["title"]) == ({"topic": "rivers"}, "Rivers")
    assert failed["error_message"] == "No provider could write the lesson."
    metadata = completed["children"][1]["metadata"]
    assert (metadata["temperature"], metadata["max_tokens"]) == (0.3, 800)


def test_a_lesson_generator_without_tracing_code_is_traced(stored_traces: StoredTraces) -> None:
    (lesson,) = stored_traces("lesson_generator")
    assert tree(lesson, "lesson_id", "model_provider", "model_name", "input_tokens", "output_tokens") == (
        *("lesson", "success", "lesson-rivers", None, None, None, None),
        [
            ("completion", "error", None, "openai", "gpt-4o-mini", None, None, []),
            ("completion", "success", None, "anthropic", "claude-haiku-4-5-20251001", 412, 96, []),
        ],
    )
    assert lesson["input_data"] == {"lesson_id": "lesson-rivers", "topic": "rivers", "level": 3}
    assert lesson["output_data"]["text"].startswith("Rivers begin")
    assert lesson["children"][1]["output_data"]["messages"][0]["parts"][0]["text"].startswith("Rivers begin")


def test_a_lesson_generator_is_traced_by_the_environment_alone(stored_traces: StoredTraces) -> None:
    (lesson,) = stored_traces("lesson_generator_by_environment")
    call: Tree = ("completion", "success", None, "openai", 412, [])
    assert tree(lesson, "lesson_id", "model_provider", "input_tokens") == (
        *("lesson", "success", "lesson-rivers", None, None),
        [call],
    )
    assert lesson["service_name"] == "lesson-generator"


@pytest.mark.parametrize(
    ("name", "status", "used", "fallback"),
    [
        ("lesson", "failed", None, ["openai", "deepseek"]),
        ("lesson_generator", "completed", "anthropic", ["openai"]),
        ("lesson_generator_by_environment", "completed", "openai", []),
    ],
)
def test_each_generated_lesson_is_also_a_lesson_trace(
    name: str, status: str, used: str | None, fallback: list[str], finished_example: Callable[[str], Api]
) -> None:
    lesson = finished_example(name)("GET", "/api/traces").json["traces"][0]
    assert (lesson["status"], lesson["provider_used"], lesson["fallback_providers"]) == (status, used, fallback)
    assert [call["success"] for call in lesson["llm_calls"]] == [False] * len(fallback) + [True] * (used is not None)


def test_a_chat_in_typescript_stores_both_turns(stored_traces: StoredTraces) -> None:
    answered, failed = stored_traces("chat.ts")
    fields = ("model_provider", "model_name", "input_tokens", "cached_input_tokens", "output_tokens")
    assert tree(answered, *fields) == ("completion", "success", "openai", "gpt-4o-mini-2024-07-18", 412, 256, 96, [])
    assert tree(failed, *fields)[:4] == ("completion", "error", "openai", "no-such-model")
    assert failed["error_message"] == "Error: The model's API returned HTTP 404."
    assert failed["error_type"] == "Error"
    assert answered["output_data"]["messages"][0]["content"] == "It is 18 °C and dry in Lisbon."
    assert (failed["output_data"], failed["input_tokens"]) == (None, None)
    assert [turn["input_data"]["messages"][-1]["content"] for turn in (answered, failed)] == [
        "Is it raining in Lisbon?",
        "And in Porto?",
    ]
    assert {turn["conversation_id"] for turn in (answered, failed)} == {"chat-44"}
    assert all(turn["start_time"] <= turn["end_time"] for turn in (answered, failed))


def test_an_agent_in_typescript_stores_each_step_below_the_step_that_caused_it(stored_traces: StoredTraces) -> None:
    (agent,) = stored_traces("agent.ts")
    assert tree(agent, "tool_name", "output_tokens") == (
        *("agent", "success", None, None),
        [
            ("completion", "success", None, 96, [("tool_call", "success", "weather", None, [])]),
            ("completion", "success", None, 96, [("tool_call", "error", "air_quality", None, [])]),
            ("completion", "success", None, 96, []),
        ],
    )
    calls = agent["children"]
    (weather,), (air_quality,) = calls[0]["children"], calls[1]["children"]
    assert [call["parent_trace_id"] for call in calls] == [agent["span_id"]] * 3
    assert weather["parent_trace_id"] == calls[0]["span_id"]
    assert (weather["input_data"], weather["output_data"]["celsius"]) == ({"city": "Lisbon"}, 18)
    assert air_quality["error_message"] == "Error: The station of Lisbon does not respond."
    assert agent["output_data"] == {"answer": "It is 18 °C and dry in Lisbon."}
    assert agent["conversation_id"] == "chat-45"
    assert {call["model_name"] for call in calls} == {"gpt-4o-mini-2024-07-18"}
    times = [time for call in calls for time in (call["start_time"], call["end_time"])]
    assert times == sorted([agent["start_time"], *times, agent["end_time"]])[1:-1]


def test_the_lesson_generator_contains_no_tracing_code(stored_traces: StoredTraces) -> None:
    folder = ROOT / "examples" / "lesson_generator"
    code = [
        line
        for name in ("lessons.py", "app.py")
        for line in (folder / name).read_text().splitlines()
        if "trac" in line.lower() and not line.startswith('"""')
    ]
    assert code == []


def test_examples_against_a_running_server_are_stored_for_the_demo_user(
    engine: TableOnEngine,
    template: Template,
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    demo = Api(call, User("demo"))
    assert demo("POST", TRACES, body=span("sample", operation_type="other")).status == 201
    (tmp_path / tokens.SECRET_FILE).write_text(SECRET)
    with server.serving(template, server.listening(0)) as base:
        monkeypatch.setattr(sys, "argv", ["examples", "agent", "lesson", "--base", base, "--data-dir", str(tmp_path)])
        with pytest.raises(SystemExit) as ended:
            examples.main()
    printed = capsys.readouterr().out
    assert ended.value.code == 0
    assert "The traces are stored for the user demo." in printed
    roots = demo("GET", TRACES, query="order=asc").json["traces"]
    assert [root["operation_type"] for root in roots] == ["other", "agent", "lesson", "lesson"]
    assert [f"trace {root['trace_id']}" in printed for root in roots] == [False, True, True, True]
    assert [key["name"] for key in demo("GET", "/api/keys").json["keys"]] == ["examples"]
