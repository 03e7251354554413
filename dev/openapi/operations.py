"""The terms in which a route is declared: its parameters, its body and its responses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dev.openapi.schemas import Schema

JSON: Final = "application/json"
ANY_TYPE: Final = "*/*"
PROTOBUF: Final = "application/x-protobuf"
MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True)
class Body:
    """A request body: its schema for each media type, and the response codes of requests that cannot be used.

    `example` is JSON, for a body of which `docs/api.md` has none.
    """

    content: Mapping[str, Schema]
    codes: tuple[str, ...] = ()
    example: Any = None


@dataclass(frozen=True)
class Link:
    """A request that can follow: its route, and where its parameters are in the response, of each status or of one."""

    route: str
    parameters: Mapping[str, str]
    status: int | None = None


@dataclass(frozen=True)
class Operation:
    """The parameters, the body and the responses of one route.

    `answers` are the schemas of the successful statuses, by media type. `codes` are the errors that are particular to
    the route. `parameter_texts` are further headings of `docs/api.md` whose tables describe its parameters. `one_of`
    are parameters of which a request needs exactly one. `prefixes` begin the names of further parameters, which OpenAPI
    cannot describe. `texts` describe statuses of `answers` to which the usual text does not apply. `path` has
    the parameters in the path that differ from those in `PATH`.
    """

    answers: Mapping[int, Mapping[str, Schema]]
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Body | None = None
    codes: tuple[str, ...] = ()
    has_etag: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    parameter_texts: tuple[str, ...] = ()
    links: Mapping[str, Link] = field(default_factory=dict)
    one_of: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    path: Mapping[str, Schema] = field(default_factory=dict)
    ignores_other_parameters: bool = False
    texts: Mapping[int, str] = field(default_factory=dict)


def returns(schema: Schema, status: int = 200) -> dict[int, Mapping[str, Schema]]:
    """One JSON response."""
    return {status: {JSON: schema}}


JSON_CODES: Final = ("malformed_json", "json_too_deep", "invalid_encoding", "invalid_request", "body_too_large")
"""The errors of a JSON body."""

STORED_CODES: Final = ("span_too_large", "trace_deleted", "trace_too_large", "span_deleted")
"""The errors of a request that stores spans."""

TRACE_PATH: Final = {"trace_id": "$response.body#/data/trace_id"}
"""The id of a trace that a response contains, as the parameter of a request that can follow."""
