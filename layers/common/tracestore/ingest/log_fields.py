"""Read log records that contain a span's messages into fields of that span."""

from collections.abc import Iterable
from typing import cast

from tracestore.domain.chat_messages import Object
from tracestore.domain.json_values import parse_container
from tracestore.domain.log_messages import LogMessage, log_message
from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import NS_PER_DAY

from .content import event_body, event_messages
from .content_tables import MESSAGE_EVENTS
from .otlp import OtlpLog


def log_fields(records: Iterable[OtlpLog], *, now_ns: int | None = None) -> list[tuple[str, SpanFields]]:
    """The messages in log records as fields of their spans, each span once, with its trace id.

    Records without messages are skipped. The fields include a start time, which applies until the span itself reports
    one: the time of the first message. `now_ns`, if given, replaces the time of a message that has none, or one more
    than a day in the future, where no span may start.
    """
    by_span: dict[tuple[str, str], list[Json]] = {}
    start_ns: dict[tuple[str, str], int] = {}
    for trace_id, span_id, message in log_messages(records):
        span = (trace_id, span_id)
        by_span.setdefault(span, []).append(message)
        time_ns = stored_time_ns(cast(int, message[0]), now_ns)
        start_ns[span] = min(time_ns, start_ns.get(span, time_ns))
    return [
        (trace_id, SpanFields(span_id=span_id, start_ns=start_ns[trace_id, span_id], log_messages=messages))
        for (trace_id, span_id), messages in by_span.items()
    ]


def stored_time_ns(time_ns: int, now_ns: int | None) -> int:
    """The time of a record, or `now_ns` in place of one that is missing or more than a day in the future."""
    return time_ns if now_ns is None or 0 < time_ns <= now_ns + NS_PER_DAY else now_ns


def log_messages(records: Iterable[OtlpLog]) -> list[tuple[str, str, LogMessage]]:
    """The messages in log records, each with its trace id and span id. Records without messages are skipped."""
    messages = []
    for record in records:
        if not record.trace_id or not record.span_id:
            continue
        event_name = record.event_name or record.attributes.get("event.name")
        name = event_name if isinstance(event_name, str) else ""
        for index, (direction, message) in enumerate(event_messages(name, _event_content(record, name))):
            messages.append((record.trace_id, record.span_id, log_message(record.time_ns, index, direction, message)))
    return messages


def _event_content(record: OtlpLog, name: str) -> Object:
    """The content of a record's event: the body for a message; body and attributes for any other event."""
    body = parse_container(record.body)
    if body is None:
        return event_body(name, record.attributes)
    if isinstance(body, dict):
        return body if name in MESSAGE_EVENTS else {**body, **record.attributes}
    return {"content": body} if name in MESSAGE_EVENTS else record.attributes
