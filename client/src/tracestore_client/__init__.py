"""OpenTelemetry client that sends the traces of an LLM application to a tracestore and never disturbs the application.

Call `configure` once, and every instrumented call is sent. `trace_lesson` traces lessons, and so does
`configure(lessons=…)` for functions that it finds by name. `trace`, `span` and `llm_call` trace code that has no
instrumentation.
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
