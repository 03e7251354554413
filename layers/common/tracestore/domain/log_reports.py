"""Fields that the log records about a call report more completely than the span that was captured for it.

The records of a span have the lowest precedence: what the span itself reports wins. This module has the exceptions,
which hold as long as no PATCH reports the same: the token counts of a call, taken together, from the more complete
report; of two messages of a failure the longer; the arguments of a tool from the record of its result; and its name,
where the span joins it to that of its namespace.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from .log_joins import USAGE_FIELDS
from .spans import CAPTURED, FROM_LOGS, SpanFields, SpanUpdate


def take_from_records(lowest_first: Sequence[SpanUpdate], merged: SpanFields, payload_from: dict[str, str]) -> None:
    """Change the merged fields of a span where the records among its updates say more."""
    records = [update for update in lowest_first if update.precedence == FROM_LOGS]
    _take_usage(lowest_first, [record.fields for record in records], merged)
    _take_message(lowest_first, records, merged)
    if merged.get("operation_type") == "tool_call" and "call_key" in merged and len(records) < len(lowest_first):
        own = [record for record in records if record.fields.get("call_key") == merged["call_key"]]
        _take_arguments(lowest_first, own, merged, payload_from)
        _take_tool_name(lowest_first, own, merged)


def _take_usage(lowest_first: Sequence[SpanUpdate], records: list[SpanFields], merged: SpanFields) -> None:
    """Take the token counts of records where they are more complete, but none of a call in another trace."""
    usage = _usage(records)
    own_usage = _usage(update.fields for update in lowest_first if update.precedence != FROM_LOGS)
    if len(usage) > len(own_usage) and not _usage(u.fields for u in lowest_first if u.precedence > CAPTURED):
        merged.update(cast(SpanFields, usage))
    if any(update.precedence == CAPTURED and "needs_call" in update.fields for update in lowest_first):
        return  # its call is the span around it
    if merged.pop("needs_call", False) and all("needs_call" in fields for fields in records):
        for name in (*USAGE_FIELDS, "cost_nano_usd"):
            cast("dict[str, object]", merged).pop(name, None)
        merged["operation_type"] = "other"


def _usage(reports: Iterable[SpanFields]) -> dict[str, object]:
    """The token counts in reports, given by precedence."""
    return {name: value for fields in reports for name, value in fields.items() if name in USAGE_FIELDS}


def _take_message(lowest_first: Sequence[SpanUpdate], records: list[SpanUpdate], merged: SpanFields) -> None:
    """Take the longest message of a failure: a span may state only that its call failed, and its record why."""
    messages = [record.fields["error_message"] for record in records if "error_message" in record.fields]
    if messages and not _is_patched(lowest_first, "error_message"):
        message = max(messages, key=lambda message: (len(message), message))
        if len(message) > len(merged.get("error_message", "")):
            merged["error_message"] = message


def _take_arguments(
    lowest_first: Sequence[SpanUpdate], records: list[SpanUpdate], merged: SpanFields, payload_from: dict[str, str]
) -> None:
    """Take the arguments of a tool from the record of its result: a span may have only some of them."""
    results = [record for record in records if "input_data" in record.payload_fields and "end_ns" in record.fields]
    if not results or _is_patched(lowest_first, "input_data"):
        return
    payload_from["input_data"] = results[-1].digest
    for name in ("input_data", "input_preview"):
        cast("dict[str, object]", merged).pop(name, None)
        if name in results[-1].fields:
            merged[name] = results[-1].fields[name]


def _take_tool_name(lowest_first: Sequence[SpanUpdate], records: list[SpanUpdate], merged: SpanFields) -> None:
    """Take the name of a tool from its record where the span has it behind a namespace, without anything between."""
    joined = merged.get("tool_name", "")
    for record in records:
        name = record.fields.get("tool_name", "")
        namespace = joined.removesuffix(name)
        if name and namespace != joined and namespace[-1:].isalnum() and not _is_patched(lowest_first, "tool_name"):
            merged["tool_name"] = name


def _is_patched(updates: Iterable[SpanUpdate], field: str) -> bool:
    patches = (update for update in updates if update.precedence > CAPTURED)
    return any(field in patch.fields or field in patch.payload_fields for patch in patches)
