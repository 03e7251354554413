"""The routes of Langfuse's SDKs, and of the client of its API."""

from collections.abc import Iterable, Mapping
from typing import Final

from dev.openapi.answers.values import ANY_MEMBERS, success
from dev.openapi.operations import JSON, JSON_CODES, STORED_CODES, Body, Operation, returns
from dev.openapi.parameters import QUERY_CURSOR, QUERY_TIME
from dev.openapi.routes.sdk_values import NON_EMPTY, SCORED
from dev.openapi.schemas import Schema, anything, array, choice, integer, obj, open_obj, string
from tracestore.api.sdk.langfuse_cursor_lists import OBSERVATION_GROUPS, OBSERVATIONS_MOST, SCORE_GROUPS, SCORES_MOST

_SCORE: Final = open_obj({"traceId": NON_EMPTY, "name": NON_EMPTY, "value": SCORED})
_RECORD: Final[Schema] = {**ANY_MEMBERS, "examples": [{"id": "trip-7"}]}
_PAGE_NUMBERS: Final = obj({name: integer() for name in ("page", "limit", "totalItems", "totalPages")})


def _list(**query: Schema) -> Operation:
    """A route that lists for the client of Langfuse's API."""
    pages = {"page": integer(minimum=1, maximum=50, default=1), "limit": integer(minimum=1, maximum=100, default=50)}
    return Operation(
        answers=returns(obj({"data": array(_RECORD), "meta": _PAGE_NUMBERS})),
        query={**pages, **query},
        parameter_texts=("### `GET /api/public/traces`", "### `GET /api/public/observations`"),
        ignores_other_parameters=True,
    )


def _cursor_list(heading: str, limit_most: int, groups: Iterable[str], **query: Schema) -> Operation:
    """A route that lists by cursor for the client of Langfuse's API since version 5."""
    words = "|".join(groups)
    pages = {"cursor": QUERY_CURSOR, "limit": integer(minimum=1, maximum=limit_most, default=50)}
    fields = {"fields": string(pattern=f"^({words})(,({words}))*$")}
    return Operation(
        answers=returns(obj({"data": array(_RECORD), "meta": open_obj({"limit": integer()})})),
        query={**pages, **fields, **query},
        parameter_texts=(heading,),
        ignores_other_parameters=True,
    )


ROUTES: Final[Mapping[str, Operation]] = {
    "POST /api/public/ingestion": Operation(
        answers=returns(
            obj(
                {
                    "successes": array(obj({"id": string(examples=["e1"]), "status": integer(examples=[201])})),
                    "errors": array(
                        obj({"id": string(), "status": integer(examples=[400]), "message": string()}), examples=[[]]
                    ),
                }
            ),
            207,
        ),
        body=Body({JSON: obj({"batch": array(anything())}, {"metadata": anything()})}, JSON_CODES),
        codes=STORED_CODES,
        ignores_other_parameters=True,
        texts={207: "The status of each event"},
    ),
    "POST /api/public/scores": Operation(
        answers={
            200: {JSON: obj({}, {"id": string(examples=["s1"]), "message": string(examples=["Accepted"])})},
            207: {
                JSON: obj(
                    {
                        "accepted": integer(),
                        "rejected": integer(),
                        "errors": array(
                            obj({"index": integer(), "status": integer(examples=[400]), "message": string()})
                        ),
                    }
                )
            },
        },
        body=Body({JSON: {"anyOf": [_SCORE, array(anything())]}}, JSON_CODES),
        codes=("conflict", *STORED_CODES),
        ignores_other_parameters=True,
        texts={200: "All scores are stored", 207: "Some scores are not stored"},
    ),
    "GET /api/public/traces": _list(
        **dict.fromkeys(("name", "userId", "sessionId", "tags", "release", "environment", "orderBy"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/traces/{trace_id}": Operation(answers=returns(_RECORD), ignores_other_parameters=True),
    "GET /api/public/observations": _list(
        **dict.fromkeys(("traceId", "name", "type", "parentObservationId", "userId", "environment"), string()),
        **dict.fromkeys(("fromStartTime", "toStartTime"), QUERY_TIME),
    ),
    "GET /api/public/sessions/{session_id}": Operation(answers=returns(_RECORD), ignores_other_parameters=True),
    "GET /api/public/scores": _list(
        **dict.fromkeys(("traceId", "name", "userId", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/v2/scores": _list(
        **dict.fromkeys(("traceId", "name", "userId", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/v2/observations": _cursor_list(
        "### `GET /api/public/v2/observations`",
        OBSERVATIONS_MOST,
        OBSERVATION_GROUPS,
        **dict.fromkeys(("traceId", "name", "type", "level", "version", "parentObservationId"), string()),
        **dict.fromkeys(("userId", "sessionId", "environment"), string()),
        isRootObservation=choice("true", "false"),
        **dict.fromkeys(("fromStartTime", "toStartTime"), QUERY_TIME),
    ),
    "GET /api/public/v3/scores": _cursor_list(
        "### `GET /api/public/v3/scores`",
        SCORES_MOST,
        SCORE_GROUPS,
        **dict.fromkeys(("traceId", "observationId", "id", "name", "source", "dataType", "environment"), string()),
        **dict.fromkeys(("fromTimestamp", "toTimestamp"), QUERY_TIME),
    ),
    "GET /api/public/projects": Operation(
        answers=returns(
            success(
                data=array(
                    obj(
                        {
                            "id": string(examples=["ada"]),
                            "name": string(examples=["tracestore"]),
                            "metadata": obj({}),
                            "organization": obj({"id": string(examples=["ada"]), "name": string()}),
                        }
                    )
                )
            )
        ),
        ignores_other_parameters=True,
    ),
}
