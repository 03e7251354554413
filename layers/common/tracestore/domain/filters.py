"""Filters of trace lists. A trace's summary decides most of them; the others read the trace's spans.

A condition on a field of spans holds when any span of the trace has the value, and a negative one when none has it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, cast

from .annotations import Annotation, AnnotationFilter, match_annotations
from .heads import VALUE_FIELDS, Summary, values_of
from .merge import Span
from .spans import SHOWN_PAYLOAD_FIELDS, Json
from .texts import excerpt, normalized, texts_in

LIST_FILTERS: Final = (
    "start_date",
    "end_date",
    "timezone",
    "conversation_id",
    "trace_id",
    "status",
    "has_errors",
    *VALUE_FIELDS,
    "parent_span_id",
    "parent_trace_id",
    "min_duration_ms",
    "max_duration_ms",
    "min_cost_usd",
    "max_cost_usd",
    "min_tokens",
    "has_retry",
    "has_fallback",
    "has_model_call",
    "interrupted",
    "search",
    "search_in",
    "label",
    "order",
)
"""The parameters that select and order a list of traces, named as in the API. `metadata.<key>` and `score.<name>` are
further ones."""

METADATA_PREFIX: Final = "metadata."
"""The start of the parameters that filter by a key of metadata."""

SCORE_PREFIX: Final = "score."
"""The start of the parameters that filter by a score. `score.quality>=0.5` is `score.quality>` with the value 0.5."""


class Condition(NamedTuple):
    """A condition on the values of a trace: any of the first is among them, and none of the second.

    *absent*: an empty `any_of` requires nothing.
    """

    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()

    @property
    def only(self) -> str | None:
        """The single value that a trace must have. *absent*: None if there are several, or if others are excluded."""
        return self.any_of[0] if len(self.any_of) == 1 and not self.none_of else None

    def holds(self, values: Collection[str | None]) -> bool:
        """Whether these values meet the condition."""
        return (not self.any_of or any(value in values for value in self.any_of)) and not any(
            value in values for value in self.none_of
        )

    def holds_in(self, contain: Callable[[str], bool]) -> bool:
        """Whether texts meet the condition, of which `contain` decides whether they contain another text."""
        return (not self.any_of or any(map(contain, self.any_of))) and not any(map(contain, self.none_of))


class SpansOf(Protocol):
    """The spans of a trace, read when a filter needs them: with payloads only where it looks into payloads."""

    def __call__(self, *, payloads: bool = False) -> Iterable[Span]: ...


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that a listed trace meets; None and empty mappings filter nothing.

    `values` are conditions on the fields of spans that summaries contain. No summary can decide the conditions
    `parent_span_id` and `metadata`: each listed trace is read. `search` looks into names and previews, and if it is
    `search_in_payload`, also into payloads and error texts.
    """

    conversation_id: Condition | None = None
    status: Condition | None = None
    has_errors: bool | None = None
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    min_cost_nano_usd: int | None = None
    max_cost_nano_usd: int | None = None
    min_tokens: int | None = None
    has_retry: bool | None = None
    has_fallback: bool | None = None
    has_model_call: bool | None = None
    interrupted: bool | None = None
    parent_span_id: Condition | None = None
    search: Condition | None = None
    search_in_payload: bool = False
    values: Mapping[str, Condition] = field(default_factory=dict)
    metadata: Mapping[str, Condition] = field(default_factory=dict)
    annotations: Sequence[AnnotationFilter] = ()

    def match(self, summary: Summary, spans: SpansOf, annotations: Callable[[], Iterable[Annotation]] = tuple) -> bool:
        """Whether a trace is listed. `spans` and `annotations` are called only where the summary cannot decide."""
        return (
            self._match_trace(summary)
            and match_annotations(self.annotations, summary.annotations, annotations)
            and self._match_values(summary, spans)
            and self._match_search(summary, spans)
            and self._match_spans(spans)
        )

    def _match_trace(self, summary: Summary) -> bool:
        usage = summary.usage
        stated = (
            (self.has_errors, summary.error_count > 0),
            (self.has_retry, summary.has_retry),
            (self.has_fallback, summary.has_fallback),
            (self.has_model_call, usage.llm_call_count > 0),
            (self.interrupted, summary.is_interrupted),
        )
        return (
            all(wanted is None or wanted == actual for wanted, actual in stated)
            and _is_within(summary.duration_ns, self.min_duration_ns, self.max_duration_ns)
            and _is_within(usage.cost_nano_usd, self.min_cost_nano_usd, self.max_cost_nano_usd)
            and _is_within(usage.total_tokens, self.min_tokens, None)
            and (self.conversation_id is None or self.conversation_id.holds((summary.conversation_id,)))
            and (self.status is None or self.status.holds((summary.status,)))
        )

    def _match_values(self, summary: Summary, spans: SpansOf) -> bool:
        undecided = {}
        for name, condition in self.values.items():
            known = summary.values.get(name, ())
            if name not in summary.values_cut:
                if not condition.holds(known):
                    return False
            elif any(value in known for value in condition.none_of):
                return False
            elif condition.none_of or not condition.holds(known):
                undecided[name] = condition
        if not undecided:
            return True
        stored = list(spans())
        return all(
            condition.holds({value for span in stored for value in values_of(span, name)})
            for name, condition in undecided.items()
        )

    def _match_search(self, summary: Summary, spans: SpansOf) -> bool:
        if self.search is None:
            return True
        condition = Condition(tuple(map(normalized, self.search.any_of)), tuple(map(normalized, self.search.none_of)))
        texts = [summary.name, summary.previews.input, summary.previews.output, *summary.values.get("span_name", ())]
        haystack = [normalized(text) for text in texts if text]
        is_cut = self.search_in_payload or "span_name" in summary.values_cut
        found = {needle for needle in (*condition.any_of, *condition.none_of) if _contains(haystack, needle)}
        if any(needle in found for needle in condition.none_of):
            return False
        if is_cut and (condition.none_of or not condition.holds(found)):
            missing = {*condition.any_of, *condition.none_of} - found
            found |= _found_in(spans(payloads=self.search_in_payload), missing, in_payload=self.search_in_payload)
        return condition.holds(found)

    def _match_spans(self, spans: SpansOf) -> bool:
        if self.parent_span_id is not None:
            parents = {span.parent_span_id for span in spans()}
            if not self.parent_span_id.holds(parents):
                return False
        if not self.metadata:
            return True
        stored = [span.fields.get("metadata") for span in spans(payloads=True)]
        return all(
            condition.holds({text for value in stored if (text := metadata_text(value, key)) is not None})
            for key, condition in self.metadata.items()
        )


def metadata_text(metadata: Json, key: str) -> str | None:
    """The value of a key of metadata as text, in which dots lead into objects. *absent*: None, also for an object."""
    if not isinstance(metadata, dict):
        return None
    if key not in metadata:
        first, _, rest = key.partition(".")
        return metadata_text(metadata.get(first), rest) if rest else None
    value = metadata[key]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def span_texts(span: Span, *, in_payload: bool) -> Iterable[tuple[str, str]]:
    """The texts of a span in which a search looks, each with the name of its field."""
    fields = span.fields
    if name := fields.get("span_name"):
        yield "name", name
    if in_payload:
        for error_field in ("error_type", "error_message"):
            if text := fields.get(error_field):
                yield "error", str(text)
        for payload_field in SHOWN_PAYLOAD_FIELDS:
            label = {"input_data": "input", "output_data": "output", "error_stack": "error"}.get(
                payload_field, payload_field
            )
            for text in texts_in(cast(Json, fields.get(payload_field))):
                yield label, text


def span_matches(span: Span, needle: str) -> dict[str, str]:
    """The fields of a span that contain a normalized text, payload included, each with an excerpt around it."""
    found: dict[str, str] = {}
    for name, text in span_texts(span, in_payload=True):
        if name not in found and (part := excerpt(text, needle)) is not None:
            found[name] = part
    return found


def _found_in(spans: Iterable[Span], needles: Collection[str], *, in_payload: bool) -> set[str]:
    missing = set(needles)
    for span in spans:
        for _, text in span_texts(span, in_payload=in_payload):
            haystack = normalized(text)
            missing -= {needle for needle in missing if needle in haystack}
            if not missing:
                return {*needles}
    return {*needles} - missing


def _contains(haystack: Sequence[str], needle: str) -> bool:
    return any(needle in text for text in haystack)


def _is_within(value: int | None, least: int | None, most: int | None) -> bool:
    """Whether a value is within its limits. A trace without the value is within no limit."""
    if least is None and most is None:
        return True
    return value is not None and (least is None or value >= least) and (most is None or value <= most)
