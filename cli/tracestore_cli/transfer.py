"""Export the traces of a deployment to a file or a stream, one span per line, and continue interrupted exports.

A file grows by whole pages. A second file next to it stores the length after the last page and the cursor of the next.
A resumed export first truncates the file to that length, so that no span is missing and none is written twice.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

import httpx

from tracestore.domain.filters import LIST_FILTERS, SCORE_PREFIX
from tracestore.domain.times import parse_time
from tracestore_cli.posting import Deployment, json_of, refusal

LIMIT_FIRST: Final = 100
LIMIT_MOST: Final = 1_000
"""Traces per page. A page should fit into one response: the server reads more traces than it can send otherwise."""

_OMITTED: Final = frozenset({"payloads_omitted", "annotations_omitted", "media_omitted"})
"""Fields that mark a line from which something is left out for its size."""

_LIST: Final = "/api/analytics/traces"
_EXPORT: Final = "/api/analytics/export"


class FileProblem(Exception):
    """The file cannot be written, or is complete. The message contains the reason and the remedy."""


class Complete(FileProblem):
    """The export is complete already."""


class Written(NamedTuple):
    """The size of an export so far.

    `incomplete` counts spans that are larger than a response may be. `share` is the progress from 0 to 1, by the start
    times of traces. *absent*: None when it is unknown.
    """

    traces: int = 0
    spans: int = 0
    size: int = 0
    incomplete: int = 0
    share: float | None = None

    @property
    def totals(self) -> str:
        """Spans, traces and megabytes, as text for people."""
        return f"{self.spans:,} spans of {self.traces:,} traces, {self.size / 1e6:,.1f} MB"


class Sink(Protocol):
    """The destination of pages. `query` is the query of all their requests, `cursor` that of the first one."""

    query: Mapping[str, str]
    cursor: str | None

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Store a page, and the cursor of the page after it."""


class Stream:
    """A writer of pages to a stream. An interrupted export to a stream cannot be resumed."""

    def __init__(self, stream: IO[bytes], query: Mapping[str, str]) -> None:
        self.query = query
        self.cursor: str | None = None
        self._stream = stream

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Write the page."""
        self._stream.write(lines)
        self._stream.flush()


class File:
    """A writer of pages to a file. Until the last page, a second file has the state from which an export resumes."""

    def __init__(self, file: IO[bytes], state_path: Path, query: Mapping[str, str], cursor: str | None) -> None:
        self.query = query
        self.cursor = cursor
        self._file = file
        self._state_path = state_path

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Write the page to the disk, then the state."""
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.save_state(cursor)

    def save_state(self, cursor: str | None) -> None:
        """Store that the file is complete up to here, and that the next page begins at this cursor."""
        state = {"bytes": self._file.tell(), "cursor": cursor, "query": self.query}
        new_path = self._state_path.with_name(f"{self._state_path.name}.new")
        new_path.write_text(json.dumps(state))
        new_path.replace(self._state_path)


def query_of(filters: Iterable[str]) -> dict[str, str]:
    """The query of a list, from filters like `status=error`. The export sets the parameters of pages itself.

    *raises*: ValueError with a sentence.
    """
    query = {}
    for text in filters:
        name, equals, value = text.partition("=")
        if not equals or not (name in LIST_FILTERS or name.startswith(SCORE_PREFIX)):
            names = ", ".join(LIST_FILTERS)
            raise ValueError(f"must be a filter and its value, such as status=error. The filters are {names}.")
        query[name] = value
    return query


@contextmanager
def opened(path: Path, query: Mapping[str, str], *, resume: bool) -> Iterator[File]:
    """Open the file at its end. The export is complete when the block ends without an exception.

    With `resume`, an unfinished export continues with its own filters. Without, an export that has stored nothing yet
    starts again, for example after a wrong key. *raises*: FileProblem.
    """
    state_path = path.with_name(f"{path.name}.cursor")
    state: dict[str, Any] = {"bytes": 0, "cursor": None, "query": dict(query)}
    stored = json.loads(state_path.read_text()) if state_path.exists() else None
    if stored and stored["bytes"] and not resume:
        raise FileProblem(f"{path} is an unfinished export: add --resume to continue it, or remove {state_path}.")
    if stored and resume:
        state = stored
        if query and dict(query) != state["query"]:
            raise FileProblem(f"{path} was begun with other filters: leave them out to continue with those.")
        if state["bytes"] and state["cursor"] is None:  # interrupted after the last page
            state_path.unlink()
            raise Complete(f"{path} is complete.")
    elif not stored and path.exists() and path.stat().st_size:
        raise Complete(f"{path} is complete.") if resume else FileProblem(f"{path} exists already: choose another.")
    with path.open("ab") as file:
        if file.tell() < state["bytes"]:
            raise FileProblem(
                f"{path} is shorter than the export had written: remove it and {state_path}, and start again."
            )
        file.seek(file.truncate(state["bytes"]))
        sink = File(file, state_path, state["query"], state["cursor"])
        sink.save_state(state["cursor"])
        yield sink
    state_path.unlink()


def export(deployment: Deployment, sink: Sink, progress: Callable[[Written], None]) -> Written:
    """Write all traces that match the sink's query, and return the totals.

    `progress` is called after every page. *raises*: NotServed.
    """
    share_of = _shares(deployment, sink.query)
    written, last, limit, cursor = Written(), "", LIMIT_FIRST, sink.cursor
    while True:
        page = {**sink.query, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        response = deployment.get(_EXPORT, page)
        if response.status_code != httpx.codes.OK:
            raise refusal(response, "read")
        spans = [json.loads(line) for line in response.content.split(b"\n") if line]
        cursor = response.headers.get("x-next-cursor")
        sink.write(response.content, cursor)
        ids = [last, *(span["trace_id"] for span in spans)]
        traces = sum(trace_id != previous for previous, trace_id in pairwise(ids))
        written = Written(
            written.traces + traces,
            written.spans + len(spans),
            written.size + len(response.content),
            written.incomplete + sum(not _OMITTED.isdisjoint(span) for span in spans),
            share_of(spans[-1]["start_time"]) if spans else written.share,
        )
        progress(written)
        if cursor is None:
            return written
        last, limit = ids[-1], min(2 * limit, LIMIT_MOST) if traces >= limit else traces + LIMIT_FIRST // 10


def _shares(deployment: Deployment, query: Mapping[str, str]) -> Callable[[str | None], float | None]:
    """A function from a start time to the share of an export, between the starts of its first and its last trace."""
    ends = []
    for order in ("desc", "asc"):
        response = deployment.get(_LIST, {**query, "order": order, "view": "summary", "limit": "1"})
        if response.status_code != httpx.codes.OK:
            raise refusal(response, "read")
        ends += [parse_time(trace["start_time"]) for trace in json_of(response)["traces"]]
    latest, earliest = max(ends, default=0), min(ends, default=0)
    is_known = len(ends) > 1 and earliest < latest

    def share_of(time: str | None) -> float | None:
        if time is None or not is_known:
            return None
        share = min(max((latest - parse_time(time)) / (latest - earliest), 0.0), 1.0)
        return 1 - share if query.get("order") == "asc" else share

    return share_of
