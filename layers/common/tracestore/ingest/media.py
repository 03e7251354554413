"""Take media out of the values that clients send, and put them back for an export.

A medium is a text of base64 whose place says that it is one: a data URL, the data of a message part, or the data next
to a media type. Only media above 32 KB are taken out. The object around the text stays: the text becomes a reference,
or the object itself becomes the reference where it is a part of type `media`, as in the chat form.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple, cast

from pydantic_core import to_json

from tracestore.domain.media import (
    MAX_MEDIUM_BYTES,
    MAX_REFERENCES,
    UNKNOWN_TYPE,
    Medium,
    image_type_of,
    reference_to,
    sha256_of_reference,
)
from tracestore.domain.spans import Json, SpanFields

from .message_shapes import MEDIA_DATA_FIELDS, MEDIA_FORMATS, MEDIA_TYPE_FIELDS, MEDIA_WORDS

MIN_MEDIUM_BYTES: Final = 32 * 1024
"""A smaller medium stays in its span: a separate item would cost more than it saves."""

_MIN_TEXT: Final = MIN_MEDIUM_BYTES * 4 // 3

_STRIDE: Final = _MIN_TEXT // 2

_PAYLOAD_NAMES: Final = frozenset(
    {
        *("input_data", "output_data", "metadata", "events", "log_messages"),
        *("request_data", "response_data", "prompt", "content"),
    }
)
"""The fields of spans, lessons and calls that contain any JSON."""

_CONTAINER_NAMES: Final = frozenset({"spans", "llm_calls", "request", "response"})
"""The fields of bodies that contain such fields."""

_DATA_URL: Final = re.compile(r"data:([^;,\s]{0,127})(?:;[^;,\s]{1,127}){0,4};base64,", re.IGNORECASE)
_MIME_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_REFERENCE_NAMES: Final = frozenset({"data", "bytes", "sha256", "ref", "media_too_large", "replaces"})
_MAX_URL_PREFIX: Final = 256
_URL_SAFE: Final = str.maketrans("-_", "+/")


class _Place(NamedTuple):
    """Where a text is: the object that contains it under `name`, and the place of that object."""

    name: str
    holder: Mapping[str, Json]
    above: "_Place | None" = None


class MediaCollector:
    """The media of one request. `found` has the content of those that were taken out, by their SHA-256.

    `body` is the request's body: where it has no long text without quotes, no value is searched, except where it
    `has_files`, whose base64 the body does not contain.
    """

    def __init__(self, body: bytes, *, has_files: bool = False) -> None:
        self.found: dict[str, Medium] = {}
        self._is_searched = has_files or _has_long_text(body)

    def take(self, value: Json) -> Json:
        """A body with references in place of media; the same object if it cannot have any."""
        if not self._is_searched:
            return value
        return self._in_body(value)

    def take_from(self, reported: list[tuple[str, SpanFields]]) -> list[tuple[str, SpanFields]]:
        """The fields of spans, given with their trace ids, with references in place of media."""
        if not self._is_searched:
            return reported
        return [(trace_id, cast(SpanFields, self._in_body(cast(Json, fields)))) for trace_id, fields in reported]

    def _in_body(self, value: Json) -> Json:
        if isinstance(value, list):
            return [self._in_body(item) for item in value]
        if isinstance(value, dict):
            return {name: self._in_field(name, item, value) for name, item in value.items()}
        return value

    def _in_field(self, name: str, value: Json, holder: Mapping[str, Json]) -> Json:
        if name in _PAYLOAD_NAMES:
            return self._in_payload(value, _Place(name, holder)) if _may_contain_medium(value) else value
        return self._in_body(value) if name in _CONTAINER_NAMES else value

    def _in_payload(self, value: Json, place: _Place) -> Json:
        if isinstance(value, str):
            return self._in_text(value, place) if len(value) > _MIN_TEXT else value
        if isinstance(value, list):
            return [item if _is_plain(item) else self._in_payload(item, place) for item in value]
        if isinstance(value, dict):
            members = {
                name: item if _is_plain(item) else self._in_payload(item, _Place(name, value, place))
                for name, item in value.items()
            }
            data = members.get("data")
            if value.get("type") == "media" and isinstance(value.get("data"), str) and isinstance(data, dict):
                return _flat(members, data)
            return members
        return value

    def _in_text(self, text: str, place: _Place) -> Json:
        if url := _DATA_URL.match(text):
            stated, data, replaced = url[1], text[url.end() :], "data_url"
        elif (stated_type := _stated_type(place)) is not None:
            stated, data, replaced = stated_type, text, "base64"
        else:
            return text
        content = _decoded(data)
        if content is None or len(content) <= MIN_MEDIUM_BYTES:
            return text
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self.found and len(content) <= MAX_MEDIUM_BYTES:
            if len(self.found) == MAX_REFERENCES:
                return text
            self.found[sha256] = Medium(_media_type(stated, content), content)
        mime_type = stated or _media_type(stated, content)
        return {**reference_to(mime_type, len(content), sha256), "replaces": replaced}


def _is_plain(value: Json) -> bool:
    """Whether a value is neither a container nor a long text, as most values are."""
    kind = type(value)
    return kind is not dict and kind is not list and (kind is not str or len(cast(str, value)) <= _MIN_TEXT)


def put_back(value: Json, media: MutableMapping[str, Medium]) -> Json:
    """The value with the content of `media` in place of references, each once; it is removed from `media` then.

    The result can be sent again: taking it out gives the same value.
    """
    if isinstance(value, list):
        return [put_back(item, media) for item in value]
    if not isinstance(value, dict):
        return value
    sha256 = sha256_of_reference(value)
    if sha256 is None or sha256 not in media:
        return {name: put_back(item, media) for name, item in value.items()}
    text = base64.b64encode(media.pop(sha256).content).decode()
    if value.get("replaces") == "data_url":
        return f"data:{value.get('mime_type') or ''};base64,{text}"
    if value.get("replaces") == "base64":
        return text
    rest = {name: item for name, item in value.items() if name not in ("bytes", "sha256", "ref")}
    return {**rest, "data": text}


def base64_length(size: int) -> int:
    """The most characters that a text with this many bytes of a medium has in place of its reference."""
    return (size + 2) // 3 * 4 + _MAX_URL_PREFIX


def _flat(members: dict[str, Json], data: dict[str, Json]) -> Json:
    """A part of type `media` as the reference itself. The media type that the part states takes precedence."""
    stated = members.get("mime_type")
    reference = {name: item for name, item in data.items() if name != "replaces"}
    if isinstance(stated, str) and stated:
        reference["mime_type"] = stated
    return {**{name: item for name, item in members.items() if name not in _REFERENCE_NAMES}, **reference}


def _stated_type(place: _Place) -> str | None:
    """The media type of a text by its place; empty for a medium of unknown type. *absent*: None for no medium."""
    if place.name not in MEDIA_DATA_FIELDS:
        return None
    above = place.above
    around = (place.holder, above.holder if above else {})
    for fields in around:
        for name in MEDIA_TYPE_FIELDS:
            stated = fields.get(name)
            if isinstance(stated, str) and stated and (name != "format" or stated.lower() in MEDIA_FORMATS):
                return stated
    kinds = [fields.get("type") for fields in around]
    is_medium = any(isinstance(kind, str) and kind in MEDIA_WORDS for kind in kinds)
    return "" if is_medium or place.name in _SELF_EVIDENT or (above and above.name in MEDIA_WORDS) else None


_SELF_EVIDENT: Final = frozenset({"b64_json", "images"})
"""Fields that contain nothing but base64 of images, without a type."""


def _media_type(stated: str, content: bytes) -> str:
    """The media type of a medium in the form of a header: as stated, else by its first bytes."""
    word = stated.partition(";")[0].strip().lower()
    word = MEDIA_FORMATS.get(word, word)
    if _MIME_TYPE.fullmatch(word):
        return word
    return UNKNOWN_TYPE if word else image_type_of(content) or UNKNOWN_TYPE


def _decoded(text: str) -> bytes | None:
    """The bytes of base64, in either alphabet, with or without padding and line breaks. *absent*: None."""
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
    if "\n" in text or "\r" in text:
        text = "".join(text.split())
    text = text.rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None


def _may_contain_medium(value: Json) -> bool:
    """Whether a field has a long text. Its JSON is searched in a tenth of the time that its values would take."""
    try:
        return _has_long_text(to_json(value))
    except ValueError:  # for example a lone surrogate
        return True


def _has_long_text(body: bytes) -> bool:
    """Whether a stretch of the body without a quote could be a medium. A medium has no quotes, in any encoding."""
    return any(body.find(b'"', start, start + _STRIDE) < 0 for start in range(0, len(body) - _STRIDE + 1, _STRIDE))
