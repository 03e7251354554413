"""The one place where failures become status codes, and the one shape in which they are told."""

from collections.abc import Mapping
from typing import Any, Final

from tracestore.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TracestoreError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

from .request import MAX_NAME_CHARACTERS
from .response import Response, json_answer

STATUSES: Final[Mapping[type[TracestoreError], int]] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooLarge: 413,
    Unsupported: 415,
    TracestoreError: 500,
    Unavailable: 503,
}

CODES: Final = (
    "all_spans_rejected",
    "body_too_large",
    "conflict",
    "internal_error",
    "invalid_cursor",
    "invalid_encoding",
    "invalid_parameter",
    "invalid_request",
    "issuer_unavailable",
    "json_too_deep",
    "jwt_required",
    "lesson_ended",
    "malformed_json",
    "malformed_otlp",
    "missing_scope",
    "not_found",
    "route_not_found",
    "span_deleted",
    "span_ended",
    "span_too_large",
    "store_unavailable",
    "stored_format_unknown",
    "too_many_jobs",
    "trace_deleted",
    "unauthenticated",
    "unsupported_media_type",
)
"""Every code that an answer can carry. `docs/api.md` explains each."""

MAX_DETAILS: Final = 100
"""A body can hold more wrong fields than an answer has room for."""


def status_of(error: TracestoreError) -> int:
    """The status code for this kind of failure."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def error_answer(error: TracestoreError, _headers: Mapping[str, str]) -> Response:
    """A failure as this API tells it, whatever the request's headers."""
    content: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "details": [
            {"field": detail.field[:MAX_NAME_CHARACTERS], "message": detail.message}
            for detail in error.details[:MAX_DETAILS]
        ],
    }
    answer = json_answer({"success": False, "error": content}, status_of(error))
    return Response(answer.status, answer.body, {**answer.headers, **headers_for(error)})


def headers_for(error: TracestoreError) -> dict[str, str]:
    """What HTTP asks to be said in a header: how to authenticate, when to come back."""
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, Unavailable):
        return {"retry-after": str(error.retry_after_s)}
    return {}


def internal_error() -> TracestoreError:
    """What a caller learns of a failure that nobody foresaw: nothing but that it happened."""
    return TracestoreError("Something failed here that should not. Try again; if it stays, tell whoever runs this.")
