"""Attempts through the protocols of SDKs, and through OTLP."""

from collections.abc import Callable, Iterable, Iterator

from tests.api import at
from tests.victim import FIELDS, OTLP_SPAN, OTLP_TRACE, Attempt, Victim, hostile, segments


def exports(victim: Victim, path: str) -> Iterator[Attempt]:
    otlp_span = {"traceId": OTLP_TRACE, "spanId": OTLP_SPAN, "name": "mine", "startTimeUnixNano": str(10**18)}
    claims = [{"key": key, "value": {"stringValue": victim.name}} for key in ("user.id", "user_id", "langfuse.user.id")]
    scope = [{"spans": [{**otlp_span, "attributes": claims}]}]
    yield Attempt(path, (200,), body={"resourceSpans": [{"resource": {"attributes": claims}, "scopeSpans": scope}]})


def logs(_: Victim) -> Iterator[Attempt]:
    message = {"eventName": "gen_ai.user.message", "body": {"stringValue": "mine"}, "timeUnixNano": str(10**18)}
    record = {"traceId": OTLP_TRACE, "spanId": OTLP_SPAN, **message}
    yield Attempt("/v1/logs", (200,), body={"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})


def runs(victim: Victim, path: str) -> Iterator[Attempt]:
    """Runs of one's own with the ids of others are stored in traces of one's own."""
    mine = {"name": "mine", "run_type": "chain", "start_time": at(), "user_id": victim.name}
    for text in hostile(victim, "t"):
        run = {**mine, "id": text, "trace_id": text}
        yield Attempt(path, (202, 400), body={"post": [run]} if path.endswith("/batch") else run)


def run_changes(victim: Victim) -> Iterator[Attempt]:
    body = {"end_time": at(1), "trace_id": "t"}
    yield from (Attempt(f"/runs/{segment}", (202, 400, 404), body=body) for segment in segments(victim, "a"))
    yield Attempt("/runs/a", (202,), body={"end_time": at(1)})


def feedback(victim: Victim) -> Iterator[Attempt]:
    """Feedback for a trace of one's own waits for it. A run of another user is not found."""
    for text in hostile(victim, "t"):
        body = {"run_id": "root", "trace_id": text, "key": "note", "score": 1}
        yield Attempt("/feedback", (200, 400, 409), body=body)
    yield Attempt("/feedback", body={"run_id": "a", "key": "note", "score": 1})


def events(victim: Victim) -> Iterator[Attempt]:
    for text in hostile(victim, "t"):
        body = {"id": text, "traceId": text, "name": "mine", "userId": victim.name}
        kinds = ("trace-create", "span-create", "score-create")
        batch = [{"id": kind, "type": kind, "body": {**body, "value": 1}} for kind in kinds]
        yield Attempt("/api/public/ingestion", (207,), body={"batch": batch})


def scores(victim: Victim) -> Iterator[Attempt]:
    for text in hostile(victim, "t"):
        body = [{"id": "mine", "traceId": text, "name": "note", "value": 1}]
        yield Attempt("/api/public/scores", (200, 207, 400), body=body)


def items(victim: Victim) -> Iterator[Attempt]:
    for text in hostile(victim, "t"):
        trace = {"object": "trace", "id": text, "workflow_name": "mine"}
        yield Attempt("/v1/traces/ingest", (200, 400), body={"data": [trace]})


def opik_writes(victim: Victim, path: str, kind: str) -> Iterator[Attempt]:
    """Traces and spans of one's own with the ids of others are stored in traces of one's own."""
    for text in hostile(victim, "t"):
        item = {"id": text, "trace_id": text, "name": "mine", "start_time": at(), "thread_id": victim.name}
        yield Attempt(path, (204, 400), body={f"{kind}s": [item]} if path.endswith("/batch") else item)


def opik_changes(victim: Victim, path: str) -> Iterator[Attempt]:
    body = {"end_time": at(1), "trace_id": "t"}
    yield from (Attempt(f"{path}/{segment}", (204, 400, 404), body=body) for segment in segments(victim, "a"))


def opik_trace_scores(victim: Victim, path: str) -> Iterator[Attempt]:
    for text in hostile(victim, "t"):
        scores = [{"id": text, "name": "note", "value": 1}]
        yield Attempt(path, (204, 400, 409), body={"scores": scores})


def opik_span_scores(_victim: Victim, path: str) -> Iterator[Attempt]:
    """A span of another user is not stored, as far as the client can know."""
    yield Attempt(path, (503,), body={"scores": [{"id": "a", "name": "note", "value": 1}]})


def opik(prefix: str) -> dict[str, Callable[[Victim], Iterable[Attempt]]]:
    """The attempts at Opik's routes below a prefix."""
    traces, spans = f"{prefix}/v1/private/traces", f"{prefix}/v1/private/spans"
    return {
        f"GET {prefix}/is-alive/ping": lambda _: [Attempt(f"{prefix}/is-alive/ping", (200,))],
        f"POST {traces}/batch": lambda v: opik_writes(v, f"{traces}/batch", "trace"),
        f"POST {spans}/batch": lambda v: opik_writes(v, f"{spans}/batch", "span"),
        f"POST {traces}": lambda v: opik_writes(v, traces, "trace"),
        f"POST {spans}": lambda v: opik_writes(v, spans, "span"),
        f"PATCH {traces}/{{opik_id}}": lambda v: opik_changes(v, traces),
        f"PATCH {spans}/{{opik_id}}": lambda v: opik_changes(v, spans),
        f"PUT {traces}/feedback-scores": lambda v: opik_trace_scores(v, f"{traces}/feedback-scores"),
        f"PUT {spans}/feedback-scores": lambda v: opik_span_scores(v, f"{spans}/feedback-scores"),
    }


def phoenix_annotations(victim: Victim, about: str) -> Iterator[Attempt]:
    """A span of another user is not found; a trace of one's own may come after its annotation."""
    for text in hostile(victim, "a" if about == "span" else "t"):
        item = {f"{about}_id": text, "name": "note", "result": {"score": 1}}
        statuses = (400, 404) if about == "span" else (200, 400, 409)
        yield Attempt(f"/v1/{about}_annotations", statuses, body={"data": [item]})


def langfuse_lists(victim: Victim, name: str) -> Iterator[Attempt]:
    path = f"/api/public/{name}"
    for query in ({}, {"userId": victim.name}, {"sessionId": FIELDS["conversation_id"]}, {"traceId": "t"}):
        yield Attempt(path, (200,), query)
    yield from (Attempt(path, (200, 400), {"traceId": text, "page": text}) for text in hostile(victim, "t"))


def langfuse_pages(victim: Victim, name: str, fields: str) -> Iterator[Attempt]:
    path = f"/api/public/{name}"
    for query in ({}, {"userId": victim.name}, {"sessionId": FIELDS["conversation_id"]}, {"traceId": "t"}):
        yield Attempt(path, (200,), {**query, "fields": fields})
    yield from (Attempt(path, (200, 400), {"traceId": text, "fields": fields}) for text in hostile(victim, "t"))
    yield from (Attempt(path, (400,), {"cursor": text}) for text in hostile(victim, "t"))
