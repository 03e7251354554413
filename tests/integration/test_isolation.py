"""No request to any route reaches the data of another owner: of another user, or of a team."""

import base64
import json
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import pytest

from dev.template import Template
from tests.api import TRACES, Api, at, child, failure, member_of, new_team, path_of, span
from tests.conftest import TableOnEngine, empty_moto
from tests.gateway import Call, User, new_user
from tests.head_stream import count_traces
from tests.media import asking, part, sha256_of
from tracestore.api.traces.shares import SHARED_ROUTES
from tracestore.http.app import PUBLIC_ROUTES
from tracestore.http.identity import OWNER_HEADER
from tracestore.http.wiring import store
from tracestore.storage import keys

CANARY = "canary in the prompt"
OTLP_TRACE, OTLP_SPAN = "0123456789abcdef" * 2, "0123456789abcdef"
LESSONS = "/api/traces"
MEDIUM = (CANARY * 2_000).encode()
VIEWS = "/api/me/views"
FIELDS = {"conversation_id": f"{CANARY} c", "message_id": f"{CANARY} m", "input_data": CANARY, "model_name": CANARY}


@dataclass(frozen=True)
class Victim:
    """An owner with data of every kind; `name` is the owner's id."""

    api: Api
    name: str
    engine: TableOnEngine
    key_id: str
    job_id: str
    cursor: str
    etag: str
    version: str
    lesson_cursor: str
    deletions_cursor: str
    share_id: str

    @property
    def secrets(self) -> list[str]:
        """Texts that no caller for another owner may see."""
        return [CANARY, self.name, self.key_id, self.job_id, self.share_id]

    def visible(self) -> list[Any]:
        """All data of the owner, as the API returns it."""
        of_trace = (f"{path_of('t')}/annotations", f"{path_of('t')}/shares")
        traces = (TRACES, path_of("t"), *of_trace, path_of("u"))
        paths = ("/api/keys", VIEWS, f"/api/jobs/{self.job_id}", "/api/me", *traces, LESSONS)
        more = ("/api/analytics/conversations", "/api/analytics/deletions")
        shown = [self.api("GET", path).json for path in (*paths, *more)]
        return [*shown, self.api("GET", f"{path_of('u')}/media/{sha256_of(MEDIUM)}").body]

    def stored(self) -> list[Any]:
        """All data of the owner, as the table stores it."""
        owner = self.name
        pks = [
            keys.user(owner),
            keys.user_keys(owner),
            keys.deletion_records(owner),
            keys.user_views(owner),
            keys.user_shares(owner),
            *(keys.trace(owner, name) for name in ("t", "u", "l", "m", OTLP_TRACE)),
        ]
        return [stored(self.engine, pk) for pk in pks]


@dataclass(frozen=True)
class Attempt:
    """One request of another user, and its acceptable statuses."""

    path: str
    expected: tuple[int, ...] = (404,)
    query: Any = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def stored(engine: TableOnEngine, pk: str) -> list[dict[str, Any]]:
    condition = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": pk}}}
    page = engine.client.query(TableName=engine.table_name, ConsistentRead=True, **condition)
    items: list[dict[str, Any]] = page["Items"]
    return items


def stored_keys(engine: TableOnEngine) -> set[tuple[str, str]]:
    """The keys of all items of the table."""
    pages = engine.client.get_paginator("scan").paginate(TableName=engine.table_name, ConsistentRead=True)
    return {(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]}


def remove_others(engine: TableOnEngine, kept: set[tuple[str, str]]) -> None:
    """Remove what the callers on a route stored: moto sorts all items of the table for every later list."""
    for pk, sk in stored_keys(engine) - kept:
        engine.client.delete_item(TableName=engine.table_name, Key={"pk": {"S": pk}, "sk": {"S": sk}})


def owner_id_of(api: Api) -> str:
    owner_id: str = api("GET", "/api/me").json["data"]["owner_id"]
    return owner_id


@pytest.fixture(autouse=True)
def emptied(template: Template) -> Iterator[None]:
    """Empties moto's table after each test: a walk along all routes is slower with every item of the walks before."""
    yield
    empty_moto(template)


@pytest.fixture
def victim(api: Api, engine: TableOnEngine) -> Victim:
    """The user whose data other users try to reach."""
    return victim_of(api, engine)


def victim_of(api: Api, engine: TableOnEngine) -> Victim:
    """The owner that `api` acts for, with data that others try to reach."""
    name = owner_id_of(api)
    api.send(span("deleted", conversation_id="deleted"))
    assert api("DELETE", TRACES, query="conversation_id=deleted").status == 200
    (job,) = (item for item in stored(engine, keys.user(name)) if item["sk"]["S"] != keys.USER)
    api.send(span("gone"))
    assert api("DELETE", path_of("gone")).status == 200
    deletions_cursor = api("GET", "/api/analytics/deletions", query="limit=1").json["next_cursor"]
    api.send(span("t", **FIELDS, end_time=at(1)), child("a", "root", "t", **FIELDS), span("u", **FIELDS))
    api.send(child("photo", "root", "u", input_data=asking(part(MEDIUM, "text/plain"))))
    api.send(span(OTLP_TRACE, OTLP_SPAN, **FIELDS))
    note = {"value": CANARY, "comment": CANARY, "source": CANARY}
    assert api("PUT", f"{path_of('t')}/annotations/note", body=note).status == 200
    assert api("PUT", f"{path_of('t')}/annotations/quality", body={"value": 0.5}).status == 200
    count_traces(store(), name)
    key = api("POST", "/api/keys", body={"name": CANARY, "scopes": ["read"]}).json["data"]
    assert api("PUT", f"{VIEWS}/mine", body={"title": CANARY, "query": f"search={CANARY}"}).status == 200
    cursor = api.page(view="summary", limit=1)["next_cursor"]
    trace = api("GET", path_of("t"))
    etag, version = trace.headers["etag"], trace.json["version"]
    for lesson_id in ("l", "m"):
        api("POST", LESSONS, body={"id": lesson_id, "request_data": CANARY, "lesson_id": CANARY, "llm_calls": [{}]})
    lessons_cursor = api("GET", LESSONS, query="limit=1").json["next_cursor"]
    job_id = job["sk"]["S"].removeprefix(keys.job(""))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    share = api("POST", f"{TRACES}/t/shares", body={"expires_at": tomorrow, "payloads": True}).json["data"]
    cursors = cursor, etag, version, lessons_cursor, deletions_cursor
    return Victim(api, name, engine, key["key_id"], job_id, *cursors, share["share_id"])


def hostile(victim: Victim, real: str) -> Iterator[str]:
    """The real id, and texts that resemble keys, paths or their encodings, or are too long."""
    trace = keys.trace(victim.name, "t")
    yield from (real, f"{real}#", f"#{real}", f"{real}%00", f"{real}\x00", f" {real}", f"{real}\n", f"{real}/../{real}")
    yield from (
        trace,
        f"{trace}#H",
        f"U#{victim.name}",
        "U#other#T#x",
        f"../{victim.name}/{real}",
        f"{victim.name}:{real}",
    )
    yield from ("#", "%", "%23", "%2F", "%252F", "/", "..", ".", "*", "👋", "\u202e", "a" * 128, "a" * 129, "a" * 3_000)
    yield from ("$default", "{trace_id}", "null", "0", "-1", "' OR 1=1 --", '{"S":"x"}')


def segments(victim: Victim, real: str) -> Iterator[str]:
    """The same texts as segments of a path, encoded once and twice."""
    for text in hostile(victim, real):
        yield quote(text, safe="")
        yield quote(quote(text, safe=""), safe="")


def lists(victim: Victim) -> Iterator[Attempt]:
    fields = {"search" if name == "input_data" else name: value for name, value in FIELDS.items()}
    wide = {"order": "asc", "status": "pending", "has_errors": "false", "trace_id": "t,u", "limit": "1000"}
    for name, value in {**fields, **wide}.items():
        yield from (Attempt(TRACES, (200,), {"view": view, name: value}) for view in ("forest", "summary"))
    for query in ({}, {"messages": "all", "order": "asc"}):
        yield Attempt(TRACES, (200,), {"view": "turns", "conversation_id": FIELDS["conversation_id"], **query})
    yield Attempt(TRACES, (400,), {"view": "turns", "conversation_id": "c", "cursor": victim.cursor})
    yield Attempt(TRACES, (200,), {"search": CANARY, "search_in": "payload"})
    yield Attempt(TRACES, (200,), {"order_by": "cost", "metadata.tenant": f"!{victim.name}"})
    for text in hostile(victim, "t"):
        yield from (Attempt(TRACES, (200, 400), {name: text}) for name in ("trace_id", "cursor", "view"))
        yield from (Attempt(TRACES, (200, 400), {name: text}) for name in ("parent_span_id", "metadata.user_id"))
    for text in [*hostile(victim, FIELDS["conversation_id"])][:16]:
        for name in ("conversation_id", "message_id"):
            yield Attempt(TRACES, (200,), {"view": "summary", name: text})
    yield from (Attempt(TRACES, (200,), query) for query in ("label=note", f"label=note:{quote(CANARY)}"))
    yield from (Attempt(TRACES, (200,), f"view=summary&score.quality{sign}0.5") for sign in (">=", "<=", "="))
    yield from (Attempt(TRACES, (400,), {name: victim.name}) for name in ("user_id", "owner", "sub", "pk"))
    yield Attempt(TRACES, (400,), {"view": "summary", "limit": 1, "cursor": victim.cursor})
    yield Attempt(TRACES, (200,), headers={"if-none-match": victim.etag})


def histograms(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/histogram"
    wide = {"start_date": at(-86_400), "end_date": at(86_400)}
    for name in ("conversation_id", "message_id", "model_name"):
        yield Attempt(path, (200,), {**wide, name: FIELDS[name]})
    yield Attempt(path, (200,), {**wide, "search": CANARY, "search_in": "payload"})
    yield Attempt(path, (400,), {**wide, "cursor": victim.cursor})
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "sub"))


def downloads(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/export"
    yield from (Attempt(path, (200,), query) for query in ("", "trace_id=t,u", "order=asc&limit=1000"))
    yield from (Attempt(path, (200,), {name: FIELDS[name]}) for name in ("conversation_id", "message_id", "model_name"))
    for text in hostile(victim, "t"):
        yield from (Attempt(path, (200, 400), {name: text}) for name in ("trace_id", "cursor"))
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "view"))
    yield Attempt(path, (400,), {"limit": 1, "cursor": victim.cursor})


def traces(victim: Victim) -> Iterator[Attempt]:
    yield from (Attempt(f"{TRACES}/{segment}") for segment in segments(victim, "t"))
    yield from (Attempt(path_of("t"), query=query) for query in ("view=outline", "payloads=false"))
    views = ({"view": "spans"}, {"view": "spans", "span_id": "root,a", "new_messages": "true"}, {"search": CANARY})
    yield from (Attempt(path_of("t"), query=query) for query in views)
    for query in ({"view": "outline"}, {"view": "spans"}, {"search": CANARY}):
        yield Attempt(path_of("t"), (400, 404), {**query, "cursor": victim.cursor})
    yield from (Attempt(path_of("t"), (400, 404), {"view": "spans", "span_id": text}) for text in hostile(victim, "a"))
    yield from (Attempt(path_of("t"), headers={"if-none-match": tag}) for tag in ("*", victim.etag))
    for view in ("tree", "outline"):
        yield Attempt(path_of("t"), query={"view": view, "since": victim.version})
        yield from (Attempt(path_of("t"), (400, 404), {"view": view, "since": text}) for text in hostile(victim, "t"))


def spans(victim: Victim, body: Any = None) -> Iterator[Attempt]:
    yield from (Attempt(f"{TRACES}/t/spans/{segment}", body=body) for segment in segments(victim, "root"))
    yield from (Attempt(f"{TRACES}/{segment}/spans/root", body=body) for segment in segments(victim, "t"))


def new_annotations(victim: Victim) -> Iterator[Attempt]:
    """An annotation of one's own waits for a trace of one's own, whatever other traces have its id."""
    mine = {"value": "mine", "user_id": victim.name}
    for segment in segments(victim, "t"):
        yield Attempt(f"{TRACES}/{segment}/annotations/note", (200, 404), body=mine)
        yield Attempt(f"{TRACES}/t/annotations/{segment}", (200, 400, 404), body=mine)
    for text in hostile(victim, "root"):
        yield Attempt(f"{TRACES}/t/annotations/note", (200, 400, 409), body={**mine, "span_id": text})
        yield Attempt(f"{TRACES}/t/annotations/note", (200, 400, 409), body={**mine, "id": text, "source": "mine"})


def annotations(victim: Victim) -> Iterator[Attempt]:
    yield from (Attempt(f"{TRACES}/{segment}/annotations") for segment in segments(victim, "t"))
    yield Attempt(f"{TRACES}/{OTLP_TRACE}/annotations", headers={"if-none-match": victim.etag})
    yield Attempt(f"{TRACES}/t/annotations", (400,), {"user_id": victim.name})


def annotation_deletions(victim: Victim) -> Iterator[Attempt]:
    for segment in segments(victim, "t"):
        yield Attempt(f"{TRACES}/{segment}/annotations/quality")
        yield Attempt(f"{TRACES}/t/annotations/{segment}")
    for text in hostile(victim, CANARY):
        for name in ("id", "source", "span_id"):
            yield Attempt(f"{TRACES}/t/annotations/quality", (400, 404), {name: text})
    yield Attempt(f"{TRACES}/t/annotations/note")


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


def media(victim: Victim) -> Iterator[Attempt]:
    sha256 = sha256_of(MEDIUM)
    yield from (Attempt(f"{TRACES}/{segment}/media/{sha256}") for segment in segments(victim, "u"))
    yield from (Attempt(f"{TRACES}/u/media/{segment}") for segment in segments(victim, sha256))


def captures(victim: Victim) -> Iterator[Attempt]:
    claims = {"user_id": victim.name, "id": victim.api.span("root", "t")["id"]}
    yield Attempt(TRACES, (201,), body=span("t", input_data="mine", **claims))
    yield Attempt(TRACES, (201,), body={"spans": [child("a", "root", "t", **claims), child("b", "root", "u")]})
    yield Attempt(TRACES, (400,), {"user_id": victim.name}, body=span("t"))
    for text in hostile(victim, "t"):
        yield Attempt(TRACES, (201, 400), body=span(text, conversation_id=text, message_id=text))
        yield Attempt(TRACES, (201, 400), body=span("t", text, parent_span_id=text))


def bulk_deletions(victim: Victim) -> Iterator[Attempt]:
    yield Attempt(TRACES, (400,), {"deleteAll": "true", "user_id": victim.name})
    for text in [
        FIELDS["conversation_id"],
        f"{FIELDS['conversation_id']}#",
        keys.by_conversation(victim.name, "c"),
        "%",
        "👋",
    ]:
        yield Attempt(TRACES, (200,), {"conversation_id": text})
    yield Attempt(TRACES, (200,), {"before": at(3_600)})
    yield Attempt(TRACES, (200,), {"deleteAll": "true"})


def new_shares(victim: Victim) -> Iterator[Attempt]:
    share = {"expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(), "payloads": True}
    yield from (Attempt(f"{TRACES}/{segment}/shares", (403, 404), body=share) for segment in segments(victim, "t"))
    yield Attempt(f"{TRACES}/t/shares", (400, 403), {"user_id": victim.name}, share)
    yield Attempt(f"{TRACES}/t/shares", (400, 403), body={**share, "user_id": victim.name})


def share_revocations(victim: Victim) -> Iterator[Attempt]:
    for segment in segments(victim, victim.share_id):
        yield Attempt(f"{TRACES}/t/shares/{segment}", (403, 404))
    for segment in segments(victim, "t"):
        yield Attempt(f"{TRACES}/{segment}/shares/{victim.share_id}", (403, 404))


def chosen_deletions(victim: Victim) -> Iterator[Attempt]:
    path = f"{TRACES}/delete"
    yield Attempt(path, (200,), body={"trace_ids": ["t", "u", "l", "m", OTLP_TRACE]})
    yield Attempt(path, (400,), {"user_id": victim.name}, {"trace_ids": ["t"]})
    yield Attempt(path, (400,), body={"trace_ids": ["t"], "user_id": victim.name})
    for text in hostile(victim, "t"):
        yield Attempt(path, (200, 400), body={"trace_ids": [text]})


def lessons(victim: Victim) -> Iterator[Attempt]:
    """A lesson of one's own may have the same id as another user's lesson."""
    mine = {"request_data": "mine", "id": "l", "llm_calls": [{"id": "call", "provider": "mine"}]}
    yield Attempt(LESSONS, (201,), body={**mine, "user_id": victim.name})
    yield Attempt(LESSONS, (400,), {"user_id": victim.name}, body=mine)
    for text in hostile(victim, "l"):
        yield Attempt(LESSONS, (201, 400), body={"request_data": "mine", "id": text, "lesson_id": text[:200]})


def lesson_lists(victim: Victim) -> Iterator[Attempt]:
    for text in [*hostile(victim, CANARY)][:16]:
        yield Attempt(LESSONS, (200, 400), {"lesson_id": text[:500]})
    yield from (
        Attempt(LESSONS, (200,), query)
        for query in ("", "offset=0", "offset=1", "status=started", "limit=1", "start_date=2025-01-01")
    )
    yield from (Attempt(LESSONS, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield Attempt(LESSONS, (400,), {"limit": 1, "cursor": victim.lesson_cursor})
    yield Attempt(LESSONS, (200,), headers={"if-none-match": victim.etag})


def lesson_paths(victim: Victim, rest: str = "", body: Any = None) -> Iterator[Attempt]:
    yield from (Attempt(f"{LESSONS}/{segment}{rest}", body=body) for segment in segments(victim, "l"))


def lesson_deletions(victim: Victim) -> Iterator[Attempt]:
    yield from (Attempt(LESSONS, (404,), {"id": text}) for text in hostile(victim, "l"))
    yield from (Attempt(LESSONS, (200,), {"lesson_id": text[:500]}) for text in (CANARY, f"{CANARY}#", "%", "x#L#y"))
    yield Attempt(LESSONS, (400,), {"deleteAll": "true", "user_id": victim.name})
    yield Attempt(LESSONS, (200,), {"before": at(86_400)})
    yield Attempt(LESSONS, (200,), {"deleteAll": "true"})


def saved_views(victim: Victim) -> Iterator[Attempt]:
    view = {"title": "theirs", "query": "status=error"}
    for segment in segments(victim, "mine"):
        if victim.name not in segment:  # the response repeats the name
            yield Attempt(f"{VIEWS}/{segment}", (200, 400, 403, 404), body=view)
    yield Attempt(f"{VIEWS}/mine", (400, 403), body={**view, "user_id": victim.name})
    yield Attempt(f"{VIEWS}/mine", (400, 403), {"user_id": victim.name}, view)


def new_keys(victim: Victim) -> Iterator[Attempt]:
    key = {"name": "mine", "scopes": ["read"], "user_id": victim.name, "key_id": victim.key_id}
    yield Attempt("/api/keys", (201, 403), body=key)
    yield Attempt("/api/keys", (400, 403), {"user_id": victim.name}, key)


def exports(victim: Victim, path: str) -> Iterator[Attempt]:
    otlp_span = {"traceId": OTLP_TRACE, "spanId": OTLP_SPAN, "name": "mine", "startTimeUnixNano": str(10**18)}
    claims = [{"key": key, "value": {"stringValue": victim.name}} for key in ("user.id", "user_id", "langfuse.user.id")]
    scope = [{"spans": [{**otlp_span, "attributes": claims}]}]
    yield Attempt(path, (200,), body={"resourceSpans": [{"resource": {"attributes": claims}, "scopeSpans": scope}]})


def logs(_: Victim) -> Iterator[Attempt]:
    message = {"eventName": "gen_ai.user.message", "body": {"stringValue": "mine"}, "timeUnixNano": str(10**18)}
    record = {"traceId": OTLP_TRACE, "spanId": OTLP_SPAN, **message}
    yield Attempt("/v1/logs", (200,), body={"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})


def analytics(victim: Victim, name: str, filtered: int = 200) -> Iterator[Attempt]:
    path = f"/api/analytics/{name}"
    ever = {"start_date": at(-86_400), "end_date": at(86_400)}
    yield from (Attempt(path, (200,)), Attempt(path, (200,), ever), Attempt(path, (400,), {"user_id": victim.name}))
    yield Attempt(path, (filtered,), {**ever, "model_name": CANARY})
    yield Attempt(path, (400,), {"timezone": f"../{victim.name}"})
    yield Attempt(path, (400,), {"cursor": victim.cursor})


def deletion_records(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/deletions"
    yield from (Attempt(path, (200,)), Attempt(path, (200,), {"limit": 1}), Attempt(path, (400,), {"limit": 0}))
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield from (Attempt(path, (400,), {"limit": 1, "cursor": c}) for c in (victim.cursor, victim.deletions_cursor))


def storage(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/storage"
    yield from (Attempt(path, (200,)), Attempt(path, (200,), {"start_date": at(-86_400), "end_date": at(86_400)}))
    yield from (Attempt(path, (400,), {name: victim.name}) for name in ("user_id", "owner", "cursor"))
    yield Attempt(path, (400,), {"timezone": f"../{victim.name}"})
    yield from (Attempt(path, (400,), {"cursor": c}) for c in (victim.cursor, victim.deletions_cursor))


def tool_calls(victim: Victim) -> Iterator[Attempt]:
    """Calls of tools. A failed call is a result, with status 200."""

    def call(tool: str, **arguments: Any) -> Attempt:
        params = {"name": tool, "arguments": arguments}
        return Attempt("/mcp", (200,), body={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

    yield from (call("search_traces", **filters) for filters in ({}, {"order_by": "cost"}, {"limit": 100}))
    for name in ("conversation_id", "model_name"):
        yield call("search_traces", **{name: FIELDS[name]})
    yield call("search_traces", search=CANARY, search_in="payload")
    yield call("search_traces", limit=1, cursor=victim.cursor)
    for text in hostile(victim, "t"):
        yield call("get_trace", trace_id=text)
        yield call("get_span", trace_id=text, span_id="root")
        yield call("get_span", trace_id="t", span_id=text)
        yield call("compare_traces", trace_id_a=text, trace_id_b="u")
        yield call("search_traces", conversation_id=text[:500], cursor=text)
    for group_by in ("model_name", "end_user_id"):
        yield call("costs", start_date=at(-86_400), end_date=at(86_400), group_by=group_by)
    for name in ("user_id", "owner", "owner_id", "sub", "pk"):
        yield from (call(tool, **{name: victim.name}) for tool in ("search_traces", "get_trace", "costs"))
    yield Attempt("/mcp", (400,), {"user_id": victim.name}, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})


def conversations(victim: Victim) -> Iterator[Attempt]:
    yield from analytics(victim, "conversations")
    for text in [*hostile(victim, FIELDS["conversation_id"])][:16]:
        yield from (Attempt("/api/analytics/conversations", (200,), {name: text}) for name in ("search", "end_user_id"))


def one_conversation(victim: Victim) -> Iterator[Attempt]:
    path = "/api/analytics/conversations"
    for segment in segments(victim, FIELDS["conversation_id"]):
        yield from (Attempt(f"{path}/{segment}", (404,)), Attempt(f"{path}/{segment}", (400, 404), {"user_id": "x"}))


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


@pytest.mark.parametrize(
    ("engine", "credential"),
    [("moto", "jwt"), ("dynamodb-local", "jwt"), ("dynamodb-local", "api_key")],
    indirect=["engine"],
    scope="session",
)
def test_no_route_returns_or_changes_the_data_of_another_user(victim: Victim, call: Call, credential: str) -> None:
    walk(victim, lambda: Api(call, new_user()) if credential == "jwt" else key_of(Api(call, new_user())))


def walk(
    victim: Victim,
    stranger_for: Callable[[], Api],
    known: str = "",
    *,
    admitted: Collection[str] = tuple(ATTEMPTS),
) -> None:
    """Make every attempt on every route, each route as another caller. The victim's data must stay as it is.

    `known` is a text that the callers know. Routes to which they are not `admitted` refuse them, if they need a
    credential.
    """
    visible, stored = victim.visible(), victim.stored()
    on_moto = victim.engine.name == "moto"
    kept = stored_keys(victim.engine) if on_moto else set()
    secrets = [secret for secret in victim.secrets if secret != known]
    for route in Template().routes:
        stranger = stranger_for()
        for attempt in ATTEMPTS[route.key](victim):
            request = {"query": attempt.query, "body": attempt.body, "headers": attempt.headers}
            reply = stranger(route.method or "GET", attempt.path, **request)
            expected = attempt.expected if route.key in (*admitted, *PUBLIC_ROUTES) else (403,)
            assert reply.status in expected, (attempt, reply)
            returned = reply.body.decode() + str(reply.headers)
            is_own = reply.status == 201 or (route.method == "PUT" and reply.status == 200)
            own_text = json.dumps(attempt.body) + unquote(attempt.path) if is_own else ""
            assert not [secret for secret in secrets if secret in returned and secret not in own_text], attempt
        assert victim.stored() == stored, route
        if on_moto:
            remove_others(victim.engine, kept)
    assert victim.visible() == visible


def key_of(api: Api) -> Api:
    """The same owner with a new API key of every scope."""
    return api.with_key("ingest", "read", "delete", "annotate")


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_team_reaches_no_data_of_another_team(call: Call, engine: TableOnEngine, credential: str) -> None:
    victim = victim_of(member_of(call, new_team()), engine)

    def stranger() -> Api:
        member = member_of(call, new_team())
        return member if credential == "jwt" else key_of(member)

    walk(victim, stranger)


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_team_reaches_no_data_of_its_members(call: Call, engine: TableOnEngine, credential: str) -> None:
    user = new_user()
    victim = victim_of(Api(call, user), engine)

    def member() -> Api:
        member = member_of(call, new_team(), user.name)
        return member if credential == "jwt" else key_of(member)

    walk(victim, member, known=user.name)


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_a_member_who_acts_alone_reaches_no_data_of_the_team(call: Call, engine: TableOnEngine) -> None:
    team = new_team()
    victim = victim_of(member_of(call, team), engine)
    walk(victim, lambda: Api(call, User(new_user().name, (team,))))


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
@pytest.mark.parametrize("credential", ["jwt", "api_key"])
def test_a_stranger_who_names_the_team_is_refused_everywhere(
    call: Call, engine: TableOnEngine, credential: str
) -> None:
    team = new_team()
    victim = victim_of(member_of(call, team), engine)

    def stranger() -> Api:
        caller = Api(call, User(new_user().name, (f"{team}x", team[:-1], team.upper(), f"{team},")))
        if credential == "api_key":
            caller = key_of(caller)
        return replace(caller, headers={**caller.headers, OWNER_HEADER: team})

    walk(victim, stranger, admitted=())


@pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")
def test_the_share_of_another_users_trace_reaches_no_data(victim: Victim, other: Api) -> None:
    other.send(span("x"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    share = other("POST", f"{TRACES}/x/shares", body={"expires_at": tomorrow, "payloads": True}).json["data"]
    secret = share["link"].partition("#")[2]
    guest = Api(other.call, None, {"authorization": f"Bearer {secret}"})
    walk(victim, lambda: guest, admitted=SHARED_ROUTES)


def test_users_with_similar_names_are_isolated(call: Call) -> None:
    base = new_user().name
    similar = [
        base,
        f"{base}#T#t",
        f"{base}#",
        f"{base}%23",
        f"{base}#K",
        f"{base} ",
        base.upper(),
        f"../{base}",
        f"{base}👋",
    ]
    similar += [
        f"{base}\n",
        f"{base}\x00",
        f"{base}{'x' * 220}",
        f"{base}{'x' * 219}y",
        "e\u0301" + base,
        "\u00e9" + base,
    ]
    users = [Api(call, User(name)) for name in similar]
    teams = [base, f"{base}#", f"{base}%23", f"{base}#T#t", f"@team:{base}", f" {base}", f"{base}{'x' * 220}"]
    users += [member_of(call, team, base) for team in teams]
    similar += [f"@team:{team}" for team in teams]
    for number, user in enumerate(users):
        user.send(span("t", tool_name=f"tool {number}", conversation_id="c"))
        assert user("DELETE", TRACES, query="conversation_id=nothing").status == 200
    for number, user in enumerate(users):
        assert user.span()["tool_name"] == f"tool {number}"
        assert user.span()["user_id"] == similar[number]
        assert len(user.summaries(conversation_id="c")) == 1
        assert user("GET", "/api/keys").json == {"success": True, "keys": []}
    assert users[0]("DELETE", TRACES, query="deleteAll=true").json["deleted"] == {"traces": 1, "spans": 1}
    assert [len(user.summaries()) for user in users] == [0] + [1] * (len(similar) - 1)


def test_conversations_with_similar_keys_are_isolated(call: Call) -> None:
    base = new_user().name
    first, second = Api(call, User(base)), Api(call, User(f"{base}#C#c"))
    first.send(span("first", conversation_id="c#C#d"))
    second.send(span("second", conversation_id="d"))
    assert first.summaries(conversation_id="c#C#d") == ["first"]
    assert second.summaries(conversation_id="d") == ["second"]


@pytest.mark.parametrize(
    "name", ["x-user-id", "x-forwarded-user", "x-amzn-oidc-identity", "x-tracestore-user", "cookie"]
)
def test_only_the_credential_identifies_the_caller(api: Api, other: Api, name: str) -> None:
    assert other.user
    reply = api("GET", "/api/me", headers={name: other.user.name})
    assert api.user
    assert reply.json["data"]["user_id"] == api.user.name


@pytest.fixture
def cursor(api: Api) -> str:
    """A cursor of the user's list of summaries, one per page, newest first."""
    api.send(span("a", conversation_id="c"), span("b", conversation_id="c"), span("c"))
    next_cursor: str = api.page(view="summary", limit=1)["next_cursor"]
    return next_cursor


def refused(api: Api, cursor: str, **query: Any) -> bool:
    return failure(api("GET", TRACES, query={"view": "summary", **query, "cursor": cursor})) == (400, "invalid_cursor")


def test_a_cursor_works_for_its_own_list(api: Api, cursor: str) -> None:
    assert len(api.page(view="summary", limit=1, cursor=cursor)["traces"]) == 1


def test_a_cursor_of_another_user_is_refused(other: Api, cursor: str) -> None:
    assert refused(other, cursor)


PAGED = [(TRACES, "view=summary"), ("/api/analytics/export", ""), (LESSONS, "")]


@pytest.mark.parametrize(("path", "query"), PAGED)
def test_a_cursor_is_refused_when_the_same_user_acts_for_another_owner(call: Call, path: str, query: str) -> None:
    user = User(new_user().name, (new_team(), new_team()))
    owners = [Api(call, user), *(member_of(call, team, user.name) for team in user.teams)]
    cursors = []
    for owner in owners:
        for trace_id in ("a", "b", "c"):
            owner.send(span(trace_id, lesson_id="l"))
        page = owner("GET", path, query=f"{query}&limit=1")
        cursors.append(page.headers.get("x-next-cursor") or page.json["next_cursor"])
    for number, owner in enumerate(owners):
        statuses = [owner("GET", path, query=f"{query}&limit=1&cursor={cursor}").status for cursor in cursors]
        assert statuses == [200 if number == other else 400 for other in range(len(owners))]


@pytest.mark.parametrize(
    "query", [{"view": "forest"}, {"order": "asc"}, {"conversation_id": "c"}, {"start_date": at()}, {"search": "call"}]
)
def test_a_cursor_of_another_query_is_refused(api: Api, cursor: str, query: dict[str, str]) -> None:
    assert refused(api, cursor, **query)


def test_a_cursor_of_a_list_is_refused_by_an_outline(api: Api, cursor: str) -> None:
    reply = api("GET", path_of("a"), query={"view": "outline", "cursor": cursor})
    assert failure(reply) == (400, "invalid_cursor")


def test_a_forged_cursor_is_refused(api: Api, cursor: str) -> None:
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    forged = [raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :] for index in range(len(raw))]
    forged += [raw[:16], raw[16:], raw + b"0", bytes(16) + raw[16:], b"", raw[:16] + raw[16:].replace(b"#", b"$")]
    for text in forged:
        assert refused(api, base64.urlsafe_b64encode(text).rstrip(b"=").decode()), text


@pytest.mark.parametrize("text", ["", "0", "null", "é", "=", "====", "a b", "%00", "a" * 5_000, "eyJhIjoxfQ"])
def test_a_text_that_is_not_a_cursor_is_refused(api: Api, text: str) -> None:
    assert refused(api, text)
