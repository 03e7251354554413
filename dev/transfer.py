"""Traces of any deployment into a file or a stream, one span a line, and on from where that was interrupted.

A file grows by whole pages. Beside it stands how long it was after the last of them and the cursor to go on with: what
an interruption left behind that is cut off again, so that nothing is missing and nothing is there twice.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, Protocol

import httpx

from dev.posting import Deployment, json_of, refusal
from tracestore.domain.times import parse_time

LIMIT_FIRST: Final = 100
LIMIT_MOST: Final = 1_000
"""Traces a page: as many as fit into an answer, or the server looks at more than it can send."""

_LIST: Final = "/api/analytics/traces"
_EXPORT: Final = "/api/analytics/export"


class FileProblem(Exception):
    """The file cannot be written to, or need not be; the message says why and what to do."""


class Complete(FileProblem):
    """There is nothing left to write."""


class Written(NamedTuple):
    """How much there is. `incomplete` spans are larger than any answer; `share` is how far, by time, or None."""

    traces: int = 0
    spans: int = 0
    size: int = 0
    incomplete: int = 0
    share: float | None = None


class Sink(Protocol):
    """Where pages go. `query` is what they are asked for with, `cursor` where they begin."""

    query: Mapping[str, str]
    cursor: str | None

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Take a page, and the cursor that goes on behind it."""


class Stream:
    """Pages to a stream, which nobody can go on with."""

    def __init__(self, stream: IO[bytes], query: Mapping[str, str]) -> None:
        self.query = query
        self.cursor: str | None = None
        self._stream = stream

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Pass the page on."""
        self._stream.write(lines)
        self._stream.flush()


class File:
    """Pages to a file, and beside it, until the last of them is there, what it takes to go on."""

    def __init__(self, file: IO[bytes], beside: Path, query: Mapping[str, str], cursor: str | None) -> None:
        self.query = query
        self.cursor = cursor
        self._file = file
        self._beside = beside

    def write(self, lines: bytes, cursor: str | None) -> None:
        """Have the page on the disk, then say so."""
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.keep(cursor)

    def keep(self, cursor: str | None) -> None:
        """Say that all up to here is there, and goes on with this cursor."""
        kept = {"bytes": self._file.tell(), "cursor": cursor, "query": self.query}
        fresh = self._beside.with_name(f"{self._beside.name}.new")
        fresh.write_text(json.dumps(kept))
        fresh.replace(self._beside)


def query_of(filters: Iterable[str]) -> dict[str, str]:
    """What a list is asked for by filters like `status=error`. *raises* ValueError with a sentence."""
    query = {}
    for one in filters:
        name, equals, value = one.partition("=")
        if not equals or name in ("limit", "cursor", "view"):
            raise ValueError("must be a filter of the trace list and its value, such as status=error")
        query[name] = value
    return query


@contextmanager
def opened(path: Path, query: Mapping[str, str], *, resume: bool) -> Iterator[File]:
    """The file, at its end; once it is left without an exception the export is complete.

    With `resume` an unfinished one goes on, with the filters that it was begun with; without, one that came to nothing
    is begun anew, as after a wrong key. *raises* FileProblem.
    """
    beside = path.with_name(f"{path.name}.cursor")
    kept: dict[str, Any] = {"bytes": 0, "cursor": None, "query": dict(query)}
    found = json.loads(beside.read_text()) if beside.exists() else None
    if found and found["bytes"] and not resume:
        raise FileProblem(f"{path} is an unfinished export: add --resume to go on with it, or remove {beside}.")
    if found and resume:
        kept = found
        if query and dict(query) != kept["query"]:
            raise FileProblem(f"{path} was begun with other filters: leave them out to go on with those.")
        if kept["bytes"] and kept["cursor"] is None:  # interrupted behind the last page
            beside.unlink()
            raise Complete(f"{path} is complete.")
    elif not found and path.exists() and path.stat().st_size:
        raise Complete(f"{path} is complete.") if resume else FileProblem(f"{path} is there already: choose another.")
    with path.open("ab") as file:
        if file.tell() < kept["bytes"]:
            raise FileProblem(f"{path} is shorter than it was: remove it and {beside}, and begin anew.")
        file.seek(file.truncate(kept["bytes"]))
        written = File(file, beside, kept["query"], kept["cursor"])
        written.keep(kept["cursor"])
        yield written
    beside.unlink()


def export(deployment: Deployment, sink: Sink, progress: Callable[[Written], None]) -> Written:
    """What was written, once it is all. `progress` is told after every page. *raises* NotServed."""
    share_of = _shares(deployment, sink.query)
    written, last, limit, cursor = Written(), "", LIMIT_FIRST, sink.cursor
    while True:
        page = {**sink.query, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        answer = deployment.get(_EXPORT, page)
        if answer.status_code != httpx.codes.OK:
            raise refusal(answer, "read")
        spans = [json.loads(line) for line in answer.content.split(b"\n") if line]
        cursor = answer.headers.get("x-next-cursor")
        sink.write(answer.content, cursor)
        ids = [last, *(span["trace_id"] for span in spans)]
        traces = sum(one != before for before, one in pairwise(ids))
        written = Written(
            written.traces + traces,
            written.spans + len(spans),
            written.size + len(answer.content),
            written.incomplete + sum("payloads_omitted" in span for span in spans),
            share_of(spans[-1]["start_time"]) if spans else written.share,
        )
        progress(written)
        if cursor is None:
            return written
        last, limit = ids[-1], min(2 * limit, LIMIT_MOST) if traces >= limit else traces + LIMIT_FIRST // 10


def _shares(deployment: Deployment, query: Mapping[str, str]) -> Callable[[str | None], float | None]:
    """How far an export is that has come to a time, judged by where its first and its last trace begin."""
    ends = []
    for order in ("desc", "asc"):
        answer = deployment.get(_LIST, {**query, "order": order, "view": "summary", "limit": "1"})
        if answer.status_code != httpx.codes.OK:
            raise refusal(answer, "read")
        ends += [parse_time(trace["start_time"]) for trace in json_of(answer)["traces"]]
    latest, earliest = max(ends, default=0), min(ends, default=0)
    is_known = len(ends) > 1 and earliest < latest

    def share_of(time: str | None) -> float | None:
        if time is None or not is_known:
            return None
        share = min(max((latest - parse_time(time)) / (latest - earliest), 0.0), 1.0)
        return 1 - share if query.get("order") == "asc" else share

    return share_of
