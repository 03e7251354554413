"""Sends what an LLM application does to a tracestore, by OpenTelemetry, and is never in the application's way.

`configure` once, and everything that is instrumented is sent. Lessons become traces by `trace_lesson`, or by name in
`configure(lessons=…)`; `trace`, `span` and `llm_call` are for what no instrumentation sees.
"""

from ._api import llm_call, span, trace, trace_lesson
from ._configure import configure
from ._delivery import Stats
from ._lambda import flush_after
from ._settings import Limits
from ._state import dropped, flush, shutdown, stats
from ._steps import Lesson, LlmCall, Step

__all__ = [
    "Lesson",
    "Limits",
    "LlmCall",
    "Stats",
    "Step",
    "configure",
    "dropped",
    "flush",
    "flush_after",
    "llm_call",
    "shutdown",
    "span",
    "stats",
    "trace",
    "trace_lesson",
]
