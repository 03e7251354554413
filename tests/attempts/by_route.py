"""The attempts on each route."""

from collections.abc import Callable, Iterable
from urllib.parse import quote

from tests.api import TRACES
from tests.attempts.account import lesson_deletions, lesson_lists, lesson_paths, lessons, new_keys, saved_views
from tests.attempts.analytics import (
    analytics,
    conversations,
    deletion_records,
    histograms,
    one_conversation,
    storage,
    tool_calls,
)
from tests.attempts.sdks import (
    events,
    exports,
    feedback,
    items,
    langfuse_lists,
    langfuse_pages,
    logs,
    opik,
    phoenix_annotations,
    run_changes,
    runs,
    scores,
)
from tests.attempts.traces import (
    annotation_deletions,
    annotations,
    bulk_deletions,
    captures,
    chosen_deletions,
    downloads,
    lists,
    media,
    new_annotations,
    new_shares,
    share_revocations,
    spans,
    traces,
)
from tests.victim import FIELDS, VIEWS, Attempt, Victim, segments

PAGE = (200, 404)
"""The statuses of the page's document, which need not be built here."""

ATTEMPTS: dict[str, Callable[[Victim], Iterable[Attempt]]] = {
    "POST /api/analytics/traces": captures,
    "PATCH /api/analytics/traces/{trace_id}/spans/{span_id}": lambda victim: spans(victim, {"status": "error"}),
    "GET /api/analytics/traces": lists,
    "GET /api/analytics/traces/{trace_id}": traces,
    "GET /api/analytics/traces/{trace_id}/spans/{span_id}": spans,
    "GET /api/analytics/traces/{trace_id}/neighbours": lambda v: (
        Attempt(f"{TRACES}/{segment}/neighbours") for segment in segments(v, "t")
    ),
    "GET /api/analytics/traces/{trace_id}/media/{sha256}": media,
    "GET /api/analytics/histogram": histograms,
    "PUT /api/analytics/traces/{trace_id}/annotations/{name}": new_annotations,
    "GET /api/analytics/traces/{trace_id}/annotations": annotations,
    "DELETE /api/analytics/traces/{trace_id}/annotations/{name}": annotation_deletions,
    "GET /api/analytics/export": downloads,
    "DELETE /api/analytics/traces": bulk_deletions,
    "DELETE /api/analytics/traces/{trace_id}": lambda v: (Attempt(f"{TRACES}/{s}") for s in segments(v, "t")),
    "DELETE /api/analytics/traces/{trace_id}/spans/{span_id}": spans,
    "POST /api/analytics/traces/{trace_id}/shares": new_shares,
    "GET /api/analytics/traces/{trace_id}/shares": lambda v: (
        Attempt(f"{TRACES}/{segment}/shares", (403, 404)) for segment in segments(v, "t")
    ),
    "DELETE /api/analytics/traces/{trace_id}/shares/{share_id}": share_revocations,
    "POST /api/analytics/traces/delete": chosen_deletions,
    "GET /api/analytics/metrics": lambda v: analytics(v, "metrics"),
    "GET /api/analytics/errors": lambda v: analytics(v, "errors"),
    "GET /api/analytics/providers": lambda v: analytics(v, "providers"),
    "GET /api/analytics/heatmap": lambda v: analytics(v, "heatmap"),
    "GET /api/analytics/costs": lambda v: analytics(v, "costs"),
    "GET /api/analytics/anomalies": lambda v: analytics(v, "anomalies"),
    "GET /api/analytics/conversations": conversations,
    "GET /api/analytics/conversations/{conversation_id}": one_conversation,
    "GET /api/analytics/facets": lambda v: analytics(v, "facets"),
    "GET /api/analytics/lessons": lambda v: (
        *(Attempt("/api/analytics/lessons", (200,), {"lesson_id": text}) for text in ("l", v.name)),
        *(Attempt("/api/analytics/lessons", (400,), {name: v.name}) for name in ("user_id", "owner")),
    ),
    "GET /api/analytics/storage": storage,
    "GET /api/analytics/deletions": deletion_records,
    "GET /api/analytics/scores": lambda v: analytics(v, "scores", 400),
    "POST /api/traces": lessons,
    "POST /api/traces/{id}/llm-calls": lambda v: lesson_paths(v, "/llm-calls", {"provider": "mine"}),
    "PATCH /api/traces/{id}": lambda v: lesson_paths(v, body={"status": "failed", "llm_calls": [{"provider": "mine"}]}),
    "GET /api/traces": lesson_lists,
    "GET /api/traces/{id}": lesson_paths,
    "DELETE /api/traces": lesson_deletions,
    "DELETE /api/traces/{id}": lesson_paths,
    "POST /v1/traces": lambda v: exports(v, "/v1/traces"),
    "POST /api/public/otel/v1/traces": lambda v: exports(v, "/api/public/otel/v1/traces"),
    "POST /otel/v1/traces": lambda v: exports(v, "/otel/v1/traces"),
    "POST /api/otel/v1/traces": lambda v: exports(v, "/api/otel/v1/traces"),
    "POST /api/v1/otel/v1/traces": lambda v: exports(v, "/api/v1/otel/v1/traces"),
    "POST /api/v1/private/otel/v1/traces": lambda v: exports(v, "/api/v1/private/otel/v1/traces"),
    "POST /": lambda v: exports(v, "/"),
    "POST /v1/logs": logs,
    "POST /v1/metrics": lambda _: [Attempt("/v1/metrics", (200,), body={})],
    "GET /info": lambda _: [Attempt("/info", (200,))],
    "POST /runs/multipart": lambda _: [Attempt("/runs/multipart", (415,), body={})],
    "POST /runs/batch": lambda v: runs(v, "/runs/batch"),
    "POST /runs": lambda v: runs(v, "/runs"),
    "PATCH /runs/{run_id}": run_changes,
    "POST /feedback": feedback,
    "POST /api/public/ingestion": events,
    "POST /api/public/scores": scores,
    "POST /v1/traces/ingest": items,
    "POST /v1/span_annotations": lambda v: phoenix_annotations(v, "span"),
    "POST /v1/trace_annotations": lambda v: phoenix_annotations(v, "trace"),
    "POST /v1/span_notes": lambda _: [Attempt("/v1/span_notes", body={"data": {"span_id": "a", "note": "mine"}})],
    **opik(""),
    **opik("/api"),
    "GET /api/public/traces": lambda v: langfuse_lists(v, "traces"),
    "GET /api/public/observations": lambda v: langfuse_lists(v, "observations"),
    "GET /api/public/scores": lambda v: langfuse_lists(v, "scores"),
    "GET /api/public/v2/scores": lambda v: langfuse_lists(v, "v2/scores"),
    "GET /api/public/v2/observations": lambda v: langfuse_pages(v, "v2/observations", "io,metadata,trace_context"),
    "GET /api/public/v3/scores": lambda v: langfuse_pages(v, "v3/scores", "details,subject,annotation"),
    "GET /api/public/traces/{trace_id}": lambda v: (Attempt(f"/api/public/traces/{s}") for s in segments(v, "t")),
    "GET /api/public/sessions/{session_id}": lambda v: (
        Attempt(f"/api/public/sessions/{segment}") for segment in segments(v, FIELDS["conversation_id"])
    ),
    "GET /api/public/projects": lambda v: [
        Attempt("/api/public/projects", (200, 400), q) for q in ("", {"userId": v.name})
    ],
    "GET /api/jobs/{job_id}": lambda v: (Attempt(f"/api/jobs/{segment}") for segment in segments(v, v.job_id)),
    "GET /api/me": lambda v: [Attempt("/api/me", (200,)), Attempt("/api/me", (400,), {"user_id": v.name})],
    "PUT /api/me/views/{name}": saved_views,
    "GET /api/me/views": lambda _: [Attempt("/api/me/views", (200,)), Attempt("/api/me/views", (400,), {"user": "x"})],
    "DELETE /api/me/views/{name}": lambda v: (Attempt(f"{VIEWS}/{s}", (403, 404)) for s in segments(v, "mine")),
    "GET /api/keys": lambda v: [
        Attempt("/api/keys", (200, 403)),
        Attempt("/api/keys", (400, 403), {"user_id": v.name}),
    ],
    "POST /api/keys": new_keys,
    "DELETE /api/keys/{key_id}": lambda v: (Attempt(f"/api/keys/{s}", (403, 404)) for s in segments(v, v.key_id)),
    "POST /mcp": tool_calls,
    "GET /healthz": lambda _: [Attempt("/healthz", (200,))],
    "GET /openapi.json": lambda _: [Attempt("/openapi.json", (200,))],
    "GET /docs": lambda _: [Attempt("/docs", (200,))],
    "GET /docs/{file}": lambda v: [
        Attempt("/docs/docs.js", (200,)),
        *(Attempt(f"/docs/{name}") for name in ("docs_handler.py", "..%2fdocs_handler.py", quote(v.name))),
    ],
    "GET /": lambda _: [Attempt("/", (302,))],
    "GET /traces": lambda v: [Attempt("/traces", PAGE), Attempt("/traces", PAGE, {"user": v.name})],
    "GET /traces/config.json": lambda v: [
        Attempt("/traces/config.json", (200,)),
        Attempt("/traces/config.json", (400,), {"user": v.name}),
    ],
    "GET /traces/{path+}": lambda v: [
        *(Attempt(f"/traces/t/{s}", PAGE) for s in segments(v, "mine")),
        *(Attempt(f"/traces/assets/{s}") for s in segments(v, "mine")),
    ],
    "$default": lambda v: (Attempt(f"/api/users/{segment}/traces") for segment in segments(v, v.name)),
}
"""The attempts of another user on each route. A route that is not listed here fails the test below."""
