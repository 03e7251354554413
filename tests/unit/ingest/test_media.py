"""Media leave the values that clients send, in every shape that says that a text is one, and can be put back."""

import json
from typing import Any, cast

import pytest

from tests.media import KB, MB, asking, base64_of, image, part, reference, sha256_of
from tracestore.domain.media import MAX_MEDIUM_BYTES, Medium, image_type_of, references_in
from tracestore.domain.spans import Json
from tracestore.ingest.media import MIN_MEDIUM_BYTES, MediaCollector, put_back
from tracestore.ingest.messages import conversation

PNG = image()
DATA = base64_of(PNG)
URL = f"data:image/png;base64,{DATA}"


def taken(value: Any, field: str = "input_data") -> tuple[Any, dict[str, Medium]]:
    """A value without its media, and those."""
    body = {field: value}
    media = MediaCollector(json.dumps(body).encode())
    return cast(Any, media.take(body))[field], media.found


def nested(replaced: str, mime_type: str = "image/png") -> dict[str, Any]:
    return reference(PNG, mime_type, replaces=replaced)


SHAPES: list[tuple[Any, Any]] = [
    (part(PNG, name="a.png"), reference(PNG, name="a.png")),
    ({"type": "media", "data": URL}, reference(PNG)),
    ({"type": "media", "data": DATA}, reference(PNG)),
    ({**part(PNG), "encoding": "base64", "replaces": "base64", "ref": "x"}, reference(PNG, encoding="base64")),
    (URL, nested("data_url")),
    (
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": nested("data_url"), "detail": "low"}},
    ),
    ({"type": "input_image", "image_url": URL}, {"type": "input_image", "image_url": nested("data_url")}),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": nested("base64")}},
    ),
    (
        {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": nested("base64", "wav"), "format": "wav"}},
    ),
    (
        {"inlineData": {"mimeType": "image/png", "data": DATA}},
        {"inlineData": {"mimeType": "image/png", "data": nested("base64")}},
    ),
    (
        {"image": {"format": "png", "source": {"bytes": DATA}}},
        {"image": {"format": "png", "source": {"bytes": nested("base64", "png")}}},
    ),
    (
        {"type": "blob", "mime_type": "image/png", "content": DATA},
        {"type": "blob", "mime_type": "image/png", "content": nested("base64")},
    ),
    ({"type": "image", "image": DATA}, {"type": "image", "image": nested("base64")}),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": DATA}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": nested("base64")}},
    ),
    (
        {"role": "user", "content": "What is this?", "images": [DATA]},
        {"role": "user", "content": "What is this?", "images": [nested("base64")]},
    ),
    ({"b64_json": DATA}, {"b64_json": nested("base64")}),
    ({"type": "image_generation_call", "result": DATA}, {"type": "image_generation_call", "result": nested("base64")}),
    (
        {"role": "assistant", "audio": {"id": "a", "data": DATA, "transcript": "Hi"}},
        {"role": "assistant", "audio": {"id": "a", "data": nested("base64"), "transcript": "Hi"}},
    ),
]


@pytest.mark.parametrize(("sent", "expected"), SHAPES, ids=[json.dumps(sent)[:40] for sent, _ in SHAPES])
def test_a_medium_becomes_a_reference_and_can_be_put_back(sent: Any, expected: Any) -> None:
    value, found = taken([sent, {"text": "x"}])
    assert value == [expected, {"text": "x"}]
    assert {sha256: medium.content for sha256, medium in found.items()} == {sha256_of(PNG): PNG}
    again = put_back(value, dict(found))
    assert DATA in json.dumps(again)
    assert taken(again) == (value, found)


@pytest.mark.parametrize(("sent", "expected"), SHAPES[4:], ids=[json.dumps(sent)[:40] for sent, _ in SHAPES[4:]])
def test_a_medium_in_another_shape_is_put_back_exactly_as_it_was_sent(sent: Any, expected: Any) -> None:
    value, found = taken(sent)
    assert value == expected
    assert put_back(value, found) == sent


@pytest.mark.parametrize(
    "sent",
    [
        {"text": DATA},
        {"data": DATA},
        {"type": "text", "text": URL[1:]},
        {"type": "document", "content": "A long text, " * 10 * KB},
        {"format": "json", "data": DATA},
        {"type": "media", "data": "https://example.com/" + "a" * 60 * KB},
        {"type": "media", "data": base64_of(image(MIN_MEDIUM_BYTES))},
        {"type": "media", "data": f"data:image/svg+xml,{'%3Csvg' * 10 * KB}"},
    ],
)
def test_any_other_text_stays(sent: Any) -> None:
    assert taken(sent) == (sent, {})


@pytest.mark.parametrize(
    "text",
    [
        base64_of(PNG).translate(str.maketrans("+/", "-_")),
        base64_of(PNG).rstrip("="),
        "\r\n".join(DATA[start : start + 76] for start in range(0, len(DATA), 76)),
    ],
)
def test_base64_of_every_kind_is_decoded(text: str) -> None:
    assert taken({"type": "media", "mime_type": "image/png", "data": text})[0] == reference(PNG)


@pytest.mark.parametrize(
    ("stated", "content", "expected"),
    [
        ("image/png", PNG, "image/png"),
        ("IMAGE/JPG; q=1", PNG, "image/jpeg"),
        ("png", PNG, "image/png"),
        ("wav", PNG, "audio/wav"),
        ("text/html\r\nx: y", PNG, "application/octet-stream"),
        (None, PNG, "image/png"),
        (None, b"x" * 40 * KB, "application/octet-stream"),
    ],
)
def test_the_media_type_is_that_of_a_header(stated: str | None, content: bytes, expected: str) -> None:
    sent = {"type": "media", "data": base64_of(content)} | ({"mime_type": stated} if stated else {})
    (medium,) = taken(sent)[1].values()
    assert medium.mime_type == expected


def test_a_medium_that_is_too_large_keeps_its_size_and_hash() -> None:
    large = image(MAX_MEDIUM_BYTES + 1)
    value, found = taken(part(large))
    expected = reference(large, media_too_large=True)
    del expected["ref"]
    assert (value, found) == (expected, {})


def test_the_same_content_is_found_once() -> None:
    value, found = taken(asking(part(PNG), part(PNG), part(image(seed=1))))
    assert len(found) == 2
    assert references_in(value) == dict.fromkeys(found, 40 * KB)


def test_a_medium_is_put_back_once() -> None:
    value, found = taken(asking(part(PNG), part(PNG)))
    assert put_back(value, found) == asking(part(PNG), reference(PNG))


@pytest.mark.parametrize("field", ["span_name", "error_message", "error_stack", "tags", "spans"])
def test_media_are_taken_from_payloads_only(field: str) -> None:
    assert taken(URL, field) == (URL, {})


@pytest.mark.parametrize("field", ["output_data", "metadata", "events", "request_data", "response_data"])
def test_media_are_taken_from_every_field_with_any_json(field: str) -> None:
    assert taken([part(PNG)], field)[0] == [reference(PNG)]


def test_media_are_taken_from_the_calls_of_a_lesson() -> None:
    body: Json = {"llm_calls": [{"request": {"prompt": [part(PNG)]}, "response": {"content": URL}}]}
    media = MediaCollector(json.dumps(body).encode())
    assert media.take(body) == {
        "llm_calls": [{"request": {"prompt": [reference(PNG)]}, "response": {"content": nested("data_url")}}]
    }


def test_a_body_without_a_long_text_is_not_searched() -> None:
    body: Json = {"spans": [{"input_data": {"text": "x" * 20 * KB}}] * 100}
    assert MediaCollector(json.dumps(body).encode()).take(body) is body


@pytest.mark.parametrize("offset", range(0, MIN_MEDIUM_BYTES, 5_003))
def test_a_long_text_is_found_wherever_it_begins(offset: int) -> None:
    body = {"input_data": ["x" * offset, part(image(MIN_MEDIUM_BYTES + 1))]}
    media = MediaCollector(json.dumps(body).encode())
    media.take(cast(Json, body))
    assert len(media.found) == 1


def test_a_conversation_of_otlp_has_flat_references() -> None:
    sent = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}]}]
    value, _ = taken(conversation(cast(Json, sent), "user"))
    assert value == asking(reference(PNG))


@pytest.mark.parametrize("mime_type", ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"])
def test_an_image_is_known_by_its_first_bytes(mime_type: str) -> None:
    assert image_type_of(image(mime_type=mime_type)) == mime_type


@pytest.mark.parametrize("content", [b"", b"<svg/>", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE", b"GIF", b"\0\0\0\x1cftypmp42"])
def test_other_contents_are_no_images(content: bytes) -> None:
    assert image_type_of(content) is None


def test_a_large_body_is_searched_in_time_by_its_values() -> None:
    value, found = taken([part(image(3 * MB))])
    assert references_in(value) == dict.fromkeys(found, 3 * MB)
