"""Log records that tell what was said during a span, as facts about that span."""

from collections.abc import Iterable
from typing import cast

from tracestore.domain.spans import Json, SpanFields
from tracestore.domain.times import NS_PER_DAY

from .event_messages import log_messages
from .otlp import OtlpLog


def log_fields(records: Iterable[OtlpLog], *, now_ns: int | None = None) -> list[tuple[str, SpanFields]]:
    """The messages in log records as facts, each span once, with its trace's id. Other records give none.

    A start is among them, for as long as nothing else tells when the span began: the time of its first message, or
    `now_ns`, where given, for one without a time and one of more than a day ahead, when no span can start.
    """
    by_span: dict[tuple[str, str], list[Json]] = {}
    start_ns: dict[tuple[str, str], int] = {}
    for trace_id, span_id, told in log_messages(records):
        span = (trace_id, span_id)
        by_span.setdefault(span, []).append(told)
        time_ns = cast(int, told[0])
        if now_ns is not None and not 0 < time_ns <= now_ns + NS_PER_DAY:
            time_ns = now_ns
        start_ns[span] = min(time_ns, start_ns.get(span, time_ns))
    return [
        (trace_id, SpanFields(span_id=span_id, start_ns=start_ns[trace_id, span_id], log_messages=messages))
        for (trace_id, span_id), messages in by_span.items()
    ]
