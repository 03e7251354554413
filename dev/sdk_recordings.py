"""Read recorded requests of SDKs in protocols of their own, as the function for these protocols reads them."""

import gzip
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from tracestore.domain.json_body import parse_json
from tracestore.domain.spans import SpanFields
from tracestore.http.zstd_body import unpacked
from tracestore.ingest.otlp import read_traces, wire_format
from tracestore.ingest.sdk_agents import agents_batch
from tracestore.ingest.sdk_langfuse import langfuse_batch
from tracestore.ingest.sdk_langsmith import langsmith_batch, runs_of_batch, runs_of_parts
from tracestore.ingest.sdk_multipart import read_parts
from tracestore.ingest.sdk_opik import Kind, changed, written_alone, written_spans, written_traces
from tracestore.ingest.sdk_reports import Batch, report_fields
from tracestore.ingest.span_fields import spans_fields

_NOW_NS: Final = 2**62
"""A time after every recording."""

_MOST_BYTES: Final = 50_000_000

_DECODERS: Final[Mapping[str, Callable[..., Batch]]] = {
    "POST /runs/batch": lambda value, now_ns: langsmith_batch(runs_of_batch(value), now_ns=now_ns),
    "POST /api/public/ingestion": lambda value, now_ns: langfuse_batch(value, now_ns=now_ns)[0],
    "POST /v1/traces/ingest": agents_batch,
    "POST /api/v1/private/traces/batch": written_traces,
    "POST /api/v1/private/spans/batch": written_spans,
    "POST /api/v1/private/traces": partial(written_alone, kind="trace"),
    "POST /api/v1/private/spans": partial(written_alone, kind="span"),
}
_CHANGES: Final[Mapping[str, Kind]] = {"/api/v1/private/traces/": "trace", "/api/v1/private/spans/": "span"}
_WITHOUT_SPANS: Final = ("/info", "/ping", "/feedback", "/scores", "-scores", "_annotations", "_notes")
"""Ends of the paths of requests about a connection, and of those that contain annotations alone."""


def sent_fields(case: Path, request: Mapping[str, Any]) -> Iterator[tuple[str, SpanFields]]:
    """The trace id and the fields of each span in a recorded request. *raises*: LookupError for an unknown route."""
    method, path = request["method"], request["path"].partition("?")[0]
    if path.endswith(_WITHOUT_SPANS):
        return
    headers = request["headers"]
    body = _unpacked((case / request["file"]).read_bytes(), headers.get("content-encoding"))
    kind = headers["content-type"]
    if (encoding := wire_format(kind)) is not None and path.endswith("/v1/traces"):
        yield from spans_fields(read_traces(body, encoding).records)
        return
    yield from report_fields(batch_of(f"{method} {path}", body, kind).reports)


def batch_of(route: str, body: bytes, content_type: str) -> Batch:
    """The spans and scores in the decompressed body of a request. *raises*: KeyError for an unknown route."""
    if route == "POST /runs/multipart":
        return langsmith_batch(runs_of_parts(read_parts(body, content_type)), now_ns=_NOW_NS)
    for prefix, kind in _CHANGES.items():
        if route.startswith(f"PATCH {prefix}"):
            return changed(parse_json(body), kind, route.rpartition("/")[2], now_ns=_NOW_NS)
    return _DECODERS[route](parse_json(body), now_ns=_NOW_NS)


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "zstd":
        return unpacked(body, _MOST_BYTES)
    return gzip.decompress(body) if encoding == "gzip" else body
