"""Find the span that a log record is about: one call is one span, whether spans, records or both report it.

A record of a model call or of a tool call rarely has the id of the span of that call. Its updates therefore have a span
id of their own, derived from the record. Where the trace has a span of the same call, they are updates of that span.
The answer follows from the set of a trace's updates alone, in any order.

A record is about the captured span of its operation that has the same call key, else about the one that it was written
in, else about the one of the same name that is next to it or ran at the same time: Gemini CLI records the tools of a
round in the span around them, and only when the last of them has ended. Where no span was captured, a call is joined to
the record of its request. A record of usage (`needs_call`) counts only when it is joined: else its call is in another
trace, unless the record says that it is in none (`needs_call` is false). A failure that is recorded a second time is
about the same request. A record of a request without usage or failure that was written in a captured span describes
that span, since the trace has spans of its own for the call.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from .spans import CAPTURED, FROM_LOGS, SpanFields, SpanUpdate
from .times import NS_PER_SECOND

JOINED_OPERATIONS: Final = ("completion", "tool_call")

USAGE_FIELDS: Final = (
    *("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "usage_details", "usage_ambiguous"),
)
"""The fields about the tokens of a call, which belong together."""

_NAMES: Final = {"completion": "model_name", "tool_call": "tool_name"}
"""The field that two reports of the same call have in common, where both have it."""


_TOLERANCE_NS: Final = NS_PER_SECOND
"""A request is recorded up to this long before the time from which its call is measured."""


class _Call(NamedTuple):
    """A span in question: its fields from all of its updates, and whether a captured update reports it."""

    span_id: str
    fields: SpanFields
    is_captured: bool

    @property
    def start_ns(self) -> int:
        return self.fields.get("start_ns", self.end_ns)

    @property
    def end_ns(self) -> int:
        return self.fields.get("end_ns", self.fields.get("start_ns", 0))

    @property
    def order(self) -> tuple[int, int, str]:
        return (self.end_ns, self.start_ns, self.span_id)


Merge = Callable[[list[SpanUpdate]], SpanFields]


def joined_spans(updates: Iterable[SpanUpdate], merged: Merge) -> dict[str, str]:
    """The span that each span from records is about, by span id. `merged` gives the fields of a span from its updates.

    *absent*: spans that are about themselves are left out; most traces have no such records, which costs one pass.
    """
    updates = list(updates)
    if not any(update.precedence == FROM_LOGS and update.fields.get("operation_type") in _NAMES for update in updates):
        return {}
    by_span: dict[str, list[SpanUpdate]] = {}
    for update in updates:
        by_span.setdefault(update.fields["span_id"], []).append(update)
    calls = [
        _Call(span_id, merged(group), any(update.precedence == CAPTURED for update in group))
        for span_id, group in by_span.items()
    ]
    captured_ids = {call.span_id for call in calls if call.is_captured}
    targets: dict[str, str] = {}
    for operation in JOINED_OPERATIONS:
        of_operation = sorted(
            (call for call in calls if call.fields.get("operation_type") == operation), key=lambda call: call.order
        )
        _join(of_operation, captured_ids, targets)
    return {span_id: targets.get(target, target) for span_id, target in targets.items()}


def _join(calls: Sequence[_Call], captured_ids: set[str], targets: dict[str, str]) -> None:
    """Add the targets of the calls of one operation, given by end."""
    captured = {call.span_id: call for call in calls if call.is_captured}
    by_key = {call.fields["call_key"]: call for call in reversed(captured.values()) if "call_key" in call.fields}
    unmatched = []
    for call in calls:
        if call.is_captured:
            continue
        target = by_key.get(call.fields.get("call_key", "")) or captured.get(call.fields.get("parent_span_id", ""))
        if target is not None:
            targets[call.span_id] = target.span_id
        else:
            unmatched.append(call)
    taken = set(targets.values())
    free = {span_id: call for span_id, call in captured.items() if span_id not in taken}
    requests: dict[str, _Call] = {}
    failed: _Call | None = None
    for call in unmatched:
        if (span := _next_to(call, free) or _concurrent(call, free)) is not None:
            targets[call.span_id] = span.span_id
            del free[span.span_id]
        elif _is_request(call):
            parent = call.fields.get("parent_span_id", "")
            if parent in captured_ids:
                targets[call.span_id] = parent
            else:
                requests[call.span_id] = call
        elif failed is not None and _is_repeated(call, failed, requests):
            targets[call.span_id] = failed.span_id
        elif (request := _sent_before(call, requests)) is not None:
            targets[call.span_id] = request.span_id
            del requests[request.span_id]
            failed = request if _is_failure_of_usage(call) else None


def _next_to(call: _Call, spans: Mapping[str, _Call]) -> _Call | None:
    """The captured tool call of the same name in the same span, and of several the one that took the same time."""
    around, tool = call.fields.get("parent_span_id"), call.fields.get("tool_name")
    if around is None or tool is None:
        return None
    matching = [
        span
        for span in spans.values()
        if span.fields.get("parent_span_id") == around
        and span.fields.get("tool_name") == tool
        and not _differ(call, span, "call_key")
    ]
    took_ns = call.end_ns - call.start_ns
    return min(
        matching,
        key=lambda span: (_differ(call, span, "input_preview"), abs(span.end_ns - span.start_ns - took_ns), span.order),
        default=None,
    )


def _concurrent(call: _Call, spans: Mapping[str, _Call]) -> _Call | None:
    """The captured span of the same name that runs at the same time, and of several the one that ends closest."""
    name = _NAMES[str(call.fields.get("operation_type"))]
    matching = [
        span
        for span in spans.values()
        if span.start_ns <= call.end_ns
        and call.start_ns <= span.end_ns
        and not _differ(call, span, name)
        and not _differ(call, span, "call_key")
    ]
    return min(matching, key=lambda span: (abs(span.end_ns - call.end_ns), span.order), default=None)


def _differ(call: _Call, other: _Call, field: str) -> bool:
    own, others = call.fields.get(field), other.fields.get(field)
    return own is not None and others is not None and own != others


def _is_request(call: _Call) -> bool:
    """Whether a call has neither usage nor a failure: a record of the request alone."""
    fields = call.fields
    return fields.get("operation_type") == "completion" and not (
        "needs_call" in fields or fields.get("status") == "error" or any(name in fields for name in USAGE_FIELDS)
    )


def _is_failure_of_usage(call: _Call) -> bool:
    fields = call.fields
    return (
        "needs_call" in fields and fields.get("status") == "error" and not any(name in fields for name in USAGE_FIELDS)
    )


def _is_repeated(call: _Call, failed: _Call, requests: Mapping[str, _Call]) -> bool:
    """Whether a record repeats the failure of a request, after which none was sent."""
    is_latest = not any(failed.start_ns < request.start_ns <= call.end_ns for request in requests.values())
    return is_latest and _is_failure_of_usage(call) and not _differ(call, failed, "model_name")


def _sent_before(call: _Call, requests: Mapping[str, _Call]) -> _Call | None:
    """The request of a call: the latest that was sent during it. Usage has no duration, so any earlier one may be."""
    first_ns = 0 if "needs_call" in call.fields else call.start_ns - _TOLERANCE_NS
    during = [
        request
        for request in requests.values()
        if first_ns <= request.start_ns <= call.end_ns and not _differ(call, request, "model_name")
    ]
    return max(during, key=lambda request: (request.start_ns, request.span_id), default=None)
