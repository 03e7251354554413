"""Spans in: one, many, or a change to one that is stored already."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final, cast

from tracestore.api.otlp.exports import (
    Reported,
    Signal,
    encoding_of,
    export_answer,
    export_body,
    otlp_error_answer,
    rejected_records,
    small_enough,
)
from tracestore.api.traces.responses import span_response
from tracestore.domain.errors import Conflict, Detail, Invalid, NotFound
from tracestore.domain.merge import Span
from tracestore.domain.spans import FROM_LOGS, PAYLOAD_FIELDS, Json, SpanFields, span_uuid
from tracestore.domain.times import NS_PER_DAY, NS_PER_MS
from tracestore.http.app import App
from tracestore.http.identity import Identity
from tracestore.http.parameters import is_id
from tracestore.http.request import Request
from tracestore.http.response import Response, json_answer
from tracestore.http.wiring import deadline_for, redactor, store
from tracestore.ingest.conventions import spans_fields
from tracestore.ingest.json_body import parse_json
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.native import (
    Capture,
    Patch,
    Rejection,
    apply_duration,
    parse_capture,
    parse_patch,
    refuse_too_large,
)
from tracestore.ingest.otlp import Export, WireFormat, read_logs, read_traces
from tracestore.storage.patching import patch
from tracestore.storage.writer import Rejection as Refusal
from tracestore.storage.writer import capture, capture_one

DETAILS_MOST: Final = 20

app = App()
handler = app.handle


@app.route("POST /api/analytics/traces", scope="ingest")
def capture_spans(request: Request, caller: Identity) -> Response:
    """Store one span, or many: the good ones are kept, and each bad one is named."""
    request.only()
    body = request.body()
    sent = parse_capture(parse_json(body), now_ns=request.now_ms * NS_PER_MS, body_bytes=len(body))
    if sent.single:
        ((_, trace_id, fields),) = sent.spans
        head, span = capture_one(
            store(), caller.user_id, trace_id, redactor().redact(fields), deadline_for(request.remaining_ms)
        )
        return span_response(caller.user_id, trace_id, head, span, 201)
    return _capture_many(request, caller, sent)


@app.route("PATCH /api/analytics/traces/{trace_id}/spans/{span_id}", scope="ingest")
def change_span(request: Request, caller: Identity) -> Response:
    """Change a span: end it, add its output, correct it. A field is replaced whole; null changes nothing."""
    request.only()
    trace_id, span_id = request.path["trace_id"], request.path["span_id"]
    if not is_id(trace_id) or not is_id(span_id):
        raise NotFound("There is no such span.")
    body = request.body()
    sent = parse_patch(parse_json(body), now_ns=request.now_ms * NS_PER_MS, body_bytes=len(body))
    fields = redactor().redact(cast(SpanFields, sent.fields))
    head, span = patch(
        store(),
        caller.user_id,
        trace_id,
        span_id,
        lambda stored: _changed(stored, Patch(cast(dict[str, Json], {**fields}), sent.duration_ns)),
        deadline_for(request.remaining_ms),
    )
    return span_response(caller.user_id, trace_id, head, span)


@app.route("POST /v1/traces", scope="ingest", errors=otlp_error_answer)
@app.route("POST /api/public/otel/v1/traces", scope="ingest", errors=otlp_error_answer)
@app.route("POST /otel/v1/traces", scope="ingest", errors=otlp_error_answer)
def export_spans(request: Request, caller: Identity) -> Response:
    """Store the spans of an OTLP export; the Langfuse and LangSmith clients have paths of their own."""
    encoding = encoding_of(request)
    body = export_body(request, encoding)
    export = read_traces(body, encoding, latest_start_ns=request.now_ms * NS_PER_MS + NS_PER_DAY)
    body_bytes = len(body)
    del body  # up to 64 MiB that nobody needs any more
    told = small_enough(spans_fields(export.records), export, body_bytes)
    spans = [(trace_id, redactor().redact(fields)) for trace_id, fields in told]
    refused = capture(store(), caller.user_id, spans, deadline_for(request.remaining_ms))
    return _export_answer("traces", encoding, export, spans, refused)


@app.route("POST /v1/logs", scope="ingest", errors=otlp_error_answer)
def export_logs(request: Request, caller: Identity) -> Response:
    """Join the messages among the log records of an OTLP export to their spans; all other records are dropped."""
    encoding = encoding_of(request)
    body = export_body(request, encoding)
    export = read_logs(body, encoding)
    told = small_enough(log_fields(export.records, now_ns=request.now_ms * NS_PER_MS), export, len(body))
    spans = [(trace_id, redactor().redact(fields)) for trace_id, fields in told]
    refused = capture(store(), caller.user_id, spans, deadline_for(request.remaining_ms), precedence=FROM_LOGS)
    return _export_answer("logs", encoding, export, spans, refused)


@app.route("POST /v1/metrics", scope="ingest", errors=otlp_error_answer)
def export_metrics(request: Request, _caller: Identity) -> Response:
    """Accept and drop metrics, so that an exporter of all signals does not fail."""
    return export_answer("metrics", encoding_of(request), 0, ())


def _export_answer(
    signal: Signal, encoding: WireFormat, export: Export[Any], spans: Reported, refused: Sequence[Refusal]
) -> Response:
    """What an export is answered, once all of its good records are stored."""
    reasons = [*export.reasons, *(refusal.message for refusal in refused)]
    rejected = rejected_records(spans, ((refusal.trace_id, refusal.span_id) for refusal in refused))
    answer = export_answer(signal, encoding, export.rejected + rejected, reasons)
    return replace(answer, span_count=len(spans) - len(refused))


def _capture_many(request: Request, caller: Identity, sent: Capture) -> Response:
    """Store the good spans of a batch. *raises* Invalid when there is none."""
    spans = [(trace_id, redactor().redact(fields)) for _, trace_id, fields in sent.spans]
    refused = capture(store(), caller.user_id, spans, deadline_for(request.remaining_ms))
    refusals = {(refusal.trace_id, refusal.span_id): refusal for refusal in refused}
    stored: list[dict[str, str]] = []
    rejected = list(sent.rejected)
    for index, trace_id, fields in sent.spans:
        span_id = fields["span_id"]
        if refusal := refusals.get((trace_id, span_id)):
            rejected.append(Rejection(index, refusal.code, refusal.message))
        else:
            stored.append(
                {"id": span_uuid(caller.user_id, trace_id, span_id), "trace_id": trace_id, "span_id": span_id}
            )
    rejected.sort(key=lambda rejection: rejection.index)
    if not stored:
        raise _all_rejected(rejected)
    return json_answer({"data": stored, "rejected": [asdict(bad) for bad in rejected]}, 201, span_count=len(stored))


def _all_rejected(rejected: list[Rejection]) -> Invalid:
    details = tuple(Detail(f"spans[{bad.index}]", bad.message) for bad in rejected[:DETAILS_MOST])
    return Invalid("None of the spans could be stored; see details.", code="all_spans_rejected", details=details)


def _changed(stored: Span, sent: Patch) -> SpanFields:
    """The facts that lay `sent` over the span as it is. *raises* Conflict when that would reopen it, Invalid."""
    fields = sent.fields
    if not fields.keys().isdisjoint(PAYLOAD_FIELDS):
        refuse_too_large({**cast(dict[str, Json], stored.fields), **fields})
    if fields.get("status") == "pending":
        if stored.status != "pending":
            raise Conflict("The span has ended, and an ended span does not become pending again.", code="span_ended")
        del fields["status"]
    start_ns, end_ns = fields.get("start_ns", stored.fields["start_ns"]), fields.get("end_ns")
    if end_ns is not None or sent.duration_ns is not None:
        end_ns = apply_duration(cast(int, start_ns), cast("int | None", end_ns), sent.duration_ns)
        fields["end_ns"] = end_ns
    elif "end_ns" in stored.fields:
        apply_duration(cast(int, start_ns), stored.fields["end_ns"], None)
    return cast(SpanFields, fields)
