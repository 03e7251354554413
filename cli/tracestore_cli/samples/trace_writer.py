"""Generate one trace step by step: a clock that moves forward, and spans that nest like the steps."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from tracestore_cli.samples import Span

_PROVIDERS: Final = {
    "gpt-4o": ("openai", 2.50, 10.00),
    "gpt-4o-mini": ("openai", 0.15, 0.60),
    "text-embedding-3-small": ("openai", 0.02, 0.0),
    "claude-sonnet-4-5": ("anthropic", 3.00, 15.00),
    "claude-haiku-4-5": ("anthropic", 1.00, 5.00),
    "gemini-2.5-pro": ("google", 1.25, 10.00),
    "gemini-2.5-flash": ("google", 0.30, 2.50),
    "mistral-large-latest": ("mistral", 2.00, 6.00),
    "rerank-v3.5": ("cohere", None, None),
    "llama3.1:8b": ("ollama", None, None),
}
"""Provider of each model, and its dollars per million tokens in and out. None: the application has no price."""

_LONG_MS: Final = 4_000
"""Longer durations are expired timeouts or large tasks, which vary little."""


def message(role: str, text: str, *calls: Span) -> Span:
    """A message in the chat form of `docs/api.md` ("POST /v1/traces"), with its tool calls."""
    parts: list[Span] = [{"type": "text", "text": text}] if text else []
    return {"role": role, "parts": [*parts, *calls]}


def call(call_id: str, name: str, arguments: Any) -> Span:
    """A tool call, as a part of a message."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def result(call_id: str, name: str, value: Any) -> Span:
    """The message with the result of a tool call."""
    return {"role": "tool", "parts": [{"type": "tool_result", "id": call_id, "name": name, "result": value}]}


class TraceWriter:
    """The spans of one trace, in order of their start, in `spans`."""

    def __init__(self, rng: Random, start: datetime, *, service: str, reports_cost: bool = True, **shared: Any) -> None:
        self.rng = rng
        self.now = start
        self.spans: list[Span] = []
        self.reports_cost = reports_cost
        self._open: list[Span] = []
        self._shared = {"trace_id": self.hex(32), "service_name": service, **shared}

    def hex(self, digits: int) -> str:
        """A random id of so many hexadecimal digits."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"

    def wait(self, from_ms: int, to_ms: int | None = None) -> None:
        """Move the clock."""
        self.now += timedelta(milliseconds=self.rng.randint(from_ms, to_ms or from_ms))

    @contextmanager
    def step(self, name: str, operation: str, **fields: Any) -> Iterator[Span]:
        """A span around all spans of the block. It ends shortly after the last of them."""
        span = self._begin(name, operation, fields)
        self._open.append(span)
        self.wait(2, 25)
        yield span
        self._open.pop()
        self.wait(2, 25)
        span["end_time"] = _time(self.now)

    def leaf(self, name: str, operation: str, ms: int, *, meanwhile: bool = False, **fields: Any) -> Span:
        """A span of about `ms`, sometimes several times as long, as real calls are. From 4 s on it varies little.

        With `meanwhile` the next span starts at the same time, not after it.
        """
        span = self._begin(name, operation, fields)
        before = self.now
        spread = 0.01 if ms >= _LONG_MS else 0.35
        self.wait(int(ms * min(self.rng.lognormvariate(0, spread), 4)) + 1)
        span["end_time"] = _time(self.now)
        if meanwhile:
            self.now = before
            self.wait(1, 9)
        return span

    def completion(
        self, model: str, messages: list[Span], reply: Span | None, *, ms: int | None = None, **fields: Any
    ) -> Span:
        """A model call whose duration grows with the reply. Without `reply` it failed, with the error in `fields`."""
        tokens_in, tokens_out = _tokens(messages), _tokens(reply) if reply else 0
        output = {**_usage(model, tokens_in, tokens_out, self.reports_cost), "output_data": {"messages": [reply]}}
        return self.leaf(
            "llm.completion",
            "completion",
            ms or 450 + 14 * tokens_out,
            model_name=model,
            model_provider=_PROVIDERS[model][0],
            input_data={"messages": list(messages)},  # as they are now: the sample may append to its list
            **(output if reply else {}),
            **{"metadata": {"temperature": self.rng.choice((0, 0.2, 0.7)), "max_tokens": 2048}, **fields},
        )

    def streamed_completion(self, model: str, messages: list[Span], reply: Span, **fields: Any) -> Span:
        """A model call that a person watches, with the time to its first token."""
        began = self.now
        span = self.completion(model, messages, reply, **fields)
        took_ms = (self.now - began) / timedelta(milliseconds=1)
        span["time_to_first_token_ms"] = round(took_ms * self.rng.uniform(0.2, 0.45))
        return span

    def tool(self, name: str, arguments: Any, outcome: Any, ms: int = 180, **fields: Any) -> Span:
        """A tool call. *absent*: without an outcome it has no output."""
        done = {} if outcome is None else {"output_data": outcome}
        return self.leaf(f"tool.{name}", "tool_call", ms, tool_name=name, input_data=arguments, **done, **fields)

    def embedding(self, text: str, ms: int = 90) -> Span:
        """The embedding of a text."""
        model = "text-embedding-3-small"
        return self.leaf(
            "embeddings.create",
            "embedding",
            ms,
            model_name=model,
            model_provider=_PROVIDERS[model][0],
            input_data={"input": text},
            output_data={"dimensions": 1536, "vectors": 1},
            **_usage(model, _tokens(text), 0, self.reports_cost),
        )

    def retrieval(self, query: str, documents: list[Span], index: str, ms: int = 70) -> Span:
        """A search in an index."""
        return self.leaf(
            "vector_store.search",
            "retrieval",
            ms,
            input_data={"query": query, "index": index, "top_k": len(documents)},
            output_data={"documents": documents},
        )

    def _begin(self, name: str, operation: str, fields: dict[str, Any]) -> Span:
        parent = {"parent_span_id": self._open[-1]["span_id"]} if self._open else {}
        times = {"start_time": _time(self.now)}
        span = {**self._shared, "span_id": self.hex(16), **parent, "span_name": name, "operation_type": operation}
        self.spans.append({**span, **times, **fields})
        return self.spans[-1]


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tokens(content: Any) -> int:
    """An estimate of the tokens: one per four bytes of text."""
    return max(1, len(json.dumps(content, ensure_ascii=False).encode()) // 4)


def _usage(model: str, tokens_in: int, tokens_out: int, reports_cost: bool) -> dict[str, Any]:
    _, price_in, price_out = _PROVIDERS[model]
    usage: dict[str, Any] = {"input_tokens": tokens_in, "output_tokens": tokens_out}
    if reports_cost and price_in is not None and price_out is not None:
        usage["cost_usd"] = round((tokens_in * price_in + tokens_out * price_out) / 1e6, 9)
    return usage
