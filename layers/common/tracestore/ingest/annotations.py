"""Read annotations from JSON bodies, with their secrets masked."""

import re
from typing import Any, Final, cast

from tracestore.domain.annotations import NAME_PATTERN, Annotation
from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json, SpanFields

from .native import invalid, validated
from .redaction import Redactor

_SET_BY_SERVER: Final = frozenset(
    {"trace_id", "user_id", "name", "created_at", "updated_at", "expires_at", "is_waiting"}
)
"""Ignored when sent, so that a client can send an annotation back as it read it."""

_NAME: Final = re.compile(NAME_PATTERN)


def parse_annotation(name: str, body: Json, *, default_source: str, redactor: Redactor) -> Annotation:
    """The annotation of this name that a body contains.

    *absent*: the source is `default_source`, and the id is the source. *raises*: Invalid, also where the name, the
    source or the id contains a secret: they identify the annotation, and nothing is stored unmasked.
    """
    from .annotation_model import SentAnnotation

    if _NAME.fullmatch(name) is None:
        raise invalid([Detail("name", "must have 1 to 64 letters, digits and _ . -, and begin with a letter or digit")])
    if not isinstance(body, dict):
        raise Invalid('Send an annotation as a JSON object, such as {"value": 0.9}.')
    sent = validated(SentAnnotation, {key: item for key, item in body.items() if key not in _SET_BY_SERVER})
    source = sent.source or default_source
    annotation_id = sent.annotation_id or source
    identity: dict[str, Any] = {"name": name, "source": source, "id": annotation_id}
    masked = cast(dict[str, Any], redactor.redact(cast(SpanFields, identity)))
    secrets = [field for field, text in identity.items() if masked[field] != text]
    if secrets:
        raise invalid([Detail(field, "contains a secret: choose another") for field in secrets])
    # The value of an annotation that is named like a secret is one, as in any other object.
    content = cast(SpanFields, {"value": {name: sent.value}, "comment": sent.comment})
    redacted = cast(dict[str, Any], redactor.redact(content))
    return Annotation(name, annotation_id, redacted["value"][name], source, sent.span_id, redacted["comment"])
