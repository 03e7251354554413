"""Attempts at the traces of another owner: their lists, spans, annotations, media, shares and deletions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.api import TRACES, at, child, path_of, span
from tests.media import sha256_of
from tests.victim import CANARY, FIELDS, MEDIUM, OTLP_TRACE, Attempt, Victim, hostile, segments
from tracestore.storage import keys


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


def captures(victim: Victim) -> Iterator[Attempt]:
    claims = {"user_id": victim.name, "id": victim.api.span("root", "t")["id"]}
    yield Attempt(TRACES, (201,), body=span("t", input_data="mine", **claims))
    yield Attempt(TRACES, (201,), body={"spans": [child("a", "root", "t", **claims), child("b", "root", "u")]})
    yield Attempt(TRACES, (400,), {"user_id": victim.name}, body=span("t"))
    for text in hostile(victim, "t"):
        yield Attempt(TRACES, (201, 400), body=span(text, conversation_id=text, message_id=text))
        yield Attempt(TRACES, (201, 400), body=span("t", text, parent_span_id=text))


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


def media(victim: Victim) -> Iterator[Attempt]:
    sha256 = sha256_of(MEDIUM)
    yield from (Attempt(f"{TRACES}/{segment}/media/{sha256}") for segment in segments(victim, "u"))
    yield from (Attempt(f"{TRACES}/u/media/{segment}") for segment in segments(victim, sha256))


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


def chosen_deletions(victim: Victim) -> Iterator[Attempt]:
    path = f"{TRACES}/delete"
    yield Attempt(path, (200,), body={"trace_ids": ["t", "u", "l", "m", OTLP_TRACE]})
    yield Attempt(path, (400,), {"user_id": victim.name}, {"trace_ids": ["t"]})
    yield Attempt(path, (400,), body={"trace_ids": ["t"], "user_id": victim.name})
    for text in hostile(victim, "t"):
        yield Attempt(path, (200, 400), body={"trace_ids": [text]})


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
