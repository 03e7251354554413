"""The usage that one span reports: its tokens by kind, and the names of its model."""

import re
from functools import lru_cache
from typing import Final

from .merge import Span
from .spans import INFERENCE_OPERATIONS, SpanFields

_VERSION: Final = re.compile(r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8})|-latest)(?:-v\d+(?::\d+)?)?$")
"""The version at the end of a model's name. The span of a framework may have the name without it."""

TOKEN_KINDS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")


def total_tokens(fields: SpanFields) -> int | None:
    """The total as reported, else the sum of input and output. *absent*: None where neither was reported."""
    if "total_tokens" in fields:
        return fields["total_tokens"]
    if "input_tokens" in fields or "output_tokens" in fields:
        return fields.get("input_tokens", 0) + fields.get("output_tokens", 0)
    return None


def amount(fields: SpanFields, kind: str) -> int:
    """The tokens of a kind that a span reports. *absent*: 0."""
    return fields.get(kind, 0)  # type: ignore[return-value]


def reported_tokens(fields: SpanFields) -> tuple[int, int] | None:
    """The total and the output of a span. *absent*: None where it reports no tokens."""
    total = total_tokens(fields)
    return None if total is None else (total, fields.get("output_tokens", 0))


def models_of(fields: SpanFields) -> set[str]:
    """The names of the model of a call, without their versions. *absent*: an empty set."""
    return {_plain(name) for name in (fields.get("model_name"), fields.get("request_model")) if name}


@lru_cache(maxsize=1_024)
def _plain(name: str) -> str:
    return _VERSION.sub("", name.rpartition("/")[2].lower())


def is_inference(span: Span) -> bool:
    """Whether a span calls a model."""
    return span.fields.get("operation_type") in INFERENCE_OPERATIONS
