"""The parameters of lists and bulk deletions of lesson traces."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from tracestore.domain.errors import Detail
from tracestore.domain.texts import normalized
from tracestore.domain.times import NS_PER_MS
from tracestore.http.parameters import Reader, choice_of, malformed, one_of, read_one, text_of, whole_number
from tracestore.http.request import Request
from tracestore.ingest.lessons import STATUSES
from tracestore.storage.model import DeletionScope
from tracestore.storage.user_store import LessonQuery

LESSON_PARAMETERS: Final = (
    "limit",
    "offset",
    "cursor",
    "lesson_id",
    "status",
    "start_date",
    "end_date",
    "timezone",
    "provider_used",
    "search",
    "view",
)

LessonView: TypeAlias = Literal["full", "summary"]

LIMIT_DEFAULT: Final = 50
OFFSET_MOST: Final = 1_000_000


def lesson_query(parameters: Mapping[str, str]) -> LessonQuery:
    """The query of a list of lesson traces. *raises*: Invalid that names every malformed parameter."""
    from tracestore.api.dates import read_range  # loads time zones, which requests that write do not need

    read = Reader(parameters)
    lesson_id, status = read("lesson_id", text_of), read("status", one_of(*STATUSES))
    from_ns, to_ns, _ = read_range(read)
    provider_used, search = read("provider_used", text_of), read("search", text_of)
    query = LessonQuery(
        lesson_id, STATUSES.get(status or ""), from_ns, to_ns, provider_used, search and normalized(search)
    )
    if query.is_walked and "offset" in parameters:
        read.problems.append(Detail("offset", "cannot be combined with provider_used or search: use cursor"))
    read.end()
    return query


def lesson_view(parameters: Mapping[str, str]) -> LessonView:
    """The view of a list of lesson traces; `full` by default. *raises*: Invalid."""
    return choice_of(parameters, "view", "full", "summary")


def offset_of(parameters: Mapping[str, str]) -> int:
    """The number of lesson traces to skip. *raises*: Invalid, also when there is a cursor as well."""
    if "offset" in parameters and "cursor" in parameters:
        raise malformed([Detail("offset", "cannot be combined with cursor: send one of them")])
    return read_one(parameters, "offset", whole_number(0, OFFSET_MOST)) or 0


def lesson_deletion_scope(request: Request) -> DeletionScope:
    """The lesson traces that a bulk deletion includes, by `lesson_id`, `before` or `deleteAll`. *raises*: Invalid."""
    from tracestore.api.dates import past_time

    read = Reader(request.query)
    scope = DeletionScope(
        before_ns=read("before", past_time(request.now_ms * NS_PER_MS)),
        lessons=True,
        lesson_id=read("lesson_id", text_of),
    )
    read("deleteAll", one_of("true"))
    read.end()
    return scope
