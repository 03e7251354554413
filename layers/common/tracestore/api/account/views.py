"""Saved views as requests send them and as responses show them."""

import re
from typing import Any, Final

from tracestore.domain.errors import Detail, Invalid
from tracestore.domain.spans import Json
from tracestore.domain.times import NS_PER_MS, format_time
from tracestore.http.parameters import unknown_fields
from tracestore.storage.model import View

MAX_QUERY_BYTES: Final = 4_096
"""Requests with a longer query are near the limit of API Gateway for the request line and the headers, 10,240 bytes."""

MAX_TITLE: Final = 128

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_SENT_FIELDS: Final = frozenset({"query", "title"})
_SERVER_FIELDS: Final = frozenset({"name", "created_at", "updated_at"})
"""Fields that the server or the path sets. They are ignored, so that a view that was read can be sent again."""


def is_view_name(text: str) -> bool:
    """Whether `text` can be the name of a view."""
    return _NAME.fullmatch(text) is not None


def parse_view(name: str, body: Json) -> tuple[str, str]:
    """The title and the query of the view that a request saves under `name`.

    *raises*: Invalid that names every malformed or unknown field.
    """
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object with query and title.")
    title, query = body.get("title"), body.get("query")
    details = unknown_fields(body, _SENT_FIELDS | _SERVER_FIELDS, "a field of a view")
    if not is_view_name(name):
        details.append(
            Detail("name", "must have 1 to 64 ASCII letters, digits and _ . : -, and begin with a letter or digit")
        )
    if not isinstance(query, str) or len(query.encode()) > MAX_QUERY_BYTES:
        details.append(Detail("query", f"must be a query string of at most {MAX_QUERY_BYTES:,} bytes"))
    if not isinstance(title, str) or not title.strip() or len(title) > MAX_TITLE:
        details.append(Detail("title", f"must be a string of 1 to {MAX_TITLE} characters"))
    if details:
        raise Invalid("The view cannot be saved. See details for each field.", details=tuple(details))
    return str(title), str(query)


def view_json(view: View) -> dict[str, Any]:
    """A saved view."""
    return {
        "name": view.name,
        "title": view.title,
        "query": view.query,
        "created_at": format_time(view.created_ms * NS_PER_MS),
        "updated_at": format_time(view.updated_ms * NS_PER_MS),
    }
