"""Images and other media: stored once for each trace, shown only while a span refers to them, and harmless to show."""

import gzip
import json
from typing import Any

import pytest

from tests import otlp
from tests.api import TRACES, Api, at, child, failure, path_of, span
from tests.conftest import TableOnEngine
from tests.gateway import Call, Reply
from tests.media import KB, MB, asking, base64_of, image, part, reference, sha256_of
from tests.victim import owner_id_of
from tracestore.http import wiring
from tracestore.ingest.native import MAX_SPAN_BYTES
from tracestore.storage import keys

PNG = image(100 * KB)
JPEG = image(60 * KB, "image/jpeg")
SECRET = "sk-proj-" + "A1b2C3d4E5f6G7h8J9k0"

on_moto = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")


def medium(api: Api, content: bytes, trace_id: str = "t", **sent: Any) -> Reply:
    """The response with the content of a medium."""
    return api("GET", f"{path_of(trace_id)}/media/{sha256_of(content)}", **sent)


def items_of(api: Api, engine: TableOnEngine, trace_id: str = "t") -> list[dict[str, Any]]:
    """All items of a trace in the table."""
    condition = {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": keys.trace(owner_id_of(api), trace_id)}},
    }
    pages = engine.client.get_paginator("query").paginate(TableName=engine.table_name, ConsistentRead=True, **condition)
    return [item for page in pages for item in page["Items"]]


def stored_bytes(api: Api, engine: TableOnEngine, trace_id: str = "t") -> int:
    """The bytes of a trace in the table."""
    values = [value for item in items_of(api, engine, trace_id) for typed in item.values() for value in typed.values()]
    return sum(len(value) for value in values)


def media_items(api: Api, engine: TableOnEngine, trace_id: str = "t") -> list[str]:
    return [item["sk"]["S"] for item in items_of(api, engine, trace_id) if keys.is_medium(item["sk"]["S"])]


def test_a_large_image_in_ten_calls_of_a_trace_is_stored_once(api: Api, engine: TableOnEngine) -> None:
    photo = image(3 * MB)
    api.send(span())
    for number in range(10):
        api.send(child(f"call{number}", "root", input_data=asking(part(photo), {"type": "text", "text": str(number)})))
    assert stored_bytes(api, engine) < len(photo) + 30 * KB
    for number in range(10):
        (shown, _) = api.span(f"call{number}")["input_data"]["messages"][0]["parts"]
        assert shown == reference(photo)
    assert medium(api, photo).body == photo


def test_an_image_in_many_spans_of_one_request_is_stored_once(api: Api, engine: TableOnEngine) -> None:
    api.send(
        *(span(span_id=f"s{number}", input_data=asking(part(PNG)), output_data=[part(PNG)]) for number in range(9))
    )
    assert stored_bytes(api, engine) < len(PNG) + 10 * KB
    assert medium(api, PNG).body == PNG


def test_each_trace_has_its_own_media(api: Api) -> None:
    api.send(span("a", input_data=asking(part(PNG))), span("b"))
    assert medium(api, PNG, "a").status == 200
    assert failure(medium(api, PNG, "b")) == (404, "not_found")
    assert failure(medium(api, PNG, "never")) == (404, "not_found")


@on_moto
@pytest.mark.parametrize("text", ["0" * 64, "0" * 63, "A" * 64, "..", "%2e%2e", "0" * 64 + "%0a", "x" * 900])
def test_an_unknown_or_malformed_hash_is_not_found(api: Api, text: str) -> None:
    api.send(span(input_data=asking(part(PNG))))
    assert failure(api("GET", f"{path_of('t')}/media/{text}")) == (404, "not_found")


@on_moto
@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"])
def test_an_image_is_shown_inline(api: Api, mime_type: str) -> None:
    content = image(mime_type=mime_type)
    api.send(span(input_data=asking(part(content, mime_type))))
    reply = medium(api, content, headers={"accept-encoding": "gzip"})
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["content-type"] == mime_type
    assert reply.headers["content-disposition"] == "inline"
    assert "content-encoding" not in reply.headers
    assert_harmless(reply)


SCRIPT = b"<script>alert(1)</script>" * 2_000

DOWNLOADS = {
    "image/svg+xml": b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT,
    "text/html": b"<html>" + SCRIPT,
    "application/pdf": b"%PDF-1.7" + SCRIPT,
    "application/xhtml+xml": SCRIPT,
    "image/png": b"<html>" + SCRIPT,
    "image/gif": image(),
    "audio/wav": b"RIFF\0\0\0\0WAVE" + bytes(50 * KB),
}


@on_moto
@pytest.mark.parametrize("mime_type", DOWNLOADS)
def test_anything_else_is_a_download_that_runs_nothing(api: Api, mime_type: str) -> None:
    """So is content whose first bytes are not those of the image type that it states."""
    content = DOWNLOADS[mime_type]
    api.send(span(output_data=[part(content, mime_type)]))
    reply = medium(api, content)
    assert (reply.status, reply.body) == (200, content)
    assert reply.headers["content-type"] == mime_type
    assert reply.headers["content-disposition"] == "attachment"
    assert_harmless(reply)


def assert_harmless(reply: Reply) -> None:
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert reply.headers["cache-control"] == "private, no-cache"


@on_moto
def test_a_media_type_cannot_add_a_header(api: Api) -> None:
    api.send(span(output_data=[part(PNG, "text/html\r\nx-other: 1")]))
    assert medium(api, PNG).headers["content-type"] == "application/octet-stream"


@on_moto
def test_a_client_that_has_the_content_gets_304(api: Api) -> None:
    api.send(span(input_data=asking(part(PNG))))
    tag = medium(api, PNG).headers["etag"]
    reply = medium(api, PNG, headers={"if-none-match": tag})
    assert (reply.status, reply.body) == (304, b"")


@on_moto
def test_the_media_of_a_span_are_not_part_of_its_size(api: Api) -> None:
    photos = [image(MB, seed=seed) for seed in range(4)]
    sent = span(input_data=asking(*map(part, photos)))
    assert len(json.dumps(sent)) > MAX_SPAN_BYTES
    api.send(sent)
    assert [medium(api, photo).status for photo in photos] == [200] * 4


@on_moto
def test_a_medium_beyond_four_mebibytes_is_not_stored(api: Api, engine: TableOnEngine) -> None:
    large = bytes(5 * MB)
    body = gzip.compress(json.dumps(span(output_data=[part(large, "audio/wav")])).encode())
    assert api.post(body, headers={"content-encoding": "gzip"}).status == 201
    expected = reference(large, "audio/wav", media_too_large=True)
    del expected["ref"]
    assert api.span()["output_data"] == [expected]
    assert stored_bytes(api, engine) < 5 * KB
    assert medium(api, large).status == 404


@on_moto
def test_the_text_of_a_medium_is_not_searched_for_secrets_but_its_part_is(api: Api) -> None:
    content = b"x" * 40 * KB + SECRET.encode()
    api.send(span(input_data=asking(part(content, "text/plain", name=f"{SECRET}.txt"))))
    (shown,) = api.span()["input_data"]["messages"][0]["parts"]
    assert shown == reference(content, "text/plain", name="[redacted:openai_key].txt")
    assert medium(api, content).body == content


@on_moto
def test_no_pattern_of_the_deployer_breaks_a_reference(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDACTION_PATTERNS", '["[0-9a-f]{6,}"]')
    wiring.reset()
    api.send(span(input_data=asking(part(PNG, note="abcdef0"))))
    (shown,) = api.span()["input_data"]["messages"][0]["parts"]
    assert shown == reference(PNG, note="[redacted:custom]")
    assert medium(api, PNG).body == PNG
    monkeypatch.undo()
    wiring.reset()


def test_a_medium_of_a_deleted_span_is_gone_unless_another_span_refers_to_it(api: Api) -> None:
    api.send(
        span(),
        child("a", "root", input_data=asking(part(PNG), part(JPEG, "image/jpeg"))),
        child("b", "root", input_data=asking(part(PNG))),
    )
    assert api("DELETE", path_of("t", "a")).status == 200
    assert medium(api, PNG).status == 200
    assert failure(medium(api, JPEG)) == (404, "not_found")
    assert api("DELETE", path_of("t", "b")).status == 200
    assert medium(api, PNG).status == 404


def test_a_medium_that_a_patch_has_replaced_is_gone(api: Api) -> None:
    api.send(span(input_data=asking(part(PNG)), output_data=[part(JPEG, "image/jpeg")]))
    assert medium(api, PNG).status == 200
    changed = api.patched(input_data=asking(part(JPEG, "image/jpeg")))
    assert changed["input_data"] == asking(reference(JPEG, "image/jpeg"))
    api.patched(output_data="none")
    assert medium(api, PNG).status == 404
    assert medium(api, JPEG).body == JPEG


def test_a_medium_that_a_patch_repeats_is_stored(api: Api) -> None:
    api.send(span())
    api.patched(output_data=[reference(PNG)])
    assert medium(api, PNG).status == 404
    api.patched(output_data=[part(PNG)])
    assert medium(api, PNG).body == PNG


def test_media_count_once_in_the_stored_bytes(api: Api, engine: TableOnEngine) -> None:
    photo = image(MB)
    api.send(*(span(span_id=f"s{number}", input_data=asking(part(photo))) for number in range(3)))
    api.send(span(span_id="late", input_data=asking(part(photo))))
    (month,) = api("GET", "/api/analytics/storage").json["months"]
    assert month["bytes"] == pytest.approx(stored_bytes(api, engine), rel=0.01)


def test_a_span_can_be_sent_back_as_it_was_read(api: Api) -> None:
    api.send(span(input_data=asking(part(PNG))))
    shown = api.span()["input_data"]
    assert api.patched(input_data={**shown, "note": "seen"})["input_data"]["messages"] == shown["messages"]
    assert medium(api, PNG).body == PNG


def test_a_reference_to_nothing_gives_nothing_until_its_medium_arrives(api: Api) -> None:
    api.send(span(input_data=asking(reference(PNG))))
    assert medium(api, PNG).status == 404
    api.send(span(input_data=asking(part(PNG))))
    assert medium(api, PNG).body == PNG


def test_deleting_the_trace_deletes_its_media(api: Api, engine: TableOnEngine) -> None:
    for trace_id, query in (("one", None), ("chat", "conversation_id=c"), ("all", "deleteAll=true")):
        api.send(span(trace_id, conversation_id="c" if trace_id == "chat" else None, input_data=asking(part(PNG))))
        assert media_items(api, engine, trace_id)
        deleted = api("DELETE", path_of(trace_id)) if query is None else api("DELETE", TRACES, query=query)
        assert deleted.status == 200
        assert [item["sk"]["S"] for item in items_of(api, engine, trace_id)] == [keys.HEAD]
        assert medium(api, PNG, trace_id).status == 404


def test_a_deleted_trace_keeps_no_media_that_arrive_late(api: Api, engine: TableOnEngine) -> None:
    api.send(span())
    assert api("DELETE", path_of("t")).status == 200
    assert failure(api.post(span(input_data=asking(part(PNG))))) == (409, "trace_deleted")
    assert media_items(api, engine) == []


def test_media_expire_with_their_trace(api: Api, engine: TableOnEngine) -> None:
    api.send(span(input_data=asking(part(image(MB)))))
    expiries = {item["sk"]["S"][0]: item["expires_at"]["N"] for item in items_of(api, engine)}
    assert expiries["Y"] == expiries["S"]


@on_moto
@pytest.mark.parametrize("encoding", otlp.ENCODINGS)
def test_media_of_otlp_spans_and_log_records_are_stored(api: Api, encoding: otlp.Encoding) -> None:
    trace_id = otlp.new_id()
    url = f"data:image/png;base64,{base64_of(PNG)}"
    sent = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    values = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(sent)}
    otlp.send(api, otlp.span(trace_id, values=values), encoding=encoding)
    reply = [{"type": "blob", "mime_type": "image/jpeg", "content": base64_of(JPEG)}]
    otlp.send(
        api, otlp.message(trace_id, json.dumps(reply), role="choice", after_ms=2), signal="logs", encoding=encoding
    )
    stored = api.span("00000000000000aa", trace_id)
    assert stored["input_data"] == asking(reference(PNG))
    assert stored["output_data"]["messages"][0]["parts"] == [reference(JPEG, "image/jpeg")]
    assert [medium(api, content, trace_id).body for content in (PNG, JPEG)] == [PNG, JPEG]


@on_moto
def test_media_of_lessons_and_their_calls_are_stored(api: Api) -> None:
    lesson = {"id": "l", "request_data": {"photo": part(PNG)}, "llm_calls": [{"response": {"content": [part(PNG)]}}]}
    assert api("POST", "/api/traces", body=lesson).status == 201
    call = {"request": {"prompt": [part(JPEG, "image/jpeg")]}}
    assert api("POST", "/api/traces/l/llm-calls", body=call).status == 201
    drawn = image(seed=1)
    assert api("PATCH", "/api/traces/l", body={"response_data": [part(drawn)], "llm_calls": [call]}).status == 200
    shown = api("GET", "/api/traces/l").json["data"]
    assert shown["request_data"] == {"photo": reference(PNG)}
    assert shown["response_data"] == [reference(drawn)]
    assert [medium(api, content, "l").status for content in (PNG, JPEG, drawn)] == [200] * 3


@on_moto
def test_calls_with_different_images_are_no_attempts_of_one_call(api: Api) -> None:
    ask = {"type": "text", "text": "What is this?"}
    for number, content in enumerate((PNG, image(seed=1), image(seed=2))):
        times = {"start_time": at(number), "end_time": at(number + 0.5)}
        model_call: dict[str, Any] = {
            "operation_type": "completion",
            "model_name": "m",
            "input_data": asking(ask, part(content)),
        }
        api.send(child(f"call{number}", "root", **times, **model_call))
    assert all("attempt" not in row for row in api.trace(view="outline")["outline"])


EXPORT = "/api/analytics/export"


def exported(api: Api, **query: Any) -> list[list[dict[str, Any]]]:
    """The lines of each response of an export."""
    pages: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = api("GET", EXPORT, query={**query, **cursor}, headers={"accept-encoding": "gzip"})
        assert reply.status == 200
        pages.append([json.loads(line) for line in reply.body.splitlines()])
        if "x-next-cursor" not in reply.headers:
            return pages
        cursor = {"cursor": reply.headers["x-next-cursor"]}


def test_an_export_contains_each_medium_once_in_a_response(api: Api) -> None:
    api.send(
        span(input_data=asking(part(PNG))),
        child("a", "root", start_time=at(1), input_data=asking(part(PNG), part(JPEG, "image/jpeg"))),
        span("other", start_time=at(-9), input_data=asking(part(PNG))),
    )
    ((first, second, third),) = exported(api)
    assert first["input_data"] == third["input_data"] == asking(part(PNG))
    assert second["input_data"] == asking(reference(PNG), part(JPEG, "image/jpeg"))
    assert not any("media_omitted" in line for line in (first, second, third))


def test_an_export_can_be_imported_into_another_deployment(api: Api, other: Api) -> None:
    photos = [image(MB, seed=seed) for seed in range(6)]
    api.send(span())
    for number in range(6):
        shown = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64_of(photos[number])}"}}]
        repeated = asking(*map(part, photos[max(0, number - 1) : number]))
        api.send(child(f"s{number}", "root", start_time=at(number + 1), input_data=shown, output_data=repeated))
    pages = exported(api)
    assert len(pages) > 1
    for line in (line for page in reversed(pages) for line in reversed(page)):
        assert other.post(line).status == 201
    assert [medium(other, photo).body == photo for photo in photos] == [True] * 6
    for number in range(6):
        for name in ("input_data", "output_data"):
            assert other.span(f"s{number}")[name] == api.span(f"s{number}")[name]


@on_moto
def test_an_export_of_the_largest_medium_can_be_imported(api: Api, other: Api) -> None:
    largest = image(4 * 1024 * 1024)
    api.send(span(input_data=asking(part(largest)), output_data={"text": "x" * 100 * KB}))
    api.send(span("next", start_time=at(-5)))
    (first,), (second,) = exported(api)
    assert (first["trace_id"], second["trace_id"]) == ("t", "next")
    assert "media_omitted" not in first
    assert other.post(first).status == 201
    assert medium(other, largest).body == largest


@on_moto
def test_a_line_that_cannot_contain_its_media_is_marked(api: Api, other: Api) -> None:
    photos = [image(3 * MB, seed=seed) for seed in range(2)]
    api.send(span(input_data=asking(part(photos[0]))))
    api.patched(output_data=[part(photos[1])])
    ((line,),) = exported(api)
    assert line["media_omitted"] is True
    assert [isinstance(line["input_data"]["messages"][0]["parts"][0].get("data"), str), "ref" in line["output_data"][0]]
    assert other.post(line).status == 201
    assert sorted(medium(other, photo).status for photo in photos) == [200, 404]


@on_moto
def test_a_stranger_cannot_reach_a_medium_by_its_hash(api: Api, other: Api, call: Call) -> None:
    api.send(span(input_data=asking(part(PNG))))
    other.send(span(input_data=asking(reference(PNG))))
    assert medium(other, PNG).status == 404
    assert medium(Api(call, None), PNG).status == 401
