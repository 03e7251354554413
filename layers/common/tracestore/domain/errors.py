"""Every failure a caller can meet, each with a stable code and a sentence that says what to do.

Nothing here knows HTTP: `edge.errors` maps each kind to a status.
No message may hold a value that the caller sent, only the names of fields and parameters.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing wrong with one field or parameter."""

    field: str
    message: str


class TracestoreError(Exception):
    """A failure with a stable `code`, a `message` with the remedy, and perhaps `details` by field."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, details: tuple[Detail, ...] = ()) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.message = message
        self.details = details


class Invalid(TracestoreError):
    """What was sent cannot be used as it is."""

    code = "invalid_request"


class TooLarge(TracestoreError):
    """More than one request or one span may hold."""

    code = "body_too_large"


class Unsupported(TracestoreError):
    """A body of a type that the route does not read."""

    code = "unsupported_media_type"


class Unauthenticated(TracestoreError):
    """No credential, a bad one, or two different ones."""

    code = "unauthenticated"


class Forbidden(TracestoreError):
    """A good credential without the scope that the route names."""

    code = "missing_scope"


class NotFound(TracestoreError):
    """Absent, or somebody else's: the two are never told apart."""

    code = "not_found"


class Conflict(TracestoreError):
    """What is stored forbids the change."""

    code = "conflict"


class Unavailable(TracestoreError):
    """The store is throttled or out of time. Nothing that was acknowledged is lost; try again after `retry_after_s`."""

    code = "store_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s
