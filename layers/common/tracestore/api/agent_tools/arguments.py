"""The arguments of tools: their JSON Schema, and from JSON to the query parameters that the routes parse.

A tool accepts the parameters of a route under the same names. Its arguments are validated by the same parsers.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlencode

from tracestore.domain.errors import Detail, Invalid, TracestoreError
from tracestore.http.parameters import read_one, unknown_fields, whole_number
from tracestore.http.request import Request

from .answers import BUDGET_DEFAULT, BUDGET_LEAST, BUDGET_MOST


class Argument(NamedTuple):
    """One argument of a tool. `rules` are further members of its JSON Schema."""

    kind: Literal["string", "number", "integer", "boolean"]
    description: str
    is_required: bool = False
    rules: Mapping[str, Any] = {}

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        return {"type": self.kind, "description": self.description, **self.rules}


TOKEN_BUDGET: Final = Argument(
    "integer",
    "The most tokens that the answer may take.",
    rules={"minimum": BUDGET_LEAST, "maximum": BUDGET_MOST, "default": BUDGET_DEFAULT},
)

_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
}


def schema_of(arguments: Mapping[str, Argument]) -> dict[str, Any]:
    """The JSON Schema of a tool's input."""
    return {
        "type": "object",
        "properties": {name: argument.schema for name, argument in arguments.items()},
        "required": [name for name, argument in arguments.items() if argument.is_required],
        "additionalProperties": False,
    }


def request_with(request: Request, tool: str, accepted: Mapping[str, Argument], sent: Mapping[str, Any]) -> Request:
    """The request of a tool: its arguments are the query, its name is the route, which cursors are bound to.

    A number or a boolean may also be sent as text, as models do. Null counts as absent.
    *raises*: Invalid that names every argument that is unknown, missing or of another type.
    """
    given = {name: value for name, value in sent.items() if value is not None}
    problems = unknown_fields(given, accepted, "an argument of this tool")
    texts = {}
    for name, argument in accepted.items():
        if name not in given:
            if argument.is_required:
                problems.append(Detail(name, "is required"))
            continue
        text = _text_of(given[name], argument)
        if text is None:
            problems.append(Detail(name, f"must be a {argument.kind}" if argument.kind != "integer" else _INTEGER))
        else:
            texts[name] = text
    if problems:
        raise Invalid("Malformed arguments.", code="invalid_parameter", details=tuple(problems))
    return replace(request, route=f"tool {tool}", raw_query=urlencode(texts), path=texts)


def token_budget_of(request: Request) -> int:
    """The budget of an answer. *raises*: Invalid when it is not from 200 to 20,000."""
    return read_one(request.query, "token_budget", whole_number(BUDGET_LEAST, BUDGET_MOST)) or BUDGET_DEFAULT


def sentence_of(error: TracestoreError) -> str:
    """The failure of a tool, with the remedy, in the words of arguments instead of query parameters."""
    if not error.details:
        return error.message
    return f"Malformed arguments: {'; '.join(f'{detail.field} {detail.message}' for detail in error.details)}."


_INTEGER: Final = "must be a whole number"


def _text_of(value: Any, argument: Argument) -> str | None:
    """A value as the text of a query parameter. *absent*: None for a value of another type."""
    if isinstance(value, str):
        return value
    if type(value) not in _KINDS[argument.kind]:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    is_whole = isinstance(value, float) and value.is_integer() and argument.kind == "integer"
    return str(int(value) if is_whole else value)
