"""Read log records that contain a span's messages into fields of that span."""

from collections.abc import Iterable
from typing import cast

from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import NS_PER_DAY

from .event_messages import log_messages
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
        time_ns = cast(int, message[0])
        if now_ns is not None and not 0 < time_ns <= now_ns + NS_PER_DAY:
            time_ns = now_ns
        start_ns[span] = min(time_ns, start_ns.get(span, time_ns))
    return [
        (trace_id, SpanFields(span_id=span_id, start_ns=start_ns[trace_id, span_id], log_messages=messages))
        for (trace_id, span_id), messages in by_span.items()
    ]
