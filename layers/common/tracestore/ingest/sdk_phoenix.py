"""Decode the annotations of Phoenix's client into scores.

The client sends its spans by OTLP, and annotations by the ids that they have there: those of a span name no trace.
*source*: `arize-phoenix-client` 3.5 for Python: `POST /v1/span_annotations`, `/v1/trace_annotations`, `/v1/span_notes`.
"""

import hashlib
from typing import Final, Literal

from tracestore.domain.json_values import is_empty
from tracestore.domain.spans import Json

from .scores import Problem, Score
from .sdk_reports import Batch, as_object, as_text, list_in, stored_id

_FORM: Final = 'Send the annotations of a Phoenix client as {"data": [...]}.'
_NOTE: Final = "note"
_NOTE_ID_DIGITS: Final = 16
_LABEL_SUFFIX: Final = ".label"
"""The end of the id of an annotation that has the label of an annotation with a score too."""


def phoenix_annotations(value: Json, about: Literal["span", "trace"]) -> Batch:
    """The scores in a body with annotations of spans or of traces. Their sources are the indexes of the annotations.

    *shape*: an annotation with a score and a label is two scores of one name and source. *raises*: Invalid for a body
    of another form.
    """
    batch = Batch()
    for index, item in enumerate(list_in(value, "data", _FORM)):
        sent, source = as_object(item), f"data[{index}]"
        name, about_id = as_text(sent.get("name")), stored_id(sent.get(f"{about}_id"))
        if name is None or about_id is None:
            batch.add(Problem(source, f"An annotation must be an object with a name and a {about}_id."))
            continue
        ids: tuple[str | None, str | None] = (None, about_id) if about == "span" else (about_id, None)
        made_by = (as_text(sent.get("annotator_kind")) or "").lower() or None
        score_id = as_text(sent.get("identifier"))
        result = as_object(sent.get("result"))
        values = [result[key] for key in ("score", "label") if not is_empty(result.get(key))]
        explanation = as_text(result.get("explanation"))
        first, *further = values or [explanation]
        comment = explanation if values else None
        batch.add(Score(source, *ids, name, score_id, first, comment, made_by))
        for label in further:
            label_id = f"{score_id or made_by or ''}{_LABEL_SUFFIX}"
            batch.add(Score(source, *ids, name, label_id, label, None, made_by))
    return batch


def phoenix_note(value: Json) -> Batch:
    """The note in a body, as a score. The same note of a span is one. *raises*: Invalid for a body of another form."""
    batch = Batch()
    sent = as_object(as_object(value).get("data"))
    span_id, note = stored_id(sent.get("span_id")), as_text(sent.get("note"))
    if span_id is None or note is None:
        batch.add(Problem("data", "A note must be an object with a span_id and a note."))
        return batch
    note_id = hashlib.sha256(note.encode(errors="replace")).hexdigest()[:_NOTE_ID_DIGITS]
    batch.add(Score("data", None, span_id, _NOTE, note_id, note, note))
    return batch
