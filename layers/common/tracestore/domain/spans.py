"""The fields that one request reports about a span, and the update that contains them.

Fields are stored as they were reported. Everything that can be derived (status, duration, totals) is derived after the
merge, so that the same writes give the same trace in any order. Times are integers of nanoseconds since 1970 in UTC,
money is integers of nano-dollars.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Final, Required, TypeAlias, TypedDict
from uuid import UUID

from .times import NS_PER_DAY, NS_PER_MS, NS_PER_SECOND

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class SpanFields(TypedDict, total=False):
    """The fields of one span in one request. An absent key was not reported; no value is ever null.

    `duration_ns` is a measured duration that contradicts the `end_ns` it was sent with. Every other duration is the
    time from start to end. `usage_details` are disjoint kinds of tokens. An update has a preview of its input or of its
    output, what its metadata states about the whole trace and about a lesson's providers, a fingerprint of what a call
    asked, and the media that it refers to, with their sizes: see `updates.py`. `call_key` is the sender's own id of a
    model call or a tool call, and `needs_call` marks the usage of a call that another record reports, see
    `log_joins.py`, or the span around it.

    Three fields come from the protocols of SDKs, which report a span in several requests. `report_order` orders
    the reports that amend each other: 0 for the first, and the time in milliseconds for a later one if the client
    states it. *absent*: after all others. A span that `encloses` stands for a whole trace: its times and its status
    follow from the other spans. One that `has_alias` can be found by its id alone.
    """

    span_id: Required[str]
    parent_span_id: str
    span_name: str
    operation_type: str
    start_ns: int
    end_ns: int
    duration_ns: int
    model_name: str
    model_provider: str
    model_version: str
    request_model: str
    scope_name: str
    conversation_id: str
    message_id: str
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_nano_usd: int
    tool_name: str
    end_user_id: str
    service_name: str
    lesson_id: str
    environment: str
    release: str
    tags: list[str]
    prompt_name: str
    prompt_version: str
    time_to_first_token_ns: int
    finish_reason: str
    service_tier: str
    usage_details: dict[str, int]
    usage_ambiguous: bool
    interrupted: bool
    call_key: str
    needs_call: bool
    report_order: int
    encloses: bool
    has_alias: bool
    status: str
    error_message: str
    error_type: str
    input_preview: str
    output_preview: str
    trace_name: str
    trace_input_preview: str
    trace_output_preview: str
    fingerprint: str
    provider_used: str
    fallback_providers: list[str]
    media: dict[str, int]
    input_data: Json
    output_data: Json
    metadata: Json
    error_stack: str
    events: list[Json]
    links: list[Json]
    log_messages: list[Json]


SHOWN_PAYLOAD_FIELDS: Final = ("input_data", "output_data", "metadata", "error_stack", "events", "links")
PAYLOAD_FIELDS: Final = (*SHOWN_PAYLOAD_FIELDS, "log_messages")
"""Large and seldom needed fields: stored apart, so that writing a trace and drawing its tree never read them."""

ID_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}"
"""The ids of traces and spans: 1 to 128 ASCII characters."""

MAX_DURATION_MS: Final = 100 * 365 * 86_400_000
"""A century: the end of a span that starts today can still be formatted as a time."""

EARLIEST_NS: Final = 1_420_070_400 * NS_PER_SECOND
"""The year 2015. Earlier times are those of a clock that was never set: no model was called over an API before."""

MAX_STACK_CHARACTERS: Final = 262_144
"""The stack of an error: about 2,000 frames."""

CAPTURED: Final = 0
FROM_LOGS: Final = -1
"""Precedences of updates: see `SpanUpdate`."""

MAX_CONTRADICTION_NS: Final = NS_PER_SECOND
"""A duration contradicts an end if it differs by more than this from the time between start and end."""

INFERENCE_OPERATIONS: Final = frozenset({"completion", "embedding", "rerank"})
"""The operations that call a model. Only their own tokens and cost are charged."""

_ID_NAMESPACE: Final = UUID("a5d0c35e-2a5a-5f0c-9f6e-6d3f5b0c7e11")


@dataclass(frozen=True, slots=True)
class SpanUpdate:
    """The fields that one request reported about one span.

    `precedence` is `CAPTURED` for captured spans, the lower `FROM_LOGS` for fields that only log records contain, and
    grows with every PATCH. `digest` identifies the fields, payload included: two updates with the same digest report
    the same. `received_ms` is the time of the first arrival; responses contain it, the merge ignores it.
    `payload_fields` names the payload fields of the update, also when `fields` was read without the payload.
    `payload_text` is their JSON where the update has just arrived.
    """

    fields: SpanFields
    digest: str
    payload_fields: tuple[str, ...]
    received_ms: int = 0
    precedence: int = CAPTURED
    payload_text: bytes | None = field(default=None, compare=False, repr=False)


def contradicts(start_ns: int, end_ns: int, duration_ns: int) -> bool:
    """Whether a measured duration contradicts the time from start to end."""
    return abs(end_ns - start_ns - duration_ns) > MAX_CONTRADICTION_NS


def is_plausible(time_ns: int, received_ms: int) -> bool:
    """Whether a time that arrived at `received_ms` can be right: neither before 2015, nor a day after its arrival."""
    return EARLIEST_NS <= time_ns <= received_ms * NS_PER_MS + NS_PER_DAY


def canonical_json(value: object) -> bytes:
    """The canonical JSON of a value: equal values give equal bytes. UTF-8, keys sorted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def digest_of(content: bytes) -> str:
    """A name for content: 12 hex digits. Of 10^8 traces with 1,000 spans, one has two contents of the same name."""
    return hashlib.blake2b(content, digest_size=6).hexdigest()


def span_uuid(user_id: str, trace_id: str, span_id: str) -> str:
    """The span's `id` in the API, a UUID of version 5: the same for the same user, trace and span.

    Trees show many of them, and `uuid.uuid5` takes three times as long. *source*: RFC 9562, section 5.5.
    """
    name = f"{user_id}\n{trace_id}\n{span_id}".encode()
    octets = bytearray(hashlib.sha1(_ID_NAMESPACE.bytes + name, usedforsecurity=False).digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x50  # the version
    octets[8] = octets[8] & 0x3F | 0x80  # the variant
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
