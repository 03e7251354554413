"""Schemas of values that the SDKs of several products send."""

from typing import Final

from dev.openapi.schemas import boolean, number, string
from tracestore.ingest.annotation_model import MAX_NUMBER

NON_EMPTY: Final = string(minLength=1)
SCORED: Final = {"anyOf": [number(minimum=-MAX_NUMBER, maximum=MAX_NUMBER), boolean(), NON_EMPTY]}
EMPTY: Final = {"enum": [None, ""]}
