"""Spans of every convention give the same fields: recorded exports of real clients, and each rule separately."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tracestore.domain.merge import merge
from tracestore.domain.spans import FROM_LOGS, SpanUpdate
from tracestore.domain.tree import tree_order
from tracestore.domain.updates import span_update
from tracestore.ingest import (
    content_tables,
    convention_tables,
    message_shapes,
    operation_tables,
    outcome_tables,
    providers,
    usage_tables,
)
from tracestore.ingest.field_readers import normalize_provider
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.otlp import Event, Origin, OtlpSpan, read_logs, read_traces, wire_format
from tracestore.ingest.span_fields import span_fields, spans_fields

CORPUS = Path(__file__).parents[2] / "data" / "otlp"
CASES = sorted(path.parent for path in CORPUS.glob("*/*/expected.json"))
START_NS, SECOND = 1_795_312_800_000_000_000, 1_000_000_000


# Recorded exports, with the values that they are known to contain.


def read_case(case: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any], str | None]]:
    """Each known span of a case, with its fields and its parent as they are read."""
    expected = json.loads((case / "expected.json").read_text())
    updates_by_trace: dict[str, list[SpanUpdate]] = defaultdict(list)
    for request in expected["requests"]:
        body = (case / request["file"]).read_bytes()
        body = gzip.decompress(body) if request["content_encoding"] == "gzip" else body
        encoding = wire_format(request["content_type"])
        assert encoding
        if request["signal"] == "traces":
            for trace_id, fields in spans_fields(read_traces(body, encoding).records):
                updates_by_trace[trace_id].append(span_update(fields, received_ms=0))
        elif request["signal"] == "logs":
            for trace_id, fields in log_fields(read_logs(body, encoding).records):
                updates_by_trace[trace_id].append(span_update(fields, received_ms=0, precedence=FROM_LOGS))
    for trace_id, updates in updates_by_trace.items():
        parents: list[str] = []
        spans: dict[str, tuple[dict[str, Any], str | None]] = {}
        for span, depth in tree_order(merge(updates)):
            del parents[depth:]
            spans[span.span_id] = {**span.fields, "status": span.status}, parents[-1] if parents else None
            parents.append(span.span_id)
        for known in expected["spans"]:
            if known["trace_id"] == trace_id:
                yield known, *spans[known["span_id"]]


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + json.dumps(_parsed(value), ensure_ascii=False)


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in '{["':
        try:
            return _parsed(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict):
        return {name: _parsed(item) for name, item in value.items()}
    return [_parsed(item) for item in value] if isinstance(value, list) else value


TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "reasoning_tokens": "reasoning_tokens",
}


def checks(known: dict[str, Any], fields: dict[str, Any], parent: str | None) -> Iterator[tuple[str, bool]]:
    """The known values of a span by field, and whether the fields that were read match them."""
    yield "span_name", fields["span_name"] == known["name"]
    yield "parent", parent == (known["parent_span_id"] if known.get("parent_in_payload") else None)
    operations = known["operation_type_accept"]
    yield "operation_type", fields["operation_type"] in [*operations, *(["workflow"] if "chain" in operations else [])]
    yield "status", fields["status"] == known["status"]
    for field in ("model_name", "model_provider"):
        if known.get(field):
            accepted = [name.lower() for name in known.get(f"{field}_accept") or [known[field]]]
            yield field, str(fields.get(field)).lower() in accepted
    for misleading in (known.get("model_provider_misleading") or {}).values():
        yield "no framework as provider", fields.get("model_provider") != misleading
    for name, field in TOKENS.items():
        if known.get(name) is not None:
            yield field, fields.get(field) == known[name]
    if known.get("total_tokens") is not None and not known.get("total_tokens_derived"):
        yield "total_tokens", fields.get("total_tokens") == known["total_tokens"]
    for field, markers in (
        ("input_data", ["input_contains"]),
        ("output_data", ["output_contains", "output_end_contains"]),
    ):
        for marker in markers:
            if known.get(marker):
                yield field, known[marker] in text(fields[field])
    if known.get("tool_name"):
        yield "tool_name", fields.get("tool_name") in (known.get("tool_name_accept") or [known["tool_name"]])
    for call in known.get("tool_calls") or []:
        output = text(fields["output_data"])
        yield "tool calls", call["name"] in output and call.get("arguments_contain", "") in output
    for field, name in (("conversation_id", "conversation_id"), ("end_user_id", "user_id")):
        if known.get(name):
            yield field, fields.get(field) == known[name]
    if known["status"] == "error":
        if known.get("error_type"):
            accepted = [name.split(".")[-1].strip("'>") for name in known["error_type_accept"]]
            yield "error_type", any(name in fields.get("error_type", "") for name in accepted)
        if known.get("error_message_contains"):
            yield "error_message", known["error_message_contains"] in fields.get("error_message", "")


@pytest.mark.parametrize("case", CASES, ids=["/".join(case.parts[-2:]) for case in CASES])
def test_a_recorded_export_gives_its_known_values(case: Path) -> None:
    missed = [
        f"{known['name']}: {field}"
        for known, fields, parent in read_case(case)
        for field, matches in checks(known, fields, parent)
        if not matches
    ]
    assert missed == []


def test_model_calls_have_input_and_output_in_the_chat_form() -> None:
    for case in CASES:
        for known, fields, _ in read_case(case):
            if known.get("llm_call") == "primary" and known["operation_type"] == "completion":
                for field in ("input_data", "output_data"):
                    data = fields.get(field)
                    assert data is None or "messages" in data, (case, known["name"], field)


def test_no_table_names_a_client_or_a_case() -> None:
    names = {part for case in CASES for part in case.parts[-2:]} - {"mlflow", "error", "chat", "embedding", "stream"}
    names -= {"chain", "rag", "responses", "conversation", "predict"}
    tables = (convention_tables, operation_tables, usage_tables, content_tables, outcome_tables)
    for module in (*tables, message_shapes, providers):
        source = Path(module.__file__ or "").read_text()
        assert [name for name in sorted(names) if f'"{name}"' in source or f" {name} " in source] == []


def test_no_row_lists_a_source_twice() -> None:
    rows = [row.sources for row in convention_tables.ROWS]
    for sources in [*rows, content_tables.INPUT, content_tables.OUTPUT, operation_tables.OPERATION]:
        assert len(sources.split()) == len(set(sources.split()))


# Each rule separately.


def span(attributes: dict[str, Any] | None = None, **fields: Any) -> OtlpSpan:
    sound = OtlpSpan(
        trace_id="a" * 32,
        span_id="b" * 16,
        parent_span_id=None,
        name="work",
        kind="internal",
        start_ns=START_NS,
        end_ns=START_NS + 2 * SECOND,
        attributes=attributes or {},
        events=[],
        links=[],
        status="unset",
        status_message="",
        origin=Origin({}, "", "", {}),
    )
    return sound._replace(**fields)


def fields_of(attributes: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return dict(span_fields(span(attributes, **fields))[1])


def metadata_of(attributes: dict[str, Any] | None = None, **fields: Any) -> Any:
    return fields_of(attributes, **fields)["metadata"]


def test_the_served_model_has_precedence_and_the_requested_one_is_stored() -> None:
    fields = fields_of({"gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o-2024-08-06"})
    assert (fields["model_name"], fields["metadata"]["request_model"]) == ("gpt-4o-2024-08-06", "gpt-4o")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("OpenAI", "openai"),
        ("openai.responses", "openai"),
        ("azure.ai.openai", "azure"),
        ("az.ai.openai", "azure"),
        ("AWS", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("gcp.gemini", "google"),
        ("google.generative-ai", "google"),
        ("vertex_ai", "google"),
        ("anthropic.messages", "anthropic"),
        ("x_ai", "xai"),
        ("My-Own.LLM", "my-own.llm"),
        ("strands-agents", None),
        ("langchain", None),
        ("gcp.vertex.agent", None),
        ("", None),
        (7, None),
    ],
)
def test_a_provider_has_one_name_and_a_framework_is_not_a_provider(sent: Any, name: str | None) -> None:
    assert normalize_provider(sent) == name


@pytest.mark.parametrize(
    ("service", "provider", "name"),
    [
        ("weather-bot", "weather-bot", None),
        ("Weather-Bot", "Weather-Bot", None),
        ("weather-bot", "my-own.llm", "my-own.llm"),
        ("openai", "openai", "openai"),
    ],
)
def test_a_service_that_names_itself_is_not_its_provider(service: str, provider: str, name: str | None) -> None:
    fields = fields_of({"gen_ai.system": provider}, origin=Origin({"service.name": service}, "", "", {}))
    assert fields.get("model_provider") == name


def test_a_framework_named_as_provider_does_not_hide_the_provider() -> None:
    assert fields_of({"gen_ai.provider.name": "langgraph", "gen_ai.system": "openai"})["model_provider"] == "openai"


@pytest.mark.parametrize(
    ("attributes", "operation"),
    [
        ({"gen_ai.operation.name": "execute_tool"}, "tool_call"),
        ({"gen_ai.operation.name": "dance", "traceloop.span.kind": "agent"}, "agent"),
        ({"openinference.span.kind": "RERANKER"}, "rerank"),
        ({"mlflow.spanType": '"EMBEDDING"'}, "embedding"),
        ({"langfuse.observation.type": "span", "gen_ai.request.model": "m"}, "other"),
        ({"ai.operationId": "ai.streamObject.doStream"}, "completion"),
        ({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, "completion"),
        ({"gen_ai.operation.name": "chat", "http.request.method": "POST"}, "completion"),
        *(
            ({"gen_ai.operation.name": word, "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, operation)
            for word, operation in (
                ("count_tokens", "other"),
                ("moderation", "guardrail"),
                ("image_generation", "other"),
                ("speech", "other"),
                ("transcription", "other"),
                ("agent_step", "agent"),
                ("llm_call", "completion"),
                ("model_generation", "completion"),
                ("record_usage", "other"),
                ("schedule_tool_calls", "chain"),
                ("a_new_word", "other"),
                *((word, "completion") for word in ("chat_completion", "chat.completions", "generateContent")),
                *((word, "completion") for word in ("Chat Completions", "invoke-model", "converse_stream")),
                *((word, "embedding") for word in ("embed_documents", "create-embedding", "embedContent")),
                *((word, "tool_call") for word in ("web_search", "code-interpreter", "function_call")),
                *((word, "other") for word in ("speech_to_text", "create_image", "tokenize", "handoff")),
            )
        ),
        ({"gen_ai.operation.name": "a_new_word", "gen_ai.agent.name": "a"}, "other"),
        ({"http.request.method": "POST"}, "http"),
        ({}, "other"),
    ],
)
def test_the_operation_is_read_from_the_attributes_of_a_span(attributes: dict[str, Any], operation: str) -> None:
    assert fields_of(attributes)["operation_type"] == operation


@pytest.mark.parametrize(
    ("attributes", "conversation"),
    [
        ({"session.id": "a/b c"}, "a/b c"),
        ({"session.id": "", "gen_ai.conversation.id": "g"}, "g"),
        ({"langsmith.trace.session_name": "default"}, None),
        ({"mlflow.trace.session": '"quoted"'}, "quoted"),
        ({"metadata": '{"thread_id": 12}'}, "12"),
        ({"session.id": True}, None),
        ({"gen_ai.conversation.id": "resp_68af"}, None),
        ({"gen_ai.conversation.id": "chatcmpl-9x"}, None),
        ({"gen_ai.conversation.id": "resp_68af", "langsmith.metadata.thread_id": "chat-42"}, "chat-42"),
        ({"gen_ai.conversation.id": "conv_68af"}, "conv_68af"),
    ],
)
def test_a_conversation_id_is_read_only_from_attributes_that_identify_one(
    attributes: dict[str, Any], conversation: str | None
) -> None:
    assert fields_of(attributes).get("conversation_id") == conversation


def test_long_ids_stay_different_when_they_are_cut() -> None:
    first, second = (fields_of({"session.id": "x" * 300 + end})["conversation_id"] for end in "ab")
    assert first != second
    assert len(first) == len(second) == 256


def test_long_names_are_cut() -> None:
    fields = fields_of({"gen_ai.response.model": "m" * 300}, name="n" * 600)
    assert (len(fields["model_name"]), len(fields["span_name"])) == (256, 512)


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.input_tokens": 150, "gen_ai.usage.cache_read.input_tokens": 64},
        {"gen_ai.usage.prompt_tokens": 150.0, "gen_ai.usage.input_token_details": "{'audio': 0, 'cache_read': 64}"},
        {"langfuse.observation.usage_details": '{"input": 86, "input_cached_tokens": 64}'},
        {"langfuse.observation.usage_details": '{"prompt_tokens":150,"prompt_tokens_details":{"cached_tokens":64}}'},
        {"mlflow.chat.tokenUsage": '{"input_tokens": 150, "cache_read_input_tokens": 64}'},
        {"ai.usage.promptTokens": "150", "ai.usage.cachedInputTokens": "64"},
    ],
)
def test_token_usage_is_read_in_every_notation(attributes: dict[str, Any]) -> None:
    fields = fields_of(attributes)
    assert (fields["input_tokens"], fields["cached_input_tokens"]) == (150, 64)


def usage(**kinds: int) -> dict[str, Any]:
    names = {
        "total": "gen_ai.usage.total_tokens",
        "cached": "gen_ai.usage.cache_read.input_tokens",
        "written": "gen_ai.usage.cache_creation.input_tokens",
        "reasoning": "gen_ai.usage.reasoning_tokens",
        "input": "gen_ai.usage.input_tokens",
        "output": "gen_ai.usage.output_tokens",
    }
    return fields_of({names[kind]: count for kind, count in kinds.items()})


@pytest.mark.parametrize(
    ("sent", "normalized"),
    [
        ({"input": 150, "output": 46, "cached": 64, "reasoning": 32, "total": 196}, (150, 46)),
        ({"input": 150, "output": 46, "cached": 64}, (150, 46)),
        ({"input": 70, "output": 46, "cached": 64, "written": 16, "total": 196}, (150, 46)),
        ({"input": 10, "output": 46, "cached": 64}, (74, 46)),
        ({"input": 150, "output": 46, "reasoning": 32, "total": 228}, (150, 78)),
        ({"input": 150, "output": 14, "reasoning": 32}, (150, 46)),
        ({"input": 150, "output": 46, "cached": 64, "total": 999}, (150, 46)),
    ],
)
def test_input_includes_cached_tokens_and_output_includes_reasoning(
    sent: dict[str, int], normalized: tuple[int, int]
) -> None:
    fields = usage(**sent)
    assert (fields["input_tokens"], fields["output_tokens"]) == normalized


def test_normalized_counts_are_also_stored_as_they_were_sent() -> None:
    assert usage(input=10, output=46, cached=64)["metadata"]["usage_as_sent"] == {
        "input_tokens": 10,
        "output_tokens": 46,
    }


def test_a_total_that_fits_no_interpretation_is_flagged() -> None:
    flagged = [usage(input=150, output=46, cached=64, total=total)["metadata"] for total in (196, 999)]
    assert ["usage_ambiguous" in metadata for metadata in flagged] == [False, True]


@pytest.mark.parametrize("count", [-1, 1.5, True, "many", "NaN", 2**60, None, [1]])
def test_a_value_that_is_not_a_count_is_ignored(count: Any) -> None:
    assert "input_tokens" not in fields_of({"gen_ai.usage.input_tokens": count})


@pytest.mark.parametrize(
    "attributes",
    [
        *(
            {name: 0.03}
            for name in (
                *("gen_ai.usage.cost", "gen_ai.cost.total_cost", "litellm.cost.total", "vercel.ai_gateway.cost.total"),
                *("gen_ai.usage.cost_usd", "trace.metadata.openrouter_generation.usage", "litellm.response.cost"),
                *("gen_ai.cost", "gen_ai.response.cost", "llm.cost", "openrouter.usage.cost", "litellm.response_cost"),
            )
        ),
        {"vercel.ai_gateway.cost.total": "0.03", "vercel.ai_gateway.cost.market": "0.05"},
        {"vercel.ai_gateway.cost.total": "0", "vercel.ai_gateway.cost.market": "0.03"},
        {"hidden_params": '{"response_cost": 0.03}'},
        {"ai.response.providerMetadata": '{"gateway": {"cost": "0.03", "marketCost": "0.05"}}'},
        {"ai.response.providerMetadata": '{"gateway": {"cost": "0", "marketCost": "0.03"}}'},
        {"ai.response.providerMetadata": '{"openrouter": {"usage": {"cost": 0.03}}}'},
        {"langfuse.observation.cost_details": '{"input": 0.01, "output": 0.015, "cache_read_input_tokens": 0.005}'},
        {"langfuse.observation.cost_details": '{"input": 0.01, "output": 0.02, "total": null}'},
        {"langfuse.observation.cost_details": '{"input": 0.03, "output": 0}'},
        {"langfuse.observation.cost_details": '{"total_cost": 0.03}'},
        {"mlflow.llm.cost": '{"input_cost": 0.01, "output_cost": 0.02}'},
        {"llm.cost.prompt": 0.01, "llm.cost.completion": 0.02},
        {"llm.cost.prompt": 0.01, "llm.cost.completion": 0.02, "llm.cost.prompt_details.input": 0.01},
        {"llm.cost.prompt_details.input": 0.01, "llm.cost.completion_details.output": 0.02},
        {"gen_ai.cost.input_cost": 0.01, "gen_ai.cost.output_cost": 0.02},
        {"gen_ai.cost.input_cost": 0.01, "gen_ai.cost.output_cost": 0.05, "gen_ai.cost.total_cost": 0.03},
        {"gen_ai.usage.input_cost": 0.01, "gen_ai.usage.output_cost": 0.02},
        {"litellm.cost.input": 0.01, "litellm.cost.output": 0.02},
        {"gen_ai.usage.cost": 0, "llm.cost.prompt": 0.01, "llm.cost.completion": 0.02},
    ],
)
def test_a_cost_is_read_whole_or_in_parts_as_gateways_report_it(attributes: dict[str, Any]) -> None:
    assert fields_of(attributes)["cost_nano_usd"] == 30_000_000


def test_a_plain_name_of_a_cost_counts_in_calls_alone() -> None:
    for name in ("response_cost", "total_cost", "total_cost_usd", "cost_usd", "cost"):
        assert fields_of({"gen_ai.operation.name": "chat", name: 0.03})["cost_nano_usd"] == 30_000_000
        assert "cost_nano_usd" not in fields_of({"gen_ai.operation.name": "execute_tool", name: 0.03})


def test_a_cost_of_zero_counts_last() -> None:
    assert fields_of({"gen_ai.usage.cost": 0, "llm.cost.total": 0.0})["cost_nano_usd"] == 0


@pytest.mark.parametrize("details", ['{"input": 0.01, "output": "many"}', '{"input": -1}', "{}", "[1]", "many", "{"])
def test_parts_that_are_no_costs_are_no_cost(details: str) -> None:
    assert "cost_nano_usd" not in fields_of({"langfuse.observation.cost_details": details})


@pytest.mark.parametrize(
    ("attributes", "tier"),
    [
        ({"gen_ai.openai.response.service_tier": "flex", "gen_ai.openai.request.service_tier": "auto"}, "flex"),
        ({"openai.response.service_tier": "default", "openai.request.service_tier": "priority"}, "default"),
        ({"gen_ai.openai.request.service_tier": "flex"}, "flex"),
        ({"llm.invocation_parameters": '{"service_tier": "flex"}'}, "flex"),
        ({"anthropic.response.service_tier": "batch"}, "batch"),
        ({"ai.response.providerMetadata": '{"openai": {"serviceTier": "priority"}}'}, "priority"),
    ],
)
def test_the_tier_that_served_a_call_counts_before_the_requested_one(attributes: dict[str, Any], tier: str) -> None:
    assert fields_of(attributes)["service_tier"] == tier


def test_a_reported_cost_is_stored_in_nano_dollars() -> None:
    assert (
        fields_of({"langfuse.observation.cost_details": '{"input": 0.1, "total": 0.00032}'})["cost_nano_usd"] == 320_000
    )


@pytest.mark.parametrize(
    ("attributes", "fields", "wait_ms"),
    [
        ({"ai.response.msToFirstChunk": 102.2084}, {}, 102.208),
        ({"ai.stream.msToFirstChunk": 102.2084}, {}, 102.208),
        ({"gen_ai.server.time_to_first_token": 596}, {}, 596),
        ({"gen_ai.server.time_to_first_token": 0.596}, {}, 596.0),
        ({"langfuse.observation.completion_start_time": '"2026-11-22T02:00:00.250Z"'}, {}, 250.0),
        ({}, {"events": [Event("First Token Stream Event", START_NS + SECOND // 4, {})]}, 250.0),
        ({}, {"end_ns": START_NS + 1, "events": [Event("First Token Stream Event", START_NS + SECOND // 4, {})]}, 250),
        ({}, {"events": [Event("new_token (backend.chat.new_token)", START_NS + SECOND // 4, {})]}, 250.0),
    ],
)  # fmt: skip
def test_the_time_to_the_first_token_is_read_in_every_form(
    attributes: dict[str, Any], fields: dict[str, Any], wait_ms: float
) -> None:
    assert metadata_of(attributes, **fields)["time_to_first_token_ms"] == wait_ms


def exception(**attributes: Any) -> Event:
    return Event("exception", START_NS, {f"exception.{name}": value for name, value in attributes.items()})


@pytest.mark.parametrize(
    ("attributes", "events", "error_type"),
    [
        ({"error.type": "<class 'openai.RateLimitError'>"}, [], "openai.RateLimitError"),
        ({"error.type": "429"}, [], "429"),
        ({"error.type": "429"}, [exception(type="RateLimitError")], "RateLimitError"),
        ({"error.type": "_OTHER"}, [exception(type="ValueError")], "ValueError"),
        ({}, [exception(type="Exception")], "Exception"),
        ({}, [exception(type="Retried"), exception(type="GaveUp")], "GaveUp"),
    ],
)
def test_the_most_specific_error_type_is_stored(
    attributes: dict[str, Any], events: list[Event], error_type: str
) -> None:
    assert fields_of(attributes, events=events, status="error")["error_type"] == error_type


@pytest.mark.parametrize(
    "error_type",
    [
        *("langgraph.errors.GraphInterrupt", "GraphInterrupt", "NodeInterrupt", "GraphBubbleUp"),
        *("pydantic_ai.exceptions.CallDeferred", "ApprovalRequired", "ToolApprovalRequired", "CallDeferred"),
        *("asyncio.CancelledError", "CancelledError", "asyncio.exceptions.CancelledError", "AbortError"),
        *("System.Threading.Tasks.TaskCanceledException", "WorkflowSuspended", "HumanInputRequired"),
        *("UserConfirmationRequired", "ToolConfirmationRequired", "RequireConfirmation", "AgentInterrupted"),
        *("mcp.shared.exceptions.UrlElicitationRequiredError", "NeedsInput", "WaitingForUserInput"),
        *("HumanInTheLoopException", "GeneratorExit", "java.lang.ThreadInterruptedException"),
    ],
)
def test_an_interrupt_is_no_error(error_type: str) -> None:
    by_exception = fields_of(events=[exception(type=error_type, message="wait")], status="error")
    by_attribute = fields_of({"error.type": error_type})
    by_message = fields_of(status="error", status_message=f"{error_type}('Approve?')")
    level = {"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": f"{error_type}: Approve?"}
    for fields in (by_exception, by_attribute, by_message, fields_of(level)):
        assert (fields["status"], fields["interrupted"], "error_type" in fields) == ("success", True, False)


@pytest.mark.parametrize(
    "error_type",
    [
        *(
            "ValueError",
            "openai.APIConnectionError",
            "ConnectionAbortedError",
            "InterruptedIOException",
            "RateLimitError",
        ),
        *("SubscriptionSuspendedAccountError", "ApprovalDenied", "TimeoutError", "500"),
        *("InterruptedError", "MissingInputError", "ConfirmationRejected", "InputValidationError"),
    ],
)
def test_an_error_is_no_interrupt(error_type: str) -> None:
    fields = fields_of(events=[exception(type=error_type)], status="error")
    assert (fields["status"], fields["error_type"], "interrupted" in fields) == ("error", error_type, False)


@pytest.mark.parametrize(
    "attributes",
    [
        {"lk.interrupted": True},
        {"turn.was_interrupted": True},
        {"lk.interrupted": "true"},
        {"gen_ai.response.finish_reasons": ["cancelled"]},
    ],
)
def test_a_reply_that_was_cut_off_is_interrupted(attributes: dict[str, Any]) -> None:
    assert fields_of(attributes)["interrupted"] is True
    assert "interrupted" not in fields_of({"lk.interrupted": False})


def test_a_turn_that_ended_with_its_conversation_is_not_interrupted() -> None:
    turn = {"turn.was_interrupted": True, "turn.ended_by_conversation_end": True}
    assert "interrupted" not in fields_of(turn)
    assert fields_of(turn | {"turn.ended_by_conversation_end": False})["interrupted"] is True


def test_tags_are_a_list_or_for_langsmith_separated_by_commas() -> None:
    assert fields_of({"langsmith.span.tags": "eu, beta,"})["tags"] == ["eu", "beta"]
    assert fields_of({"langsmith.span.tags": ["eu", "beta"]})["tags"] == ["eu", "beta"]
    assert fields_of({"langfuse.trace.tags": "eu, beta"})["tags"] == ["eu, beta"]


@pytest.mark.parametrize("reason", ["error", "ERROR", "failed"])
def test_a_span_without_a_status_fails_with_its_answer(reason: str) -> None:
    answer = {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": [reason]}
    fields = fields_of(answer)
    assert (fields["status"], fields["error_message"]) == ("error", f"Finish reason {reason}")
    stated = fields_of(answer | {"error.type": "APIError", "error.message": "overloaded"})
    assert (stated["error_type"], stated["error_message"]) == ("APIError", "overloaded")
    assert fields_of(answer, status="ok")["status"] == "success"
    assert "status" not in fields_of(answer | {"gen_ai.response.finish_reasons": ["content_filter"]})


def test_an_error_message_may_come_from_the_exception_event_alone() -> None:
    assert fields_of(events=[exception(message="boom")], status="error")["error_message"] == "boom"


def test_an_error_level_makes_a_span_an_error_without_an_error_status() -> None:
    fields = fields_of({"langfuse.observation.level": "ERROR", "langfuse.observation.status_message": "boom"})
    assert (fields["status"], fields["error_message"]) == ("error", "boom")


def test_an_exception_in_a_span_that_did_not_fail_is_not_an_error() -> None:
    fields = fields_of(events=[exception(type="Retried")])
    assert "error_type" not in fields
    assert fields["events"][0]["attributes"] == {"exception": {"type": "Retried"}}


def test_a_tool_call_has_a_name_arguments_and_a_result() -> None:
    fields = fields_of(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "get_weather",
            "gen_ai.tool.call.arguments": '{"city": "Zürich"}',
            "gen_ai.tool.call.result": "sunny",
        }
    )
    assert [fields[name] for name in ("tool_name", "input_data", "output_data")] == [
        "get_weather",
        {"city": "Zürich"},
        "sunny",
    ]


@pytest.mark.parametrize(
    ("sent", "result"), [("", ""), ("[]", []), ("{}", {}), (False, False), (0, 0), ('"sunny"', "sunny")]
)
def test_an_empty_or_quoted_result_of_a_tool_is_a_result(sent: Any, result: Any) -> None:
    assert fields_of({"gen_ai.tool.name": "get_weather", "gen_ai.tool.call.result": sent})["output_data"] == result


def test_an_empty_list_of_messages_in_text_leaves_the_output_to_the_next_source() -> None:
    sent = {"gen_ai.operation.name": "chat", "gen_ai.output.messages": "[]", "output.value": "Grüezi"}
    assert fields_of(sent)["output_data"]["messages"][0]["parts"][0]["text"] == "Grüezi"
    assert "output_data" not in fields_of({"gen_ai.operation.name": "chat", "gen_ai.output.messages": "[]"})


@pytest.mark.parametrize("name", ["execute_tool search", "search.__call__", "running tool: search", "search"])
def test_a_tool_without_a_name_gets_the_name_from_its_span(name: str) -> None:
    assert fields_of({"openinference.span.kind": "TOOL"}, name=name)["tool_name"] == "search"


def test_the_arguments_of_a_tool_call_may_come_as_an_event() -> None:
    events = [Event("gen_ai.tool.message", 0, {"role": "tool", "content": '{"city": "Zürich"}'})]
    assert fields_of({"gen_ai.tool.name": "get_weather"}, events=events)["input_data"] == {"city": "Zürich"}


def test_messages_may_come_in_an_event_instead_of_the_span() -> None:
    content: Any = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]'}
    fields = fields_of({"gen_ai.operation.name": "chat"}, events=[Event("details", 0, content)])
    assert fields["input_data"] == {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hi"}]}]}


def test_events_may_come_as_a_list_in_an_attribute() -> None:
    events = [
        {"event.name": "gen_ai.user.message", "content": "hi", "role": "user", "gen_ai.message.index": 0},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "ho"}},
    ]
    fields = fields_of({"gen_ai.operation.name": "chat", "events": json.dumps(events)})
    message_texts = [fields[field]["messages"][0]["parts"][0]["text"] for field in ("input_data", "output_data")]
    assert message_texts == ["hi", "ho"]


def test_numbered_attributes_become_a_list_in_numeric_order() -> None:
    attributes = {f"gen_ai.prompt.{n}.{name}": f"{name}{n}" for n in (10, 9) for name in ("role", "content")}
    messages = fields_of(attributes)["input_data"]["messages"]
    assert [message["role"] for message in messages] == ["role9", "role10"]


def test_messages_without_text_leave_the_input_to_the_next_source() -> None:
    fields = fields_of({"llm.input_messages.0.message.role": "user", "input.value": '{"question": "why"}'})
    assert fields["input_data"] == {"question": "why"}


def test_unused_attributes_are_stored_as_a_tree() -> None:
    metadata = metadata_of({"app.tenant": "acme", "app.flags.beta": True, "gen_ai.response.model": "m"})
    assert metadata["attributes"] == {"app": {"tenant": "acme", "flags": {"beta": True}}}


def test_a_name_that_is_both_value_and_branch_keeps_both() -> None:
    assert metadata_of({"a": 1, "a.b": 2, "a.b.c": 3})["attributes"] == {"a": 1, "a.b": 2, "a.b.c": 3}


def test_a_repeated_value_is_stored_once_and_a_different_value_is_kept() -> None:
    same = metadata_of({"gen_ai.usage.input_tokens": 5, "ai.usage.inputTokens": 5})
    other = metadata_of({"gen_ai.usage.input_tokens": 5, "ai.usage.inputTokens": 6})
    assert "attributes" not in same
    assert other["attributes"] == {"ai": {"usage": {"inputTokens": 6}}}


def test_resource_and_scope_are_stored_and_give_the_service_name() -> None:
    fields = fields_of(origin=Origin({"service.name": "shop", "host.name": "h"}, "lib", "1.2", {"a.b": 1}))
    assert fields["service_name"] == "shop"
    assert fields["metadata"] == {
        "resource": {"service": {"name": "shop"}, "host": {"name": "h"}},
        "scope": {"name": "lib", "version": "1.2", "attributes": {"a": {"b": 1}}},
    }


def test_the_lesson_id_is_read_from_its_attribute() -> None:
    assert fields_of({"lesson.id": "L-7"})["lesson_id"] == "L-7"


def test_attributes_become_plain_objects_which_the_encoder_of_json_takes_fast() -> None:
    kept: list[Any] = [metadata_of({"a.b.c": 1, "a.b.d": {"e": [2]}, "f": "g"})]
    assert kept[0]["attributes"] == {"a": {"b": {"c": 1, "d": {"e": [2]}}}, "f": "g"}
    while kept:
        value = kept.pop()
        assert type(value) in (dict, list, str, int)
        kept += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
