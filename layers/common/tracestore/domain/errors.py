"""Every failure that a caller can meet, each with a stable code and a sentence with the remedy.

This module does not know HTTP: `http.errors` maps each kind to a status. No message contains a value that the caller
sent, only names of fields and parameters.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """One problem of one field or parameter."""

    field: str
    message: str


class TracestoreError(Exception):
    """A failure with a stable `code`, a `message` with the remedy, and optional `details` by field."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.details = details


class Invalid(TracestoreError):
    """The request cannot be used as it is."""

    code = "invalid_request"


class TooLarge(TracestoreError):
    """More than one request or one span may contain."""

    code = "body_too_large"


class Unsupported(TracestoreError):
    """A body of a content type that the route does not read."""

    code = "unsupported_media_type"


class Unauthenticated(TracestoreError):
    """No credential, an invalid one, or two different ones."""

    code = "unauthenticated"


class Forbidden(TracestoreError):
    """A valid credential that does not permit the request."""

    code = "missing_scope"


class NotFound(TracestoreError):
    """Absent, or another user's: responses never distinguish the two. The message ends with the remedy.

    A message with another `code` has its own remedy.
    """

    code = "not_found"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        remedy = "" if code else " Check the id, and that the API key or JWT belongs to the owner."
        super().__init__(message + remedy, code=code)


class MethodNotAllowed(TracestoreError):
    """A route that exists, but not with this method. `allowed` are the methods that it has."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: tuple[str, ...] = (), code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.allowed = allowed


class Conflict(TracestoreError):
    """The stored state does not allow the change."""

    code = "conflict"


class RateLimited(TracestoreError):
    """The API key has used up its limit; try again after `retry_after_s`."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(TracestoreError):
    """The store is throttled or out of time. No acknowledged span is lost; try again after `retry_after_s`."""

    code = "store_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
