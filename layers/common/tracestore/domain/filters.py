"""Filters of trace lists: the parts of a query that a trace's summary decides."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .heads import VALUE_FIELDS, Summary
from .merge import Span

LIST_FILTERS: Final = (
    "start_date",
    "end_date",
    "timezone",
    "conversation_id",
    "trace_id",
    "status",
    "has_errors",
    *VALUE_FIELDS,
    "min_duration_ms",
    "min_cost_usd",
    "search",
    "order",
)
"""The parameters that select and order a list of traces, named as in the API."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a listed trace meets; None filters nothing.

    `values` are conditions on spans: any span of the trace may have the value. All others are about the trace.
    """

    conversation_id: str | None = None
    status: str | None = None
    has_errors: bool | None = None
    min_duration_ns: int | None = None
    min_cost_nano_usd: int | None = None
    search: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)

    def match(self, summary: Summary, spans: Callable[[], Iterable[Span]]) -> bool:
        """Whether a trace is listed. `spans` is called only where the summary could not store all values."""
        return self._match_trace(summary) and self._match_values(summary, spans) and self._match_search(summary, spans)

    def _match_trace(self, summary: Summary) -> bool:
        duration_ns = None if summary.end_ns is None else summary.end_ns - summary.start_ns
        cost = summary.usage.cost_nano_usd
        return (
            (self.conversation_id is None or summary.conversation_id == self.conversation_id)
            and (self.status is None or summary.status == self.status)
            and (self.has_errors is None or (summary.error_count > 0) == self.has_errors)
            and (self.min_duration_ns is None or (duration_ns is not None and duration_ns >= self.min_duration_ns))
            and (self.min_cost_nano_usd is None or (cost is not None and cost >= self.min_cost_nano_usd))
        )

    def _match_values(self, summary: Summary, spans: Callable[[], Iterable[Span]]) -> bool:
        undecided = {}
        for name, value in self.values.items():
            if value in summary.values.get(name, ()):
                continue
            if name not in summary.values_cut:
                return False
            undecided[name] = value
        if not undecided:
            return True
        stored = list(spans())
        return all(any(span.fields.get(name) == value for span in stored) for name, value in undecided.items())

    def _match_search(self, summary: Summary, spans: Callable[[], Iterable[Span]]) -> bool:
        if not self.search:
            return True
        needle = self.search.casefold()
        texts = (summary.name, summary.previews.input, summary.previews.output, *summary.values.get("span_name", ()))
        if any(needle in text.casefold() for text in texts if text):
            return True
        names = (span.fields.get("span_name", "") for span in spans()) if "span_name" in summary.values_cut else ()
        return any(needle in name.casefold() for name in names)
