"""The named schemas of the document: responses, and request bodies from the models that validate them."""

from typing import Any, Final

from dev.openapi.answers import COMPONENTS
from dev.openapi.answers.annotations import ANNOTATION_VALUE
from dev.openapi.answers.values import IGNORED
from dev.openapi.prose import Prose
from dev.openapi.schemas import REFERENCE, Schema, Strict

FIELD_TEXTS: Final = {
    "Span": "## Spans",
    "SpanNode": "## Spans",
    "SpanOfPage": "## Spans",
    "ExportedSpan": "## Spans",
    "NewSpan": "## Spans",
    "LoggedSpan": "## Spans",
    "UnnamedSpan": "## Spans",
    "SpanChange": "## Spans",
    "LessonTrace": "## Lesson traces",
    "NewLesson": "## Lesson traces",
    "LessonChange": "## Lesson traces",
    "Annotation": "## Annotations",
    "SentAnnotation": "## Annotations",
    "Measures": "## Analytics",
}
"""The sections of `docs/api.md` whose tables describe the fields of a schema."""

EXAMPLES: Final = ("Span", "TraceSummary", "Measures", "LessonTrace")
"""Schemas of which `docs/api.md` has an example: by itself, or as the `data` of a response."""


def components(prose: Prose) -> dict[str, Schema]:
    """All named schemas, with the texts and the examples of `docs/api.md`."""
    named = {**COMPONENTS, **_bodies()}
    for name, heading in FIELD_TEXTS.items():
        named[name] = _described(named[name], prose.fields(heading))
    found, strict = prose.examples(), Strict(named)
    values = [*found, *(value["data"] for value in found if isinstance(value, dict) and "data" in value)]
    for name in EXAMPLES:
        example = next(value for value in values if strict.is_valid(value, named[name]))
        named[name] = {**named[name], "examples": [example]}
    return named


def _described(schema: Schema, notes: dict[str, str]) -> Schema:
    """A schema in which the fields without a description have that of `notes`."""
    fields = {
        name: {"description": notes[name], **field} if name in notes and "$ref" not in field else field
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _bodies() -> dict[str, Schema]:
    """The schemas of the models of request bodies. The fields that only responses have are ignored when sent."""
    from tracestore.ingest.annotation_model import SentAnnotation
    from tracestore.ingest.lesson_model import LessonChange, NewLesson, SentCall
    from tracestore.ingest.native_model import LoggedSpan, NewSpan, SpanChange, UnnamedSpan

    bodies: dict[str, Schema] = {}
    for model, returned, refused in (
        (NewSpan, "ExportedSpan", {"annotations_omitted", "payloads_omitted", "from_logs"}),
        (UnnamedSpan, "ExportedSpan", {"annotations_omitted", "payloads_omitted", "from_logs"}),
        (LoggedSpan, "ExportedSpan", {"annotations_omitted", "payloads_omitted"}),
        (SpanChange, "ExportedSpan", {*NewSpan.model_fields, "annotations_omitted", "payloads_omitted", "from_logs"}),
        (SentAnnotation, "Annotation", set[str]()),
        (SentCall, "LessonCall", set[str]()),
        (NewLesson, "LessonTrace", set[str]()),
        (LessonChange, "LessonTrace", {"llm_calls"}),
    ):
        schema = _tidy(model.model_json_schema(ref_template=REFERENCE + "{model}"))
        bodies |= {name: nested for name, nested in schema.pop("$defs", {}).items() if name not in bodies}
        fields = schema["properties"]
        ignored = {"user_id", *COMPONENTS[returned]["properties"]} - fields.keys() - refused
        from_server = dict.fromkeys(sorted(ignored), IGNORED)
        bodies[model.__name__] = {**schema, "properties": {**fields, **from_server}}
    for change in (SpanChange, LessonChange):
        bodies[change.__name__]["minProperties"] = 1
    bodies["SentAnnotation"]["properties"]["value"] = ANNOTATION_VALUE
    bodies["UnnamedSpan"]["properties"]["span_id"] = {"type": "null"}
    return bodies


def _tidy(schema: Any) -> Any:
    """A schema of pydantic without titles and without defaults of null."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: _tidy(below) for field, below in part.items()} if name == "properties" else _tidy(part)
        for name, part in schema.items()
        if name != "title" and not (name == "default" and part is None)
    }
