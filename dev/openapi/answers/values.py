"""Values that several groups of responses contain."""

from typing import Final

from dev.openapi.schemas import Schema, anything, choice, integer, nullable, obj, string, time
from tracestore.domain.spans import ID_PATTERN

ID: Final = string(pattern=f"^{ID_PATTERN}$", examples=["trip-7"])
SPAN_ID: Final = {**ID, "examples": ["call"]}
UUID: Final = string(format="uuid", examples=["e0cc66d2-abbd-5892-8130-287dfd79dcdb"])
TEXT: Final = nullable(string())
COUNT: Final = nullable(integer())
SPAN_STATUS: Final = choice("pending", "success", "error", examples=["success"])
CURSOR: Final = nullable(string("The cursor of the next page; null at the end of the list", examples=[None]))
SCANNED_TO: Final = nullable(time("How far back the page has examined"))
ZONE: Final = string("An IANA name", examples=["Europe/Berlin"])
IGNORED: Final = anything("Ignored in requests")
SUCCESS: Final = {"type": "boolean", "const": True}
OMITTED_PAYLOADS: Final = {"type": "boolean", "const": True, "description": "Payloads are left out for their size"}
ANY_MEMBERS: Final = {"type": "object", "description": "Any members"}


def success(**members: Schema) -> Schema:
    """The schema of a successful response with these members."""
    return obj({"success": SUCCESS, **members})
