"""The API as one user: spans with defaults, and the content of common replies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.gateway import Call, Reply, User, new_user
from tracestore.http.identity import OWNER_HEADER

TRACES = "/api/analytics/traces"
START = datetime(2025, 1, 2, 10, tzinfo=UTC)


def at(seconds: float = 0) -> str:
    """The time this many seconds after `START`."""
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(trace_id: str = "t", span_id: str = "root", **fields: Any) -> dict[str, Any]:
    """A pending span that started at `START`. A field with the value None is omitted."""
    defaults = {"trace_id": trace_id, "span_id": span_id, "span_name": f"call.{span_id}", "start_time": at()}
    return {name: value for name, value in {**defaults, **fields}.items() if value is not None}


def child(span_id: str, parent: str, trace_id: str = "t", **fields: Any) -> dict[str, Any]:
    """A span below another."""
    return span(trace_id, span_id, parent_span_id=parent, **fields)


def path_of(trace_id: str, span_id: str | None = None) -> str:
    """The path of a trace or a span, with its id percent-encoded."""
    path = f"{TRACES}/{quote(trace_id, safe='')}"
    return path if span_id is None else f"{path}/spans/{quote(span_id, safe='')}"


def failure(reply: Reply) -> tuple[int, str]:
    """The status and the code of a refusal, which must have the common shape of errors."""
    content = reply.json
    assert set(content) == {"success", "error"}
    assert content["success"] is False
    assert set(content["error"]) == {"code", "message", "details"}
    assert all(set(detail) == {"field", "message"} for detail in content["error"]["details"])
    assert content["error"]["message"].endswith((".", "?"))
    assert reply.headers["content-type"] == "application/json"
    return reply.status, content["error"]["code"]


def fields_of(reply: Reply) -> list[str]:
    """The fields and parameters that a refusal names."""
    return [detail["field"] for detail in reply.json["error"]["details"]]


def flat(roots: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The spans of a tree, each before its children. Not recursive, because trees may be deep."""
    stack = list(reversed(roots))
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(node["children"])


@dataclass(frozen=True)
class Api:
    """The API as one user, with a JWT or with other `headers`."""

    call: Call
    user: User | None
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, **sent: Any) -> Reply:
        """Any request."""
        headers = {**self.headers, **sent.pop("headers", {})}
        return self.call(method, path, user=self.user, headers=headers, **sent)

    def post(self, body: Any, **sent: Any) -> Reply:
        """A request that captures spans."""
        return self("POST", TRACES, body=body, **sent)

    def send(self, *spans: dict[str, Any]) -> Any:
        """Capture one span or a batch, which must be stored completely. Returns the `data` of the reply."""
        reply = self.post(spans[0] if len(spans) == 1 else {"spans": spans})
        assert reply.status == 201, reply.body
        assert reply.json.get("rejected", []) == []
        return reply.json["data"]

    def patch(self, span_id: str = "root", trace_id: str = "t", **changes: Any) -> Reply:
        """A change to a span."""
        return self("PATCH", path_of(trace_id, span_id), body=changes)

    def patched(self, span_id: str = "root", trace_id: str = "t", **changes: Any) -> dict[str, Any]:
        """The span after a change, which must be accepted."""
        reply = self.patch(span_id, trace_id, **changes)
        assert reply.status == 200, reply.body
        changed: dict[str, Any] = reply.json["data"]
        return changed

    def span(self, span_id: str = "root", trace_id: str = "t") -> dict[str, Any]:
        """A span, which must exist."""
        reply = self("GET", path_of(trace_id, span_id))
        assert reply.status == 200, reply.body
        content: dict[str, Any] = reply.json["data"]
        return content

    def trace(self, trace_id: str = "t", **query: Any) -> dict[str, Any]:
        """A trace, which must exist."""
        reply = self("GET", path_of(trace_id), query=query)
        assert reply.status == 200, reply.body
        content: dict[str, Any] = reply.json["trace"]
        return content

    def page(self, **query: Any) -> dict[str, Any]:
        """One page of a list."""
        reply = self("GET", TRACES, query=query)
        assert reply.status == 200, reply.body
        content: dict[str, Any] = reply.json
        return content

    def summaries(self, **query: Any) -> list[str]:
        """The ids of the traces on all pages of a list."""
        ids = []
        cursor: dict[str, str] = {}
        while True:
            page = self.page(view="summary", **query, **cursor)
            ids += [trace["trace_id"] for trace in page["traces"]]
            if page["next_cursor"] is None:
                return ids
            cursor = {"cursor": page["next_cursor"]}

    def with_key(self, *scopes: str) -> "Api":
        """The same user with a new API key."""
        reply = self("POST", "/api/keys", body={"name": "test", "scopes": scopes})
        assert reply.status == 201, reply.body
        return Api(self.call, None, {"x-api-key": reply.json["data"]["secret"]})


def new_team() -> str:
    """The name of a team that is new to the table."""
    return new_user().name.replace("user", "team")


def member_of(call: Call, team: str, name: str = "") -> Api:
    """The API as a member who acts for this team. *absent*: without `name` a new user."""
    return Api(call, User(name or new_user().name, (team,)), {OWNER_HEADER: quote(team, safe="")})
