"""Routes that store: JSON captures, changes to a stored span, annotations, and OTLP exports."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final, cast

from tracestore.api.otlp.exports import (
    ReportedSpans,
    Signal,
    encoding_of,
    export_body,
    named_signal,
    otlp_error_response,
    otlp_response,
    rejected_records,
    within_span_limit,
)
from tracestore.api.traces.annotations import annotation_json
from tracestore.api.traces.responses import span_response
from tracestore.api.traces.scores import store_scores
from tracestore.domain.errors import Conflict, Detail, Invalid
from tracestore.domain.json_body import parse_json
from tracestore.domain.merge import Span
from tracestore.domain.spans import CAPTURED, FROM_LOGS, PAYLOAD_FIELDS, Json, SpanFields, span_uuid
from tracestore.domain.times import NS_PER_MS
from tracestore.http.app import App
from tracestore.http.identity import Identity
from tracestore.http.parameters import path_id
from tracestore.http.request import MAX_FORM_BYTES, MAX_SPANS_BYTES, Request
from tracestore.http.response import Response, json_response
from tracestore.http.wiring import ingest_writer, redactor
from tracestore.ingest.agent_events import agent_fields
from tracestore.ingest.agent_spans import outcomes_of_tools, with_turns
from tracestore.ingest.annotations import parse_annotation
from tracestore.ingest.evaluations import evaluations_in_logs, evaluations_in_spans
from tracestore.ingest.log_fields import log_fields
from tracestore.ingest.media import MediaCollector
from tracestore.ingest.native import (
    Capture,
    Patch,
    Rejection,
    parse_capture,
    parse_patch,
    refuse_too_large,
    times_of,
)
from tracestore.ingest.otlp import Export, WireFormat, read_logs, read_traces
from tracestore.ingest.span_fields import spans_fields
from tracestore.storage.user_store import Rejection as StoreRejection

DETAILS_MOST: Final = 20
"""Rejected spans that an error names. All of them are named when at least one span was stored."""

NO_SUCH_SPAN: Final = "There is no such span."
NO_SUCH_TRACE: Final = "There is no such trace."

DEFAULT_SOURCES: Final[Mapping[str, str]] = {"jwt": "user", "api_key": "api"}
"""The source of an annotation that names none, by the credential: a person or a program."""

app = App()
handler = app.handle


@app.route("POST /api/analytics/traces", scope="ingest")
def capture_spans(request: Request, caller: Identity) -> Response:
    """Store one span or a batch. Valid spans of a batch are stored, and the response names each rejected one."""
    request.only()
    body = request.body(MAX_SPANS_BYTES)
    media = MediaCollector(body)
    sent = parse_capture(media.take(parse_json(body)), now_ns=request.now_ms * NS_PER_MS, body_bytes=len(body))
    if sent.single:
        ((_, trace_id, fields),) = sent.spans
        head, span = ingest_writer(request, caller).capture_one(trace_id, redactor().redact(fields), media.found)
        return span_response(caller.owner_id, trace_id, head, span, 201)
    return _capture_many(request, caller, sent, media)


@app.route("PATCH /api/analytics/traces/{trace_id}/spans/{span_id}", scope="ingest")
def change_span(request: Request, caller: Identity) -> Response:
    """Change a stored span. Each field sent replaces the stored one; null changes nothing."""
    request.only()
    trace_id, span_id = path_id(request, "trace_id", NO_SUCH_SPAN), path_id(request, "span_id", NO_SUCH_SPAN)
    body = request.body(MAX_SPANS_BYTES)
    media = MediaCollector(body)
    sent = parse_patch(media.take(parse_json(body)), now_ns=request.now_ms * NS_PER_MS, body_bytes=len(body))
    fields = redactor().redact(cast(SpanFields, sent.fields))
    change = Patch(cast(dict[str, Json], {**fields}), sent.duration_ns)
    head, span = ingest_writer(request, caller).patch(
        trace_id, span_id, lambda stored: _changed(stored, change), media.found
    )
    return span_response(caller.owner_id, trace_id, head, span)


@app.route("PUT /api/analytics/traces/{trace_id}/annotations/{name}", scope="annotate")
def put_annotation(request: Request, caller: Identity) -> Response:
    """Attach a score, a label or a note to a trace or to one of its spans, in place of the one with the same id."""
    request.only()
    trace_id = path_id(request, "trace_id", NO_SUCH_TRACE)
    annotation = parse_annotation(
        request.path["name"],
        parse_json(request.body(MAX_FORM_BYTES)),
        default_source=DEFAULT_SOURCES[caller.credential],
        redactor=redactor(),
    )
    stored, head = ingest_writer(request, caller).annotate(trace_id, annotation)
    return json_response({"data": annotation_json(trace_id, stored, head)})


@app.route("POST /v1/traces", scope="ingest", errors=otlp_error_response)
@app.route("POST /api/public/otel/v1/traces", scope="ingest", errors=otlp_error_response)
@app.route("POST /otel/v1/traces", scope="ingest", errors=otlp_error_response)
@app.route("POST /api/otel/v1/traces", scope="ingest", errors=otlp_error_response)
@app.route("POST /api/v1/otel/v1/traces", scope="ingest", errors=otlp_error_response)
@app.route("POST /api/v1/private/otel/v1/traces", scope="ingest", errors=otlp_error_response)
def export_spans(request: Request, caller: Identity) -> Response:
    """Store the spans of an OTLP export. The other paths are the fixed ones of some clients."""
    encoding = encoding_of(request)
    body = export_body(request, encoding)
    export = read_traces(body, encoding)
    body_bytes, media = len(body), MediaCollector(body)
    del body  # up to 64 MiB that are not needed any more
    records = with_turns(export.records)
    reported = within_span_limit(media.take_from(spans_fields(records)), export, body_bytes)
    masking = redactor()
    spans = [(trace_id, masking.redact(fields)) for trace_id, fields in reported]
    traces = ingest_writer(request, caller)
    rejections = traces.capture(spans, media=media.found, texts=masking.texts)
    if outcomes := outcomes_of_tools(records):
        traces.capture([(trace_id, masking.redact(fields)) for trace_id, fields in outcomes], precedence=FROM_LOGS)
    evaluations = evaluations_in_spans(records)
    _, problems = store_scores(traces, masking, caller, evaluations.scores)
    # The spans with these events are stored: none is rejected.
    export.reasons += [problem.message for problem in (*evaluations.problems, *problems)]
    return _otlp_response("traces", encoding, export, spans, rejections)


@app.route("POST /v1/logs", scope="ingest", errors=otlp_error_response)
def export_logs(request: Request, caller: Identity) -> Response:
    """Add the messages in log records to their spans, and evaluations as annotations. Other records are dropped."""
    encoding = encoding_of(request)
    body = export_body(request, encoding)
    export = read_logs(body, encoding)
    media = MediaCollector(body)
    now_ns = request.now_ms * NS_PER_MS
    evaluations, records = evaluations_in_logs(export.records)
    from_agents, others = agent_fields(records, now_ns=now_ns)
    logged = media.take_from([*from_agents, *log_fields(others, now_ns=now_ns)])
    reported = within_span_limit(logged, export, len(body))
    masking = redactor()
    spans = [(trace_id, masking.redact(fields)) for trace_id, fields in reported]
    traces = ingest_writer(request, caller)
    rejections = traces.capture(spans, precedence=FROM_LOGS, media=media.found, texts=masking.texts)
    _, refused = store_scores(traces, masking, caller, evaluations.scores)
    problems = [*evaluations.problems, *refused]
    export.rejected += len({problem.source for problem in problems})
    export.reasons += [problem.message for problem in problems]
    return _otlp_response("logs", encoding, export, spans, rejections)


@app.route("POST /v1/metrics", scope="ingest", errors=otlp_error_response)
def export_metrics(request: Request, _caller: Identity) -> Response:
    """Accept and drop metrics, so that exporters of all signals do not fail."""
    return otlp_response("metrics", encoding_of(request), 0, ())


@app.route("POST /", scope="ingest", errors=otlp_error_response)
def export_signal(request: Request, caller: Identity) -> Response:
    """Store an export of a client that adds no path to the address, whatever its signal. Older Gemini CLI is one."""
    handlers = {"traces": export_spans, "logs": export_logs, "metrics": export_metrics}
    return handlers[named_signal(request)](request, caller)


def _otlp_response(
    signal: Signal,
    encoding: WireFormat,
    export: Export[Any],
    spans: ReportedSpans,
    rejections: Sequence[StoreRejection],
) -> Response:
    """The response to an export whose valid records are stored."""
    reasons = [*export.reasons, *(rejection.message for rejection in rejections)]
    rejected = rejected_records(spans, ((rejection.trace_id, rejection.span_id) for rejection in rejections))
    rejected += export.rejected
    response = otlp_response(signal, encoding, rejected, reasons)
    return replace(response, span_count=len(spans) - len(rejections), rejected_count=rejected)


def _capture_many(request: Request, caller: Identity, sent: Capture, media: MediaCollector) -> Response:
    """Store the valid spans of a batch. *raises*: Invalid when none could be stored."""
    masking = redactor()
    by_precedence: dict[int, list[tuple[str, SpanFields]]] = {}
    for index, trace_id, fields in sent.spans:
        precedence = FROM_LOGS if index in sent.from_logs else CAPTURED
        by_precedence.setdefault(precedence, []).append((trace_id, masking.redact(fields)))
    stored_traces = ingest_writer(request, caller)
    store_rejections = {
        (rejection.trace_id, rejection.span_id): rejection
        for precedence, spans in by_precedence.items()
        for rejection in stored_traces.capture(spans, precedence=precedence, media=media.found, texts=masking.texts)
    }
    stored: list[dict[str, str]] = []
    rejected = list(sent.rejected)
    for index, trace_id, fields in sent.spans:
        span_id = fields["span_id"]
        if rejection := store_rejections.get((trace_id, span_id)):
            rejected.append(Rejection(index, rejection.code, rejection.message))
        else:
            stored.append(
                {"id": span_uuid(caller.owner_id, trace_id, span_id), "trace_id": trace_id, "span_id": span_id}
            )
    rejected.sort(key=lambda bad_span: bad_span.index)
    if not stored:
        raise _all_rejected(rejected)
    content = {"data": stored, "rejected": [asdict(bad_span) for bad_span in rejected]}
    return replace(json_response(content, 201, span_count=len(stored)), rejected_count=len(rejected))


def _all_rejected(rejected: list[Rejection]) -> Invalid:
    details = tuple(Detail(f"spans[{bad_span.index}]", bad_span.message) for bad_span in rejected[:DETAILS_MOST])
    return Invalid("No span could be stored. See details for each span.", code="all_spans_rejected", details=details)


def _changed(stored: Span, sent: Patch) -> SpanFields:
    """The fields that change the stored span as `sent` asks.

    *raises*: Conflict when an ended span would become pending again; Invalid when the span would be larger than 4 MiB,
    or would end before its start.
    """
    fields = dict(sent.fields)  # not changed in place: a retry begins with the fields as sent
    if not fields.keys().isdisjoint(PAYLOAD_FIELDS):
        refuse_too_large({**cast(dict[str, Json], stored.fields), **fields})
    if fields.get("status") == "pending":
        if stored.status != "pending":
            raise Conflict(
                "The span has ended, and an ended span cannot become pending again. Leave status out.",
                code="span_ended",
            )
        del fields["status"]
    start_ns = cast(int, fields.get("start_ns", stored.fields["start_ns"]))
    fields |= times_of(start_ns, cast("int | None", fields.get("end_ns")), sent.duration_ns)
    if "start_ns" in fields and "end_ns" not in fields and "end_ns" in stored.fields:
        times_of(start_ns, stored.fields["end_ns"], None)
    return cast(SpanFields, fields)
