"""The fields of an annotation as clients send them: types and limits, which pydantic checks.

Imported only when needed, as `native_model` is.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from .native_model import Id

MAX_TEXT_CHARACTERS: Final = 512
MAX_COMMENT_BYTES: Final = 4_096
"""As JSON, so that the longest comments of 200 annotations fit into one response."""

MAX_NUMBER: Final = 10**15
"""Up to here, whole numbers and their means are exact."""


def _value(value: object) -> object:
    is_text = isinstance(value, str) and 1 <= len(value) <= MAX_TEXT_CHARACTERS
    is_number = isinstance(value, bool) or (isinstance(value, int | float) and abs(value) <= MAX_NUMBER)
    if not is_text and not is_number:
        raise ValueError(
            f"must be a number from -10^15 to 10^15, true, false, or a string of 1 to {MAX_TEXT_CHARACTERS} characters"
        )
    return value


def _comment(text: str) -> str | None:
    if len(to_json(text)) - len('""') > MAX_COMMENT_BYTES:
        raise ValueError(f"must be at most {MAX_COMMENT_BYTES:,} bytes long")
    return text or None


_Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class SentAnnotation(BaseModel):
    """The body of a PUT request; the trace and the name are in the path."""

    model_config = ConfigDict(strict=True, extra="forbid")

    annotation_id: _Name | None = Field(None, alias="id")
    value: Annotated[Any, AfterValidator(_value)]
    source: _Name | None = None
    span_id: Id | None = None
    comment: Annotated[str, AfterValidator(_comment)] | None = None
