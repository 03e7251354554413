"""The only place where errors become status codes, and the one shape of error responses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from tracestore.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    TracestoreError,
    Unauthenticated,
    Unavailable,
    Unsupported,
)

from .request import MAX_NAME_CHARACTERS
from .response import Response, json_response

STATUSES: Final[Mapping[type[TracestoreError], int]] = {
    Invalid: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    TooLarge: 413,
    Unsupported: 415,
    RateLimited: 429,
    TracestoreError: 500,
    Unavailable: 503,
}

CODES: Final = (
    "all_spans_rejected",
    "body_too_large",
    "conflict",
    "deployment_misconfigured",
    "forbidden_origin",
    "forbidden_owner",
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
    "malformed_multipart",
    "malformed_otlp",
    "method_not_allowed",
    "missing_scope",
    "not_found",
    "not_shared",
    "rate_limited",
    "route_not_found",
    "span_deleted",
    "span_ended",
    "span_too_large",
    "store_unavailable",
    "stored_format_unknown",
    "too_many_annotations",
    "too_many_deleted_spans",
    "too_many_jobs",
    "trace_deleted",
    "trace_too_large",
    "unauthenticated",
    "unsupported_combination",
    "unsupported_media_type",
)
"""Every code that a response can contain. `docs/api.md` explains each."""

MAX_DETAILS: Final = 100
"""A request can have more malformed fields than a response has room for."""


def status_of(error: TracestoreError) -> int:
    """The status code for the class of this error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def error_response(error: TracestoreError, _headers: Mapping[str, str]) -> Response:
    """The error response of this API. It does not depend on the headers of the request."""
    content: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "details": [
            {"field": detail.field[:MAX_NAME_CHARACTERS], "message": detail.message}
            for detail in error.details[:MAX_DETAILS]
        ],
    }
    response = json_response({"success": False, "error": content}, status_of(error))
    return replace(response, headers={**response.headers, **headers_for(error)})


def headers_for(error: TracestoreError) -> dict[str, str]:
    """The headers that HTTP requires of an error: how to authenticate, when to retry, which methods there are."""
    if isinstance(error, Unauthenticated):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowed):
        return {"allow": ", ".join(error.allowed)}
    if isinstance(error, RateLimited | Unavailable):
        return {"retry-after": str(error.retry_after_s)}
    return {}


def not_shared() -> Forbidden:
    """The error for a request that the credential of a share does not open."""
    return Forbidden(
        "A share opens one trace for reading, and without payloads no search. Sign in, or send an API key.",
        code="not_shared",
    )


def internal_error() -> TracestoreError:
    """The error for an unexpected failure. It reveals nothing about the cause, which only the log contains."""
    return TracestoreError(
        "The server failed unexpectedly. Try again. If it fails again, report it to the operator of this deployment."
    )
