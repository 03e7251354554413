"""Read a span's fields by the tables: its operation, and the first usable value of each row.

A rule holds for every span; none depends on which client sent it.
"""

import re
from typing import Any, Final, NamedTuple

from tracestore.domain.spans import MAX_DURATION_MS, Json
from tracestore.domain.times import NS_PER_MS, parse_time

from .convention_tables import (
    CALL_KEYS,
    ENDS_OF_CALLS,
    ENDS_OF_CONVERSATIONS,
    FIRST_TOKEN_EVENTS,
    FIRST_TOKEN_TIMES,
    MODEL_AROUND,
    OPERATION_ROW,
    ROWS,
)
from .field_readers import first_label, flag, label, maker_at_bedrock
from .opened import OpenedSpan
from .operation_tables import (
    CALLS_BY_NAME_PREFIX,
    CLASS_SOURCES,
    MODEL_USERS,
    OPERATION_WORDS,
    OPERATIONS_BY_CLASS_SUFFIX,
    OPERATIONS_BY_NAME_PREFIX,
    OWN_WORDS,
    PARTS_OF_CALLS,
    PLAIN_SOURCES,
    PREPARATIONS,
    REPEATED_CALLS,
    SUMMARIES_OF_CALLS,
    TOOL_NAME,
)
from .outcome_tables import INTERRUPTED_REASONS
from .providers import BEDROCK, PROVIDERS

_TOOL_NAME: Final = re.compile(TOOL_NAME)
_SEPARATORS: Final = re.compile(r"[\s.-]+")
_FIELDS: Final = {row.field: (row.field.removeprefix("metadata."), row.field.startswith("metadata.")) for row in ROWS}


class Reading(NamedTuple):
    """A span as the tables read it: operation, fields, metadata, and the attributes that these contain."""

    operation: str
    fields: dict[str, Any]
    metadata: dict[str, Json]
    used: set[str]


def read(opened: OpenedSpan) -> Reading:
    """The operation and the fields that a span reports, each as its sender wrote it."""
    used: set[str] = set()
    reading = Reading(_operation(opened, used), {}, {}, used)
    _read_rows(opened, reading)
    operation, fields, metadata, _ = reading
    if isinstance(requested := metadata.get("request_model"), str) and requested != fields.get("model_name"):
        fields["request_model"] = requested  # outside of the payload: pricing reads it
    if "model_provider" in fields and _is_own_service(fields["model_provider"], opened):
        del fields["model_provider"]
    if operation in MODEL_USERS and _is_at_bedrock(requested or fields.get("model_name"), fields.get("model_provider")):
        fields["model_provider"] = BEDROCK
    if "interrupted" in fields and any(flag(opened.attributes.get(name)) for name in ENDS_OF_CONVERSATIONS):
        del fields["interrupted"]
    if operation == "tool_call" and "tool_name" not in fields and (name := _TOOL_NAME.fullmatch(opened.span.name)):
        fields["tool_name"] = label(name["name"])
    if operation == "other" and (around := label(opened.attributes.get(MODEL_AROUND))) is not None:
        fields["request_model"] = around  # of the calls inside that name no model
    if operation == "completion" and any(name in opened.attributes for name in ENDS_OF_CALLS):
        fields["needs_call"] = True
    if (key := first_label(opened.attributes, CALL_KEYS)) is not None:
        fields["call_key"] = key
    if "time_to_first_token_ms" not in metadata and (first_ms := _first_token_ms(opened)) is not None:
        metadata["time_to_first_token_ms"] = first_ms
    _read_answer(metadata, fields)
    return reading


def _is_own_service(provider: str, opened: OpenedSpan) -> bool:
    """Whether a client names its own service or its own scope as the provider, which is then not known."""
    origin = opened.span.origin
    own = [name.lower() for name in (origin.resource.get("service.name"), origin.scope_name) if isinstance(name, str)]
    return provider in own and provider not in PROVIDERS


def _is_at_bedrock(model: Json, provider: str | None) -> bool:
    """Whether a model has its id at Bedrock, where a client names no provider or the model's maker."""
    maker = maker_at_bedrock(model)
    return maker is not None and provider in (None, maker)


def _kind_of_operation(word: str) -> str | None:
    """The operation that a word means, whichever way its parts are joined. *absent*: None for an unknown word."""
    lowered = word.lower()
    return OPERATION_WORDS.get(lowered) or OPERATION_WORDS.get(_SEPARATORS.sub("_", lowered))


def _operation_of_class(name: str) -> str:
    """The operation of a component, by the end of the name of its class. Any other component is a step."""
    return next((operation for suffix, operation in OPERATIONS_BY_CLASS_SUFFIX if name.endswith(suffix)), "chain")


def _operation(opened: OpenedSpan, used: set[str]) -> str:
    """The operation (`docs/api.md`, "Spans"): as the span reports it, else derived from its attributes or its name.

    A word that is not known is no evidence of a model call.
    """
    is_reported = False
    for row, word, names in opened.fields:
        if row is not OPERATION_ROW:
            break
        if isinstance(word, str) and word:
            known = _kind_of_operation(word)
            if names and names[0] in CLASS_SOURCES:
                known = _operation_of_class(word)
            elif names and names[0] in PLAIN_SOURCES:
                known = OWN_WORDS.get((names[0], word.lower()), known)
                if known is None:
                    continue
            is_reported = True
            if known:
                used.update(names)
                if known == "tool_call" and opened.span.name in SUMMARIES_OF_CALLS:
                    return "chain"
                if known == "tool_call" and opened.span.name.endswith(PARTS_OF_CALLS):
                    return "other"
                if known != "other":
                    return "chain" if known == "completion" and opened.span.name.endswith(PREPARATIONS) else known
    if not is_reported and opened.evidence:
        is_part = opened.span.name.endswith(PARTS_OF_CALLS) or opened.span.name in REPEATED_CALLS
        return "other" if is_part else opened.evidence
    is_call = opened.span.kind == "client" and not is_reported
    for prefix, operation in (*OPERATIONS_BY_NAME_PREFIX, *(CALLS_BY_NAME_PREFIX if is_call else ())):
        if opened.span.name.startswith(prefix):
            return operation
    return "other"


def _read_rows(opened: OpenedSpan, reading: Reading) -> None:
    """Store the first usable value of each row. Attributes that repeat the stored value are marked as used, too."""
    operation, fields, metadata, used = reading
    for row, value, names in opened.fields:
        if row is OPERATION_ROW or (row.operations and operation not in row.operations):
            continue
        usable = row.read(value)
        if usable is not None:
            field, in_metadata = _FIELDS[row.field]
            if (metadata if in_metadata else fields).setdefault(field, usable) == usable:
                used.update(names)


def _first_token_ms(opened: OpenedSpan) -> float | None:
    span = opened.span
    # The event of a stream that outlives its span comes after the end.
    waits_ns = [
        event.time_ns - span.start_ns
        for event in span.events
        if event.name.partition(" (")[0] in FIRST_TOKEN_EVENTS and event.time_ns >= span.start_ns
    ]
    times = []
    for name in FIRST_TOKEN_TIMES:
        if name in opened.attributes and isinstance(text := opened.texts[name], str):
            try:
                times.append(parse_time(text))
            except ValueError:
                continue
    has_end = span.end_ns >= span.start_ns
    waits_ns += [
        time_ns - span.start_ns
        for time_ns in times
        if span.start_ns <= time_ns and (time_ns <= span.end_ns or not has_end)
    ]
    return round(min(waits_ns) / NS_PER_MS, 3) if waits_ns else None


def _read_answer(metadata: dict[str, Json], fields: dict[str, Any]) -> None:
    """Store what metadata says about the answer, in the fields that lists and outlines show."""
    if isinstance(first_ms := metadata.get("time_to_first_token_ms"), int | float) and first_ms <= MAX_DURATION_MS:
        fields["time_to_first_token_ns"] = round(first_ms * NS_PER_MS)
    if isinstance(reasons := metadata.get("finish_reasons"), list) and reasons[0]:
        fields["finish_reason"] = reasons[0]
        if str(reasons[0]).lower() in INTERRUPTED_REASONS:
            fields["interrupted"] = True
    if isinstance(tags := metadata.get("tags"), list) and (named := [tag for tag in tags if tag]):
        fields["tags"] = named
