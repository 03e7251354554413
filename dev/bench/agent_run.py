"""Runs of an agent as OTLP exports in the conventions of OpenInference, for comparisons of pages.

A run plans a trip: a model call asks for tools, they run, the next call has their results.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MODEL: Final = "gpt-4o-mini"
SERVED_MODEL: Final = "gpt-4o-mini-2024-07-18"
FAILED_STEP: Final = 4
"""The step whose first call fails and is repeated."""
FAILED_TOOL: Final = (6, 1)
"""The step and the number of the tool that fails."""
SLOW_TOOL: Final = (8, 0)
EXPENSIVE_STEP: Final = 9
TURNS: Final = 8
_TOOLS: Final = ("find_trains", "find_hotel", "weather", "exchange_rate", "museum_hours")
_TOWNS: Final = ("Lisbon", "Porto", "Évora", "Braga", "Faro", "Coimbra", "Sintra", "Aveiro")
_SYSTEM: Final = "You plan trips by train. Ask the tools before you answer. " + "Prefer direct trains. " * 30
_MS: Final = 1_000_000

Json = dict[str, Any]


@dataclass
class Run:
    """The spans of one trace."""

    trace_id: bytes
    spans: list[Span] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        """The export as protobuf."""
        export = ExportTraceServiceRequest()
        export.resource_spans.add().scope_spans.add().spans.extend(self.spans)
        scope = export.resource_spans[0].scope_spans[0].scope
        scope.name = "openinference.instrumentation.openai"
        scope.version = "0.1.66"
        return export.SerializeToString()


def agent_run(name: str, start_ns: int, session: str) -> Run:
    """A run of 41 spans: 12 steps with their tools, of which one call and one tool fail.

    *repeat*: the same arguments give the same run.
    """
    run = Run(sha256(name.encode()).digest()[:16])
    writer = _Writer(run, session, start_ns)
    root = writer.add("plan_trip", "AGENT", None, 0)
    _work(writer, root, (3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2), Random(name), has_failures=True)
    return run


def large_run(name: str, start_ns: int, session: str) -> Run:
    """A run of 1,000 spans: an agent with 37 agents below it, each of 27 spans, without a failure."""
    run = Run(sha256(name.encode()).digest()[:16])
    writer = _Writer(run, session, start_ns)
    root = writer.add("plan_year", "AGENT", None, 0)
    for number in range(37):
        agent = writer.add(f"plan_trip_{number + 1}", "AGENT", root, 0)
        _work(writer, agent, (3, 3, 3, 3, 3, 4), Random(f"{name} {number}"))
    writer.end(root, {"input.value": "Plan a year of trips.", "output.value": "37 trips are planned."})
    return run


def _work(writer: "_Writer", agent: Span, steps: Sequence[int], rng: Random, *, has_failures: bool = False) -> None:
    """A model call for each step, each with so many tools after it, and a last call that answers."""
    asked = f"Plan {len(steps)} days in Portugal by train."
    history = [_message("system", _SYSTEM), _message("user", asked)]
    for step, tools in enumerate(steps):
        if has_failures and step == FAILED_STEP:
            writer.call(agent, history, None, rng, error=("RateLimitError", "60 requests a minute are permitted."))
        calls = [_call(step, number, rng) for number in range(tools)]
        answer = {**_message("assistant", f"Step {step + 1}: I look for the next day."), "message.tool_calls": calls}
        writer.call(agent, history, answer, rng, input_tokens=48_000 if step == EXPENSIVE_STEP else None)
        history = [*history, answer]
        for number, call in enumerate(calls):
            result = writer.tool(agent, call, (step, number) if has_failures else (-1, -1), rng)
            history.append({**_message("tool", result), "message.tool_call_id": call["tool_call.id"]})
    last = _message("assistant", "Day by day: Lisbon, Porto, Braga. " + "The train is direct. " * 20)
    writer.call(agent, history, last, rng)
    writer.end(agent, {"input.value": asked, "output.value": last["message.content"]})


def conversation(session: str, start_ns: int) -> Iterator[Run]:
    """The turns of one conversation, each a trace of two spans."""
    history = [_message("system", _SYSTEM)]
    for turn in range(1, TURNS + 1):
        rng = Random(turn)
        run = Run(sha256(f"{session} {turn}".encode()).digest()[:16])
        writer = _Writer(run, session, start_ns + turn * 60_000 * _MS)
        root = writer.add("chat.turn", "AGENT", None, 0)
        asked = f"Question {turn}: what should we see in {_TOWNS[turn % len(_TOWNS)]}?"
        history = [*history, _message("user", asked)]
        answer = _message("assistant", f"Answer {turn}: the old town. " + "It is close to the station. " * 10)
        writer.call(root, history, answer, rng)
        history = [*history, answer]
        writer.end(root, {"input.value": asked, "output.value": answer["message.content"]})
        yield run


def _message(role: str, content: str) -> Json:
    return {"message.role": role, "message.content": content}


def _call(step: int, number: int, rng: Random) -> Json:
    town = rng.choice(_TOWNS)
    arguments = {"town": town, "day": step + 1, "reference": f"ref-{step}-{number}"}
    return {
        "tool_call.id": f"call_{step}_{number}",
        "tool_call.function.name": _TOOLS[(step + number) % len(_TOOLS)],
        "tool_call.function.arguments": json.dumps(arguments, ensure_ascii=False),
    }


class _Writer:
    """The spans of a run, added one after the other in time."""

    def __init__(self, run: Run, session: str, start_ns: int) -> None:
        self._run = run
        self._session = session
        self._now_ns = start_ns

    def add(self, name: str, kind: str, parent: Span | None, duration_ms: float, values: Json | None = None) -> Span:
        number = len(self._run.spans)
        span = Span(
            trace_id=self._run.trace_id,
            span_id=sha256(self._run.trace_id + number.to_bytes(4, "big")).digest()[:8],
            parent_span_id=parent.span_id if parent else b"",
            name=name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=self._now_ns,
            end_time_unix_nano=self._now_ns + int(duration_ms * _MS),
            status=Status(code=Status.STATUS_CODE_OK),
        )
        self._set(span, {"openinference.span.kind": kind, "session.id": self._session, **(values or {})})
        self._run.spans.append(span)
        self._now_ns = span.end_time_unix_nano + 2 * _MS
        return span

    def call(
        self,
        root: Span,
        history: Sequence[Json],
        answer: Json | None,
        rng: Random,
        *,
        input_tokens: int | None = None,
        error: tuple[str, str] | None = None,
    ) -> None:
        """A model call with the whole history as input. With an `error` it has no answer."""
        sent = input_tokens or 400 + sum(len(str(message)) for message in history) // 4
        values: Json = {
            **_flat("llm.input_messages", history, "message"),
            **_flat("llm.output_messages", [answer] if answer else [], "message"),
            **_flat("llm.tools", [{"tool.json_schema": json.dumps(_definition(name))} for name in _TOOLS], "tool"),
            "llm.model_name": SERVED_MODEL,
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.invocation_parameters": json.dumps({"model": MODEL, "temperature": 0.2}),
            "llm.token_count.prompt": sent,
            "llm.token_count.completion": 120 if answer else 0,
            "llm.token_count.total": sent + (120 if answer else 0),
            "llm.token_count.prompt_details.cache_read": int(sent * 0.75),
        }
        span = self.add("ChatCompletion", "LLM", root, rng.uniform(600, 1900), values)
        if error:
            _failed(span, *error)

    def tool(self, root: Span, call: Json, number: tuple[int, int], rng: Random) -> str:
        """The span of a tool. *returns* its result."""
        name, arguments = call["tool_call.function.name"], call["tool_call.function.arguments"]
        result = json.dumps({"found": rng.randrange(3, 40), "reference": json.loads(arguments)["reference"]})
        values = {"tool.name": name, "input.value": arguments, "input.mime_type": "application/json"}
        duration_ms = 9_400 if number == SLOW_TOOL else rng.uniform(80, 700)
        failed = number == FAILED_TOOL
        span = self.add(name, "TOOL", root, duration_ms, {**values, **({} if failed else {"output.value": result})})
        if failed:
            _failed(span, "TimeoutError", "The service did not respond within 500 ms.")
        return "The tool failed." if failed else result

    def end(self, root: Span, values: Json) -> None:
        """End the root after all spans below it."""
        root.end_time_unix_nano = self._now_ns
        self._set(root, values)

    @staticmethod
    def _set(span: Span, values: Json) -> None:
        for name, value in values.items():
            kind = {bool: "bool_value", int: "int_value", float: "double_value"}.get(type(value), "string_value")
            span.attributes.append(KeyValue(key=name, value=AnyValue(**{kind: value})))


def _failed(span: Span, kind: str, message: str) -> None:
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = message
    event = span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano)
    stack = f'Traceback (most recent call last):\n  File "agent/tools.py", line 88, in request\n{kind}: {message}'
    for name, value in {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack}.items():
        event.attributes.append(KeyValue(key=name, value=AnyValue(string_value=value)))


def _definition(name: str) -> Json:
    parameters = {"type": "object", "properties": {"town": {"type": "string"}, "day": {"type": "integer"}}}
    return {
        "type": "function",
        "function": {"name": name, "description": f"{name} in a town", "parameters": parameters},
    }


def _flat(prefix: str, rows: Sequence[Json], noun: str) -> Json:
    """Rows as indexed attributes, as OpenInference has them: `llm.input_messages.0.message.role`."""
    values: Json = {}
    for index, row in enumerate(rows):
        for name, value in row.items():
            if isinstance(value, list):
                for number, item in enumerate(value):
                    values |= {f"{prefix}.{index}.{name}.{number}.{key}": inner for key, inner in item.items()}
            else:
                values[f"{prefix}.{index}.{name}"] = value
    return values
