"""The ids of lesson traces in requests and responses.

A UUID in lower case is written with hyphens on these routes. It is the trace id without them everywhere else. Any other
id is the trace id itself.
"""

import re
from collections.abc import Sequence
from typing import Final

from tracestore.domain.errors import NotFound
from tracestore.storage.user_store import UserReader

_HYPHENATED: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{32}")


def id_json(trace_id: str) -> str:
    """The id of a lesson trace in responses: with hyphens if it is 32 hexadecimal digits."""
    if _HEXADECIMAL.fullmatch(trace_id) is None:
        return trace_id
    return "-".join((trace_id[:8], trace_id[8:12], trace_id[12:16], trace_id[16:20], trace_id[20:]))


def trace_ids_of(sent_id: str) -> Sequence[str]:
    """The trace ids that an id in a request may mean, in order of precedence.

    A UUID is first the trace id without hyphens, then the one with them: native spans may have such a trace id.
    """
    if _HYPHENATED.fullmatch(sent_id):
        return (sent_id.replace("-", ""), sent_id)
    return tuple(dict.fromkeys((sent_id, id_json(sent_id))))


def new_trace_id(reader: UserReader, sent_id: str) -> str:
    """The trace id of a lesson trace that is started with this id: of the one that is stored already, if any."""
    trace_ids = trace_ids_of(sent_id)
    if len(trace_ids) == 1:
        return sent_id
    try:
        return reader.lesson_head(trace_ids).trace_id
    except NotFound:
        return trace_ids[0]
