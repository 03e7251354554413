"""Files of traces into any deployment: what an export wrote, or OTLP as the collector's file exporter writes it.

Line by line, in batches that fit. Sending what is stored already changes nothing, so a file may be loaded again. What
the deployment refuses is told with its line, and the rest goes on.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import httpx

from dev.posting import BATCH_BYTES, Deployment, batches, json_of, refusal, said

Kind: TypeAlias = Literal["spans", "resourceSpans", "resourceLogs"]
Reject: TypeAlias = Callable[[int, str], None]
"""Told of a line, by its number from 1, that was not stored, or not all of it, and why."""

_PATHS: Final[Mapping[Kind, str]] = {
    "spans": "/api/analytics/traces",
    "resourceSpans": "/v1/traces",
    "resourceLogs": "/v1/logs",
}

_SET_BY_SERVER: Final = frozenset(
    {"id", "user_id", "created_at", "updated_at", "expires_at", "cost_source", "cost_price", "payloads_omitted"}
)
_ABOUT_CONTENT: Final = (httpx.codes.BAD_REQUEST, httpx.codes.CONFLICT, httpx.codes.REQUEST_ENTITY_TOO_LARGE)
"""Refusals of what was sent. Any other is about the deployment or the key, and no other line would fare better."""


class Part(NamedTuple):
    """What goes into a request in one piece: entries of the array that `kind` names, from one line."""

    kind: Kind
    line: int
    entries: list[Any]
    size: int

    @property
    def spans(self) -> int:
        """As many as the native route takes a limited number of; OTLP has a far larger limit of its own."""
        return 1 if self.kind == "spans" else 0


def load(deployment: Deployment, lines: Iterable[bytes], reject: Reject) -> int:
    """How many lines are stored, with all that they hold. *raises* NotServed."""
    bad: set[int] = set()
    seen: set[int] = set()

    def told(line: int, reason: str) -> None:
        bad.add(line)
        reject(line, reason)

    for kind, parts in groupby(parts_of(lines, told), key=lambda part: part.kind):
        for batch in batches(parts, lambda part: (part.spans, part.size)):
            _store(deployment, kind, batch, told)
            seen.update(part.line for part in batch)
    return len(seen - bad)


def parts_of(lines: Iterable[bytes], reject: Reject) -> Iterator[Part]:
    """The parts of a file in its order. A line of OTLP that is too large for a request comes apart by spans."""
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
            yield Part(kind, number, [sendable(content)], len(line))
        elif len(line) <= BATCH_BYTES:
            yield Part(kind, number, content[kind], len(line))
        else:
            try:
                entries = list(_apart(kind, content[kind]))
            except (AttributeError, TypeError):
                reject(number, "is not as OTLP has it")
                continue
            yield from (Part(kind, number, [entry], len(json.dumps(entry))) for entry in entries)


def kind_of(content: object) -> Kind | None:
    """What a line is, by what it holds; None for anything else."""
    if not isinstance(content, dict):
        return None
    if "trace_id" in content and "span_id" in content:
        return "spans"
    kinds: tuple[Kind, ...] = ("resourceSpans", "resourceLogs")
    return next((kind for kind in kinds if isinstance(content.get(kind), list)), None)


def sendable(span: Mapping[str, Any]) -> dict[str, Any]:
    """An exported span without what its new deployment says of it: what was computed there is computed anew."""
    derived = set(_SET_BY_SERVER)
    if span.get("cost_source") not in (None, "reported"):
        derived.add("cost_usd")
    if span.get("parent_span_id") == span.get("parent_trace_id"):
        derived.add("parent_trace_id")
    if span.get("end_time") is not None:
        derived.add("duration_ms")
    return {name: value for name, value in span.items() if value is not None and name not in derived}


def _apart(kind: Kind, entries: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same entries with one record in each. *source*: OTLP, `ResourceSpans` and `ResourceLogs`."""
    by_scope, records = ("scopeSpans", "spans") if kind == "resourceSpans" else ("scopeLogs", "logRecords")
    for entry in entries:
        for scope in entry.get(by_scope) or ():
            for record in scope.get(records) or ():
                yield {**entry, by_scope: [{**scope, records: [record]}]}


def _store(deployment: Deployment, kind: Kind, parts: Sequence[Part], reject: Reject) -> None:
    """Send these parts, and by halves what is refused as a whole, until it is known which of them it is for."""
    answer = deployment.post(_PATHS[kind], {kind: [entry for part in parts for entry in part.entries]})
    if answer.is_success:
        content = json_of(answer)
        partial = content.get("partialSuccess", {})
        for rejected in content.get("rejected", ()):
            reject(parts[rejected["index"]].line, rejected["message"])
        if not partial:
            return
        reason = str(partial.get("errorMessage", ""))
    elif answer.status_code in _ABOUT_CONTENT:
        reason = said(answer) or json_of(answer).get("message") or f"was refused with {answer.status_code}"
    else:
        raise refusal(answer, "ingest")
    if len(parts) == 1:
        reject(parts[0].line, reason)
    else:
        _store(deployment, kind, parts[: len(parts) // 2], reject)
        _store(deployment, kind, parts[len(parts) // 2 :], reject)
