"""Routes of other SDKs: the protocols in which they send spans and scores.

They are those of LangSmith, Langfuse, the OpenAI Agents SDK, Opik and Phoenix.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from tracestore.api.sdk import langfuse_cursor_lists
from tracestore.api.sdk.langfuse_reading import (
    list_observations,
    list_scores,
    list_traces,
    session_json,
    trace_json,
)
from tracestore.api.sdk.storing import Stored, store, with_trace
from tracestore.api.traces.scores import store_score
from tracestore.domain.errors import Invalid, NotFound, Unavailable
from tracestore.domain.json_body import parse_json
from tracestore.domain.times import NS_PER_MS
from tracestore.http.app import ANY, App
from tracestore.http.cursors import ListCursor
from tracestore.http.identity import Identity
from tracestore.http.request import MAX_FORM_BYTES, MAX_SPANS_BYTES, Request
from tracestore.http.response import Response, json_bytes, json_response
from tracestore.http.wiring import ingest_writer, reader, redactor
from tracestore.ingest.scores import Problem
from tracestore.ingest.sdk_agents import agents_batch
from tracestore.ingest.sdk_langfuse import langfuse_batch, langfuse_scores
from tracestore.ingest.sdk_langsmith import (
    SentRuns,
    feedback_score,
    langsmith_batch,
    run_alone,
    runs_of_batch,
    runs_of_parts,
)
from tracestore.ingest.sdk_multipart import read_parts
from tracestore.ingest.sdk_opik import (
    changed,
    span_scores,
    trace_scores,
    written_alone,
    written_spans,
    written_traces,
)
from tracestore.ingest.sdk_phoenix import phoenix_annotations, phoenix_note
from tracestore.ingest.sdk_reports import Batch

RUNS_PER_BATCH: Final = 100
BATCH_BYTES: Final = 4_000_000
"""The most that a LangSmith client may send at once: less than the 4.5 MB that Lambda accepts as base64."""

INFO: Final[dict[str, Any]] = {
    "version": "0.12.0",
    "license_expiration_time": None,
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "scale_up_qsize_trigger": 1_000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
        "size_limit": RUNS_PER_BATCH,
        "size_limit_bytes": BATCH_BYTES,
    },
    "instance_flags": {"zstd_compression_enabled": True, "gzip_body_enabled": True},
}
"""The capabilities by which LangSmith's SDKs choose routes, encodings and sizes. `version` is that of the service whose
protocol this is."""

app = App()
handler = app.handle


@app.route("GET /info", scope=ANY)
def show_info(_request: Request, _caller: Identity) -> Response:
    """Show what LangSmith's SDKs may send: routes, encodings, and the size of a batch."""
    return _json(INFO)


@app.route("POST /runs/multipart", scope="ingest")
def receive_run_parts(request: Request, caller: Identity) -> Response:
    """Store the runs, attachments and feedback of LangSmith's SDKs."""
    body = request.body()
    parts = read_parts(body, request.headers.get("content-type", ""))
    return _stored_runs(request, caller, runs_of_parts(parts), body)


@app.route("POST /runs/batch", scope="ingest")
def receive_runs(request: Request, caller: Identity) -> Response:
    """Store the runs that older LangSmith SDKs send as one JSON body."""
    body = request.body(MAX_SPANS_BYTES)
    return _stored_runs(request, caller, runs_of_batch(parse_json(body)), body)


@app.route("POST /runs", scope="ingest")
def receive_run(request: Request, caller: Identity) -> Response:
    """Store one run of a LangSmith SDK that sends no batches."""
    body = request.body(MAX_SPANS_BYTES)
    return _stored_runs(request, caller, run_alone(parse_json(body)), body)


@app.route("PATCH /runs/{run_id}", scope="ingest")
def change_run(request: Request, caller: Identity) -> Response:
    """Amend one run of a LangSmith SDK that sends no batches."""
    body = request.body(MAX_SPANS_BYTES)
    sent = parse_json(body)
    if not isinstance(sent, dict):
        raise Invalid("Send the changes of a run as a JSON object.")
    run = with_trace(ingest_writer(request, caller), sent, request.path["run_id"])
    return _stored_runs(request, caller, run_alone(run, request.path["run_id"]), body)


@app.route("POST /feedback", scope="annotate")
def receive_feedback(request: Request, caller: Identity) -> Response:
    """Store one feedback of a LangSmith SDK as an annotation. Its run is looked up where it names no trace."""
    score = feedback_score(parse_json(request.body(MAX_FORM_BYTES)))
    if isinstance(score, Problem):
        raise Invalid(score.message)
    return _json({"id": store_score(ingest_writer(request, caller), redactor(), score)})


@app.route("POST /api/public/ingestion", scope="ingest")
def receive_events(request: Request, caller: Identity) -> Response:
    """Store the events of Langfuse's SDKs. The response names each event, with its status."""
    body = request.body(MAX_SPANS_BYTES)
    batch, event_ids = langfuse_batch(parse_json(body), now_ns=request.now_ms * NS_PER_MS)
    stored = store(request, caller, batch, body)
    problems = {problem.source: problem for problem in stored.problems}
    successes = [{"id": event_id, "status": 201} for event_id in event_ids if event_id not in problems]
    errors = [
        {"id": event_id, "status": problems[event_id].status, "message": problems[event_id].message}
        for event_id in event_ids
        if event_id in problems
    ]
    return replace(_json({"successes": successes, "errors": errors}, 207), span_count=stored.report_count)


@app.route("POST /api/public/scores", scope="annotate")
def receive_scores(request: Request, caller: Identity) -> Response:
    """Store one score of a Langfuse SDK, or an array of them, as annotations."""
    body = request.body(MAX_SPANS_BYTES)
    value = parse_json(body)
    stored = store(request, caller, langfuse_scores(value), body)
    if not isinstance(value, list):
        stored.raise_if_incomplete()
        return _json({"id": stored.scores[0]})
    if not stored.problems:
        return _json({"message": "Accepted"})
    errors = [
        {"index": int(problem.source), "status": problem.status, "message": problem.message}
        for problem in sorted(stored.problems, key=lambda problem: int(problem.source))
    ]
    return _json({"accepted": len(stored.scores), "rejected": len(errors), "errors": errors}, 207)


@app.route("GET /api/public/traces", scope="read")
def return_traces(request: Request, caller: Identity) -> Response:
    """List traces for the client of Langfuse's API, newest first, in pages by number."""
    return _json(list_traces(reader(request, caller), request.query))


@app.route("GET /api/public/traces/{trace_id}", scope="read")
def return_trace(request: Request, caller: Identity) -> Response:
    """Return one trace with its observations and scores to the client of Langfuse's API."""
    return _json(trace_json(reader(request, caller), request.path["trace_id"]))


@app.route("GET /api/public/observations", scope="read")
def return_observations(request: Request, caller: Identity) -> Response:
    """List observations for the client of Langfuse's API: those of one trace, or of the newest traces."""
    return _json(list_observations(reader(request, caller), request.query))


@app.route("GET /api/public/sessions/{session_id}", scope="read")
def return_session(request: Request, caller: Identity) -> Response:
    """Return the traces of one conversation to the client of Langfuse's API."""
    return _json(session_json(reader(request, caller), request.path["session_id"]))


@app.route("GET /api/public/scores", scope="read")
@app.route("GET /api/public/v2/scores", scope="read")
def return_scores(request: Request, caller: Identity) -> Response:
    """List annotations as scores for the client of Langfuse's API: those of the newest traces that have any."""
    return _json(list_scores(reader(request, caller), request.query))


@app.route("GET /api/public/v2/observations", scope="read")
def return_observations_by_cursor(request: Request, caller: Identity) -> Response:
    """List observations for the client of Langfuse's API since version 5, newest trace first, in pages by cursor."""
    cursor = ListCursor(request, caller, not_bound=("fields",))
    return _json(langfuse_cursor_lists.list_observations(reader(request, caller), request.query, cursor))


@app.route("GET /api/public/v3/scores", scope="read")
def return_scores_by_cursor(request: Request, caller: Identity) -> Response:
    """List annotations as scores for the client of Langfuse's API since version 5, in pages by cursor."""
    cursor = ListCursor(request, caller, not_bound=("fields",))
    return _json(langfuse_cursor_lists.list_scores(reader(request, caller), request.query, cursor))


@app.route("POST /v1/traces/ingest", scope="ingest")
def receive_items(request: Request, caller: Identity) -> Response:
    """Store the traces and spans of the OpenAI Agents SDK."""
    body = request.body(MAX_SPANS_BYTES)
    stored = store(request, caller, agents_batch(parse_json(body), now_ns=request.now_ms * NS_PER_MS), body)
    stored.raise_if_incomplete()
    return json_response({}, span_count=stored.report_count)


@app.route("GET /is-alive/ping", scope=ANY)
@app.route("GET /api/is-alive/ping", scope=ANY)
def confirm_connection(_request: Request, _caller: Identity) -> Response:
    """Confirm the connection to Opik's SDKs, which hold back what they have to send until it is confirmed."""
    return _json({"message": "Healthy Server", "healthy": True})


@app.route("POST /v1/private/traces/batch", scope="ingest")
@app.route("POST /api/v1/private/traces/batch", scope="ingest")
def receive_opik_traces(request: Request, caller: Identity) -> Response:
    """Store the traces of Opik's SDKs, each of which is the root of its spans."""
    return _stored_writes(request, caller, written_traces)


@app.route("POST /v1/private/spans/batch", scope="ingest")
@app.route("POST /api/v1/private/spans/batch", scope="ingest")
def receive_opik_spans(request: Request, caller: Identity) -> Response:
    """Store the spans of Opik's SDKs."""
    return _stored_writes(request, caller, written_spans)


@app.route("POST /v1/private/traces", scope="ingest")
@app.route("POST /api/v1/private/traces", scope="ingest")
def receive_opik_trace(request: Request, caller: Identity) -> Response:
    """Store one trace of an Opik SDK that sends no batches."""
    return _stored_writes(request, caller, partial(written_alone, kind="trace"))


@app.route("POST /v1/private/spans", scope="ingest")
@app.route("POST /api/v1/private/spans", scope="ingest")
def receive_opik_span(request: Request, caller: Identity) -> Response:
    """Store one span of an Opik SDK that sends no batches."""
    return _stored_writes(request, caller, partial(written_alone, kind="span"))


@app.route("PATCH /v1/private/traces/{opik_id}", scope="ingest")
@app.route("PATCH /api/v1/private/traces/{opik_id}", scope="ingest")
def change_opik_trace(request: Request, caller: Identity) -> Response:
    """Amend a trace of an Opik SDK, also before it has arrived."""
    return _stored_writes(request, caller, partial(changed, kind="trace", sent_id=request.path["opik_id"]))


@app.route("PATCH /v1/private/spans/{opik_id}", scope="ingest")
@app.route("PATCH /api/v1/private/spans/{opik_id}", scope="ingest")
def change_opik_span(request: Request, caller: Identity) -> Response:
    """Amend a span of an Opik SDK, also before it has arrived."""
    return _stored_writes(request, caller, partial(changed, kind="span", sent_id=request.path["opik_id"]))


@app.route("PUT /v1/private/traces/feedback-scores", scope="annotate")
@app.route("PUT /api/v1/private/traces/feedback-scores", scope="annotate")
def receive_opik_trace_scores(request: Request, caller: Identity) -> Response:
    """Store the feedback scores of an Opik SDK about traces as annotations."""
    return _stored_writes(request, caller, lambda value, **_: trace_scores(value))


@app.route("PUT /v1/private/spans/feedback-scores", scope="annotate")
@app.route("PUT /api/v1/private/spans/feedback-scores", scope="annotate")
def receive_opik_span_scores(request: Request, caller: Identity) -> Response:
    """Store the feedback scores of an Opik SDK about spans as annotations. Their traces are looked up."""
    return _stored_writes(request, caller, lambda value, **_: span_scores(value))


def _stored_writes(request: Request, caller: Identity, decode: Callable[..., Batch]) -> Response:
    """Store a request of an Opik SDK. The SDK reads nothing but the status."""
    body = request.body(MAX_SPANS_BYTES)
    batch = decode(parse_json(body), now_ns=request.now_ms * NS_PER_MS)
    stored = store(request, caller, batch, body)
    # The SDK sends scores at the same time as spans, and sends a request again after this failure.
    stored.raise_if_unknown(
        Unavailable("A span with a score is not stored yet. Send the scores again after the spans.")
    )
    stored.raise_if_incomplete()
    return Response(204, span_count=stored.report_count)


@app.route("POST /v1/span_annotations", scope="annotate")
def receive_span_annotations(request: Request, caller: Identity) -> Response:
    """Store the annotations of a Phoenix client about spans. Their traces are looked up."""
    body = request.body(MAX_SPANS_BYTES)
    return _stored_annotations(request, caller, phoenix_annotations(parse_json(body), "span"), body)


@app.route("POST /v1/trace_annotations", scope="annotate")
def receive_trace_annotations(request: Request, caller: Identity) -> Response:
    """Store the annotations of a Phoenix client about traces."""
    body = request.body(MAX_SPANS_BYTES)
    return _stored_annotations(request, caller, phoenix_annotations(parse_json(body), "trace"), body)


@app.route("POST /v1/span_notes", scope="annotate")
def receive_span_note(request: Request, caller: Identity) -> Response:
    """Store the note of a Phoenix client about a span as an annotation. The trace of the span is looked up."""
    body = request.body(MAX_SPANS_BYTES)
    batch = phoenix_note(parse_json(body))
    (note_id,) = _annotation_ids(request, caller, batch, body).values()
    return _json({"data": {"id": note_id}})


def _stored_annotations(request: Request, caller: Identity, batch: Batch, body: bytes) -> Response:
    ids = _annotation_ids(request, caller, batch, body)
    return _json({"data": [{"id": annotation_id} for annotation_id in ids.values()]})


def _annotation_ids(request: Request, caller: Identity, batch: Batch, body: bytes) -> dict[str, str]:
    """Store annotations. Returns the id of each by its source, in order; the first where one is stored as two."""
    stored = store(request, caller, batch, body)
    stored.raise_if_unknown(NotFound("An annotated span is not stored."))
    stored.raise_if_incomplete()
    ids: dict[str, str] = {}
    for score, annotation_id in zip(batch.scores, stored.scores, strict=True):
        ids.setdefault(score.source, annotation_id)
    return ids


def _stored_runs(request: Request, caller: Identity, sent: SentRuns, body: bytes) -> Response:
    stored: Stored = store(request, caller, langsmith_batch(sent, now_ns=request.now_ms * NS_PER_MS), body)
    stored.raise_if_incomplete()
    return replace(_json({"message": "Runs batch ingested"}, 202), span_count=stored.report_count)


def _json(content: Any, status: int = 200) -> Response:
    """A response in the form that the SDK reads."""
    return Response(status, json_bytes(content), {"content-type": "application/json"})
