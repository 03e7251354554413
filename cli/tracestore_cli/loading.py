"""Load files of traces into a deployment: exports, and OTLP JSON as the collector's file exporter writes it.

Lines are sent in order, in batches within the limits. Spans that are stored already do not change, so a file may be
loaded again. A line that the deployment refuses is reported by its number, and loading continues after it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

import httpx

from tracestore_cli.posting import BATCH_BYTES, Deployment, batches, json_of, message_of, refusal

Kind: TypeAlias = Literal["spans", "resourceSpans", "resourceLogs"]
Reject: TypeAlias = Callable[[int, str], None]
"""Called with the number (from 1) of a line that was not stored, or only in part, and with the reason."""

_PATHS: Final[Mapping[Kind, str]] = {
    "spans": "/api/analytics/traces",
    "resourceSpans": "/v1/traces",
    "resourceLogs": "/v1/logs",
}

_SET_BY_SERVER: Final = frozenset(
    {
        *("id", "user_id", "created_at", "updated_at", "expires_at"),
        *("annotations", "annotations_omitted"),
        *("cost_source", "cost_price", "payloads_omitted", "media_omitted"),
    }
)
_ANNOTATION_FIELDS: Final = ("id", "value", "comment", "source", "span_id")
_ABOUT_CONTENT: Final = (httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT, httpx.codes.REQUEST_ENTITY_TOO_LARGE)
"""Refusals of the content. Other refusals concern the deployment or the key: they would be the same for any line."""


class Part(NamedTuple):
    """An indivisible part of a request: entries of the array that `kind` names, from one line.

    `annotations` are stored after the span of the line, one by one.
    """

    kind: Kind
    line: int
    entries: list[Any]
    size: int
    annotations: Sequence[Mapping[str, Any]] = ()

    @property
    def spans(self) -> int:
        """The spans that count against the native route's limit; the limit of OTLP is far larger."""
        return 1 if self.kind == "spans" else 0


def load(deployment: Deployment, lines: Iterable[bytes], reject: Reject) -> int:
    """Send the lines, and return the number of those that are stored completely. *raises*: NotServed."""
    rejected: set[int] = set()
    sent: set[int] = set()

    def note(line: int, reason: str) -> None:
        rejected.add(line)
        reject(line, reason)

    for kind, parts in groupby(parts_of(lines, note), key=lambda part: part.kind):
        for batch in batches(parts, lambda part: (part.spans, part.size)):
            _store(deployment, kind, batch, note)
            sent.update(part.line for part in batch)
            for part in batch:
                _annotate(deployment, part, note)
    return len(sent - rejected)


def parts_of(lines: Iterable[bytes], reject: Reject) -> Iterator[Part]:
    """The parts of a file in order. A line of OTLP that is too large for a request is split into its spans."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            reject(number, "is not JSON")
            continue
        kind = kind_of(content)
        if kind is None:
            reject(number, "is neither a span nor an OTLP export of spans or logs")
        elif kind == "spans":
            annotations = content.get("annotations") or ()
            if not isinstance(annotations, list | tuple) or not all(map(_is_annotation, annotations)):
                reject(number, "has annotations of another form than an export")
                annotations = ()
            yield Part(kind, number, [sendable(content)], len(line), annotations)
        elif len(line) <= BATCH_BYTES:
            yield Part(kind, number, content[kind], len(line))
        else:
            try:
                entries = list(_split(kind, content[kind]))
            except (AttributeError, TypeError):
                reject(number, "is not a valid OTLP export")
                continue
            yield from (Part(kind, number, [entry], len(json.dumps(entry))) for entry in entries)


def kind_of(content: object) -> Kind | None:
    """The kind of a line, by its fields. *absent*: None for any other content."""
    if not isinstance(content, dict):
        return None
    if "trace_id" in content and "span_id" in content:
        return "spans"
    kinds: tuple[Kind, ...] = ("resourceSpans", "resourceLogs")
    return next((kind for kind in kinds if isinstance(content.get(kind), list)), None)


def sendable(span: Mapping[str, Any]) -> dict[str, Any]:
    """An exported span without the fields that a deployment sets or computes: the new one computes them again."""
    derived = set(_SET_BY_SERVER)
    if span.get("cost_source") not in (None, "reported"):
        derived.add("cost_usd")
    if span.get("parent_span_id") == span.get("parent_trace_id"):
        derived.add("parent_trace_id")
    if not span.get("clock_skew"):
        derived |= {"clock_skew", "duration_ms"} if span.get("end_time") is not None else {"clock_skew"}
    return {name: value for name, value in span.items() if value is not None and name not in derived}


def _split(kind: Kind, entries: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same entries with one span or log record in each. *source*: OTLP, `ResourceSpans` and `ResourceLogs`."""
    by_scope, records = ("scopeSpans", "spans") if kind == "resourceSpans" else ("scopeLogs", "logRecords")
    for entry in entries:
        for scope in entry.get(by_scope) or ():
            for record in scope.get(records) or ():
                yield {**entry, by_scope: [{**scope, records: [record]}]}


def _is_annotation(content: object) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(name), str) for name in ("trace_id", "name"))


def _annotate(deployment: Deployment, part: Part, reject: Reject) -> None:
    """Store the annotations of a line. Those that are stored already do not change."""
    for annotation in part.annotations:
        trace_id, name = (quote(annotation[field], safe="") for field in ("trace_id", "name"))
        sent = {field: annotation[field] for field in _ANNOTATION_FIELDS if annotation.get(field) is not None}
        response = deployment.put(f"{_PATHS['spans']}/{trace_id}/annotations/{name}", sent)
        if response.status_code in _ABOUT_CONTENT:
            reject(part.line, f"an annotation was refused: {message_of(response)}")
        elif not response.is_success:
            raise refusal(response, "annotate")


def _store(deployment: Deployment, kind: Kind, parts: Sequence[Part], reject: Reject) -> None:
    """Send the parts. A refused batch is halved and sent again, until each refused part is alone in its request."""
    response = deployment.post(_PATHS[kind], {kind: [entry for part in parts for entry in part.entries]})
    if response.is_success:
        content = json_of(response)
        partial = content.get("partialSuccess", {})
        for rejected in content.get("rejected", ()):
            reject(parts[rejected["index"]].line, rejected["message"])
        if not partial:
            return
        reason = str(partial.get("errorMessage", ""))
    elif response.status_code in _ABOUT_CONTENT:
        reason = message_of(response) or json_of(response).get("message") or f"was refused with {response.status_code}"
    else:
        raise refusal(response, "ingest")
    if len(parts) == 1:
        reject(parts[0].line, reason)
    else:
        _store(deployment, kind, parts[: len(parts) // 2], reject)
        _store(deployment, kind, parts[len(parts) // 2 :], reject)
