"""An owner with data of every kind that others try to reach, and the texts that they try."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.api import TRACES, Api, at, child, path_of, span
from tests.conftest import TableOnEngine
from tests.head_stream import count_traces
from tests.media import asking, part, sha256_of
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


def owner_id_of(api: Api) -> str:
    owner_id: str = api("GET", "/api/me").json["data"]["owner_id"]
    return owner_id


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
