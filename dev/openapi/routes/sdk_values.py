"""Schemas of values that the SDKs of several products send."""

from typing import Final

from dev.openapi.schemas import boolean, number, string
from tracestore.ingest.annotation_model import MAX_NUMBER

NON_EMPTY: Final = string(minLength=1)
SCORED: Final = {
    "anyOf": [
        number(minimum=-MAX_NUMBER, maximum=MAX_NUMBER),
        boolean(),
        NON_EMPTY,
        {"type": "object", "minProperties": 1},
        {"type": "array", "minItems": 1},
    ]
}
"""The value of a score. LangSmith's feedback may have an object, which is stored as JSON text."""

EMPTY: Final = {"enum": [None, ""]}
