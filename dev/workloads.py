"""Seeded spans for benchmarks: the same call returns the same bytes on every machine.

A workload is an iterable of requests. A request is the list of native spans (`docs/api.md`, "Spans") of one POST. This
module does not depend on how spans are stored.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, TypeAlias

from dev.text_generator import TextGenerator
from tracestore_cli.samples import Span

Request: TypeAlias = list[Span]

BEGINNING: Final = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
"""The start of the first trace of a workload. It is fixed, so that two runs send the same bytes."""

_TOOLS: Final = ("search_orders", "get_customer", "run_query", "fetch_document", "check_stock", "create_ticket")
_MODELS: Final = (
    ("gpt-4o-mini", "openai", 0.15, 0.60),
    ("claude-sonnet-4-5", "anthropic", 3.00, 15.00),
    ("gemini-2.5-flash", "google", 0.30, 2.50),
)
"""Name, provider, and dollars per million tokens in and out."""


def single_chats(count: int, seed: int = 0) -> Iterator[Request]:
    """`count` traces of one completion each: a system prompt, a question and an answer."""
    rng = Random(f"single_chats {seed}")
    for number in range(count):
        trace, start = _TraceMaker(rng), BEGINNING + timedelta(seconds=7 * number)
        messages = [
            _message("system", trace.generator.text(rng.randint(300, 480))),
            _message("user", trace.generator.text(rng.randint(120, 640))),
        ]
        yield [trace.completion(start, messages, [_message("assistant", trace.generator.text(rng.randint(400, 1000)))])]


def conversation(turns: int, seed: int = 0) -> Iterator[Request]:
    """One conversation of `turns` traces: each sends the system prompt and the whole history with a new question."""
    rng = Random(f"conversation {seed}")
    first = _TraceMaker(rng)
    history = [_message("system", first.generator.text(rng.randint(300, 480)))]
    for number in range(turns):
        trace = _TraceMaker(rng)
        trace.shared |= {name: first.shared[name] for name in ("conversation_id", "end_user_id", "service_name")}
        history.append(_message("user", trace.generator.text(rng.randint(120, 640))))
        reply = _message("assistant", trace.generator.text(rng.randint(400, 1000)))
        yield [trace.completion(BEGINNING + timedelta(seconds=60 * number), list(history), [reply])]
        history.append(reply)


def agents(count: int, turns: int, seed: int = 0) -> Iterator[Request]:
    """`count` traces of 2·`turns` + 1 spans, each in one request: the root, then the calls of each turn."""
    for number in range(count):
        rng = Random(f"agents {turns} {seed} {number}")
        root, by_turn = _agent(rng, turns, BEGINNING + timedelta(minutes=3 * number))
        yield [root, *(span for turn in by_turn for span in turn)]


def drip(turns: int = 20, count: int = 1, seed: int = 0) -> Iterator[Request]:
    """`count` agents in sequence, each as `turns` requests of one turn, as an exporter sends a long run.

    The root ends last, so it is in the last request.
    """
    for number in range(count):
        rng = Random(f"agents {turns} {seed} {number}")
        root, by_turn = _agent(rng, turns, BEGINNING + timedelta(minutes=3 * number))
        yield from by_turn[:-1]
        yield [*by_turn[-1], root]


def one_span_requests(count: int, payload_bytes: int = 10_000, seed: int = 0) -> Iterator[Request]:
    """One trace of `count` spans in as many requests, the root last: tool calls with payloads of `payload_bytes`."""
    rng = Random(f"one_span_requests {seed}")
    trace = _TraceMaker(rng)
    for number in range(count):
        start = BEGINNING + timedelta(seconds=2 * number)
        overhead = len(json.dumps({"query": ""})) + len(json.dumps({"text": ""}))
        query = trace.generator.text(200)
        text = trace.generator.text(payload_bytes - overhead - len(query.encode()))
        span = trace.tool(start, rng.choice(_TOOLS), {"query": query}, {"text": text})
        if number == count - 1:
            span |= {"span_id": trace.root_id, "span_name": "agent.run", "operation_type": "agent"}
            del span["parent_span_id"]
        yield [span]


def large_trace(count: int, seed: int = 0) -> Iterator[Request]:
    """One trace of `count` spans: 1 % agents below the root, and their tool calls, 1,000 spans a request."""
    rng = Random(f"large_trace {seed}")
    trace = _TraceMaker(rng)
    spans = [trace.span("agent.run", "agent", BEGINNING, 2_000 * count, is_root=True)]
    parent = spans[0]
    for number in range(1, count):
        start = BEGINNING + timedelta(seconds=2 * number)
        if number % 100 == 1:
            parent = trace.span("agent.step", "agent", start, 180_000)
            spans.append(parent)
            continue
        arguments = {"query": trace.generator.text(100)}
        call = trace.tool(start, rng.choice(_TOOLS), arguments, {"text": trace.generator.text(200)})
        spans.append({**call, "parent_span_id": parent["span_id"]})
    for first in range(0, count, 1_000):
        yield spans[first : first + 1_000]


def _message(role: str, text: str) -> Span:
    return {"role": role, "parts": [{"type": "text", "text": text}]}


def _hex(rng: Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _TraceMaker:
    """A generator of the spans of one trace, with their common fields: ids, conversation, user, service and model."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.generator = TextGenerator(rng)
        self.root_id = _hex(rng, 16)
        self.model = rng.choice(_MODELS)
        self.shared: Span = {
            "trace_id": _hex(rng, 32),
            "conversation_id": f"conv-{_hex(rng, 12)}",
            "end_user_id": f"user-{rng.randint(1, 400)}",
            "service_name": rng.choice(("support-bot", "lesson-writer", "review-assistant", "trip-planner")),
        }

    def span(self, name: str, operation: str, start: datetime, duration_ms: int, *, is_root: bool = False) -> Span:
        """A span below the root, or the root itself."""
        parent: Span = {} if is_root else {"parent_span_id": self.root_id}
        return {
            **self.shared,
            "span_id": self.root_id if is_root else _hex(self.rng, 16),
            **parent,
            "span_name": name,
            "operation_type": operation,
            "start_time": _time(start),
            "end_time": _time(start + timedelta(milliseconds=duration_ms)),
        }

    def completion(self, start: datetime, messages: list[Span], reply: list[Span], *, is_root: bool = True) -> Span:
        """A model call, with tokens and cost."""
        name, provider, price_in, price_out = self.model
        tokens_in, tokens_out = (len(json.dumps(part, ensure_ascii=False)) // 4 for part in (messages, reply))
        return {
            **self.span("llm.completion", "completion", start, self.rng.randint(600, 9_000), is_root=is_root),
            "model_name": name,
            "model_provider": provider,
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
            "cost_usd": round((tokens_in * price_in + tokens_out * price_out) / 1e6, 9),
            "input_data": {"messages": messages},
            "output_data": {"messages": reply},
            "metadata": {
                "temperature": self.rng.choice((0, 0.2, 0.7)),
                "max_tokens": self.rng.choice((512, 1024, 4096)),
                "finish_reason": "stop",
                "request_id": f"req_{_hex(self.rng, 24)}",
                "release": f"2026.10.{self.rng.randint(1, 30)}",
            },
        }

    def tool(self, start: datetime, tool_name: str, arguments: Span, result: Span) -> Span:
        """A tool call below the root."""
        return {
            **self.span(f"tool.{tool_name}", "tool_call", start, self.rng.randint(20, 900)),
            "tool_name": tool_name,
            "input_data": arguments,
            "output_data": result,
        }


def _agent(rng: Random, turns: int, start: datetime) -> tuple[Span, list[list[Span]]]:
    """The root span, and each turn's completion and tool call. Every completion repeats the conversation so far."""
    trace = _TraceMaker(rng)
    task = trace.generator.text(rng.randint(250, 550))
    history = [_message("system", trace.generator.text(rng.randint(560, 920))), _message("user", task)]
    by_turn: list[list[Span]] = []
    moment = start
    thought = ""
    for _ in range(turns):
        moment += timedelta(seconds=rng.randint(2, 9))
        tool_name, call_id = rng.choice(_TOOLS), f"call_{_hex(rng, 12)}"
        arguments = {"query": trace.generator.words(rng.randint(3, 8)), "limit": rng.randint(1, 20)}
        result = {"count": rng.randint(2, 90), "rows": [trace.generator.row() for _ in range(rng.randint(2, 4))]}
        thought = trace.generator.text(rng.randint(160, 560))
        call = {"type": "tool_call", "id": call_id, "name": tool_name, "arguments": arguments}
        reply: Span = {"role": "assistant", "parts": [{"type": "text", "text": thought}, call]}
        by_turn.append(
            [
                trace.completion(moment, list(history), [reply], is_root=False),
                trace.tool(moment + timedelta(seconds=1), tool_name, arguments, result),
            ]
        )
        answer = {"type": "tool_result", "id": call_id, "name": tool_name, "result": result}
        history += [reply, {"role": "tool", "parts": [answer]}]
    seconds = (moment - start).total_seconds() + 2
    root = {
        **trace.span("agent.run", "agent", start, int(seconds * 1000), is_root=True),
        "input_data": {"messages": [_message("user", task)]},
        "output_data": {"messages": [_message("assistant", thought)]},
        "metadata": {"turns": turns, "agent": "assistant", "release": f"2026.10.{rng.randint(1, 30)}"},
    }
    return root, by_turn
