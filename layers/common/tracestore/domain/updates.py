"""Make the update of a span from reported fields: its digest, and what the core keeps of the payload.

An outline shows what each span was about, and the attempts of one call are recognised by what they asked, without
reading a payload. So a preview and a fingerprint are derived when the payload arrives and are stored in the core. So
are the names of the media that the payload refers to: a medium is shown only while a span refers to it.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, cast

from .media import referred_media
from .message_texts import compared_texts, without_white_space
from .previews import input_preview, is_delta, messages_of, output_preview, text_of
from .span_text import SpanText, span_text
from .spans import (
    CAPTURED,
    INFERENCE_OPERATIONS,
    Json,
    SpanFields,
    SpanUpdate,
    digest_of,
)

DERIVED_FIELDS: Final = (
    *("input_preview", "output_preview", "fingerprint", "provider_used", "fallback_providers"),
    *("trace_name", "trace_input_preview", "trace_output_preview", "media"),
)
"""The fields that follow from a payload. No client sends them, and the digest of an update leaves them out."""

CORE_PREVIEW_CHARACTERS: Final = 80
"""Characters of a preview in the core: one line of an outline. Every later write to the trace reads and packs them."""

FINGERPRINT_BYTES: Final = 8
"""Among 10,000 calls of a trace, two that ask differently have the same fingerprint once in 10^11 such traces."""

PROVIDER_CHARACTERS: Final = 256
TRACE_NAME_CHARACTERS: Final = 512
FALLBACKS_KEPT: Final = 20
"""Providers of a lesson in its core and its head, so that a list of lessons reads no metadata."""

ASKING_OPERATIONS: Final = frozenset({"tool_call", "retrieval", "http"})
"""Operations of which the input says more in one line than the output."""

_OUTPUT_FIRST: Final = (
    ("output_preview", "output_data", output_preview),
    ("input_preview", "input_data", input_preview),
)
_INPUT_FIRST: Final = _OUTPUT_FIRST[::-1]


def span_update(
    fields: SpanFields, *, received_ms: int, precedence: int = CAPTURED, text: SpanText | None = None
) -> SpanUpdate:
    """The update with these fields, payload included. The same fields, in any order, have the same digest.

    *absent*: without its `text`, it is written here.
    """
    whole, payload, payload_fields = text or span_text(fields)
    core = _with_derived_core(fields)
    if media := referred_media(whole):
        core = cast(SpanFields, {**core, "media": media})
    return SpanUpdate(core, digest_of(whole), payload_fields, received_ms, precedence, payload)


def preview_of(fields: SpanFields) -> str | None:
    """The preview of a span for an outline: of its output, or of its input where that says more. *absent*: None."""
    names = ["output_preview", "input_preview"]
    if fields.get("operation_type") in ASKING_OPERATIONS:
        names.reverse()
    return next((str(fields[name]) for name in names if name in fields), None)  # type: ignore[literal-required]


def fingerprint_of(input_data: Json) -> str:
    """The fingerprint of what a call asks: the same for the same messages, whatever their white space and ids."""
    messages = messages_of(input_data)
    texts = [text for message in messages for text in compared_texts(message)]
    text = "\0".join(texts if messages else [without_white_space(text_of(input_data))])
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=FINGERPRINT_BYTES).digest()
    return b64encode(digest).decode().rstrip("=")


def _with_derived_core(fields: SpanFields) -> SpanFields:
    """The fields with the preview and the fingerprint that follow from their payload. *absent*: as they are.

    Messages from logs have none: each request has some of them, and a preview would depend on how they were batched.
    """
    derived: dict[str, Json] = {}
    if isinstance(metadata := fields.get("metadata"), dict):
        derived = _stated_providers(metadata) | _stated_trace(metadata)
    asked = fields.get("input_data")
    operation = fields.get("operation_type")
    for name, field, preview in _INPUT_FIRST if operation in ASKING_OPERATIONS else _OUTPUT_FIRST:
        value = cast(Json, fields.get(field))
        if value is not None and (line := preview(value, CORE_PREVIEW_CHARACTERS)):
            derived[name] = line
            break
    if asked is not None and not is_delta(asked) and (operation is None or operation in INFERENCE_OPERATIONS):
        derived["fingerprint"] = fingerprint_of(asked)
    return cast(SpanFields, {**fields, **derived}) if derived else fields


def _stated_providers(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """The providers that the metadata of a lesson states. *absent*: empty."""
    stated: dict[str, Json] = {}
    if isinstance(used := metadata.get("provider_used"), str) and used:
        stated["provider_used"] = used[:PROVIDER_CHARACTERS]
    if isinstance(fallbacks := metadata.get("fallback_providers"), list):
        names = [name[:PROVIDER_CHARACTERS] for name in fallbacks if isinstance(name, str)]
        stated["fallback_providers"] = cast(Json, names[:FALLBACKS_KEPT])
    return stated


def _stated_trace(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """The name of the whole trace and previews of its input and output, as metadata states them. *absent*: empty."""
    stated: dict[str, Json] = {}
    if isinstance(name := metadata.get("trace_name"), str) and name.strip():
        stated["trace_name"] = name[:TRACE_NAME_CHARACTERS]
    for direction, preview in (("input", input_preview), ("output", output_preview)):
        value = metadata.get(f"trace_{direction}")
        if value is not None and (line := preview(value)):
            stated[f"trace_{direction}_preview"] = line
    return stated
