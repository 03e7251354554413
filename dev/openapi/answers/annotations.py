"""Annotations."""

from collections.abc import Mapping
from typing import Final

from dev.openapi.answers.values import ID, TEXT
from dev.openapi.schemas import Schema, boolean, nullable, number, obj, string, time

ANNOTATION_VALUE: Final = {
    "anyOf": [boolean(), number(minimum=-(10**15), maximum=10**15), string(minLength=1, maxLength=512)],
    "description": "A score, a label or both",
    "examples": [0.8],
}

COMPONENTS: Final[Mapping[str, Schema]] = {
    "Annotation": obj(
        {
            "trace_id": ID,
            "name": string(examples=["quality"]),
            "id": string(examples=["judge"]),
            "span_id": nullable(string(examples=["call"])),
            "value": ANNOTATION_VALUE,
            "comment": TEXT,
            "source": string(examples=["judge"]),
            "created_at": time(),
            "updated_at": time(),
            "expires_at": nullable(time("When the annotation is removed")),
            "is_waiting": boolean("Whether its trace has not arrived yet"),
        }
    ),
}
