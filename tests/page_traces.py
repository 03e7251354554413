"""Traces for tests of the page, and the selectors of their rows."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.api import span

ROWS: Final = ".traces [role=row][aria-selected]"
NODES: Final = ".tree [role=row]"
SELECTED: Final = ".tree [role=row][aria-selected=true]"


def ago(seconds: float) -> str:
    """A time before now."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call_span(
    trace_id: str, span_id: str, parent: str | None = None, seconds_ago: float = 60, **fields: Any
) -> dict[str, Any]:
    """A model call that ended."""
    values = {
        "operation_type": "completion",
        "model_name": "gpt-4o-mini",
        "model_provider": "openai",
        "start_time": ago(seconds_ago),
    }
    made = span(trace_id, span_id, **values, duration_ms=100, input_tokens=10, output_tokens=5)
    return {**made, **({"parent_span_id": parent} if parent else {}), **fields}


def said(role: str, text: str) -> dict[str, Any]:
    """A message in the form of the API."""
    return {"role": role, "parts": [{"type": "text", "text": text}]}
