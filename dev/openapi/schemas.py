"""JSON Schemas as plain dicts: short constructors, examples from schemas, and strict validation."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from jsonschema_rs import Draft202012Validator

Schema: TypeAlias = dict[str, Any]

REFERENCE: Final = "#/components/schemas/"


def string(description: str = "", **keywords: Any) -> Schema:
    """A string."""
    return _typed("string", description, keywords)


def integer(description: str = "", **keywords: Any) -> Schema:
    """An integer of 0 or more; with `minimum=None` any integer."""
    return _typed("integer", description, {"minimum": 0, **keywords})


def number(description: str = "", **keywords: Any) -> Schema:
    """A number of 0 or more; with `minimum=None` any number."""
    return _typed("number", description, {"minimum": 0, **keywords})


def boolean(description: str = "", **keywords: Any) -> Schema:
    """True or false."""
    return _typed("boolean", description, keywords)


def anything(description: str = "", **keywords: Any) -> Schema:
    """Any JSON value."""
    return {**({"description": description} if description else {}), **keywords}


def choice(*words: str, description: str = "", **keywords: Any) -> Schema:
    """One of these words."""
    return _typed("string", description, {"enum": list(words), **keywords})


def time(description: str = "") -> Schema:
    """A time in UTC."""
    return string(description, format="date-time", examples=["2026-11-22T01:00:00.000Z"])


def array(items: Schema, description: str = "", **keywords: Any) -> Schema:
    """A list."""
    return _typed("array", description, {"items": items, **keywords})


def obj(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **keywords: Any) -> Schema:
    """An object with all of `required` and any of `optional`."""
    fields = {**required, **(optional or {})}
    schema: Schema = {"type": "object", "properties": fields, **keywords}
    return {**schema, "required": list(required)} if required else schema


def open_obj(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **keywords: Any) -> Schema:
    """An object that may have any further members: SDKs send more than the store names."""
    return obj(required, optional, additionalProperties=True, **keywords)


def nullable(schema: Schema) -> Schema:
    """`schema`, or null."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    wider = {**schema, "type": [schema["type"], "null"]}
    return {**wider, "enum": [*schema["enum"], None]} if "enum" in schema else wider


def ref(name: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": REFERENCE + name}


def closed(schema: Any) -> Any:
    """A copy of `schema` in which no object with named fields has further ones: validation then finds new fields."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {name: part if name in ("examples", "example") else closed(part) for name, part in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        copy.setdefault("additionalProperties", False)
    return copy


class Strict:
    """Validation against schemas that refer to `components`, in which no object has further fields."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = closed(dict(components))
        self._validators: dict[str, Draft202012Validator] = {}

    def problems(self, value: Any, schema: Schema) -> Iterator[str]:
        """The differences between a value and a schema, each with its place."""
        for error in self._validator(schema).iter_errors(value):
            yield f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"

    def is_valid(self, value: Any, schema: Schema) -> bool:
        """Whether a value is exactly what a schema describes."""
        return bool(self._validator(schema).is_valid(value))

    def _validator(self, schema: Schema) -> Draft202012Validator:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = {**closed(schema), "components": {"schemas": self._components}}
            self._validators[key] = Draft202012Validator(whole)
        return self._validators[key]


def example_of(schema: Schema, components: Mapping[str, Schema]) -> Any:
    """A value that `schema` describes, made of the examples in it."""
    for name in ("examples", "enum"):
        if name in schema:
            return schema[name][0]
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(REFERENCE)], components)
    for name in ("oneOf", "anyOf"):
        if name in schema:
            return example_of(schema[name][0], components)
    if "properties" in schema:
        fields = schema["properties"]
        return {name: example_of(fields[name], components) for name in fields if name in schema.get("required", ())}
    kind = schema.get("type", "object" if "not" in schema else "null")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        return [example_of(schema["items"], components)] if "items" in schema else []
    return {"string": "text", "integer": 1, "number": 0.5, "boolean": True, "object": {}, "null": None}[kind]


def complete(value: Any, schema: Schema, components: Mapping[str, Schema]) -> Any:
    """`value` with the required fields that it lacks, taken from the examples of `schema`.

    The examples in `docs/api.md` leave out what they show elsewhere.
    """
    if "$ref" in schema:
        return complete(value, components[schema["$ref"].removeprefix(REFERENCE)], components)
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        absent = [name for name in schema.get("required", ()) if name not in value]
        if "examples" in schema and absent:
            return {**schema["examples"][0], **value}
        return {
            **{name: complete(part, fields.get(name, {}), components) for name, part in value.items()},
            **{name: example_of(fields[name], components) for name in absent},
        }
    if isinstance(value, list) and "items" in schema:
        return [complete(part, schema["items"], components) for part in value]
    return value


def _typed(kind: str, description: str, keywords: Mapping[str, Any]) -> Schema:
    described = {"description": description} if description else {}
    return {"type": kind, **described, **{name: value for name, value in keywords.items() if value is not None}}
