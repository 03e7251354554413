"""An export to a file that was interrupted at any moment can be resumed, without loss or repetition."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tracestore_cli import transfer
from tracestore_cli.posting import Deployment, NotServed
from tracestore_cli.transfer import Complete, FileProblem, Written

TRACES = 25
PAGE = 4
Progress = Callable[[Written], None]


class Crash(Exception):
    """The interruption of an export."""


def line(number: int, order: str) -> bytes:
    minute = TRACES - 1 - number if order == "desc" else number
    span = {"trace_id": f"t{minute}", "span_id": "s", "start_time": f"2026-11-22T10:{minute:02}:00.000Z"}
    return json.dumps(span).encode() + b"\n"


def everything(order: str = "desc") -> bytes:
    return b"".join(line(number, order) for number in range(TRACES))


def answer(request: httpx.Request) -> httpx.Response:
    """The response of a deployment with `TRACES` traces of one span. A cursor is the number of the next trace."""
    query = request.url.params
    order = query.get("order", "desc")
    if request.url.path == "/api/analytics/traces":
        return httpx.Response(200, json={"traces": [json.loads(line(0, order))]})
    start = int(query.get("cursor", "0"))
    end = min(start + PAGE, TRACES)
    headers = {"x-next-cursor": str(end)} if end < TRACES else {}
    return httpx.Response(200, headers=headers, content=b"".join(line(number, order) for number in range(start, end)))


def deployment(handler: Callable[[httpx.Request], httpx.Response] = answer) -> Deployment:
    return Deployment("http://api.test", "tsk_x", transport=httpx.MockTransport(handler))


def to_file(path: Path, *, resume: bool = True, stop: Progress = lambda _: None) -> None:
    with transfer.opened(path, {}, resume=resume) as file:
        transfer.export(deployment(), file, stop)


def after(spans: int) -> Progress:
    def stop(written: Written) -> None:
        if written.spans >= spans:
            raise Crash

    return stop


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


def test_a_complete_export_leaves_only_its_file(path: Path) -> None:
    to_file(path, resume=False)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == everything()


@pytest.mark.parametrize("torn", [b"", b'{"trace_id":"t', b'{"whole":1}\n' * 3], ids=["nothing", "a piece", "lines"])
@pytest.mark.parametrize("spans", [1, 9, 24])
def test_an_interrupted_export_resumes_without_loss_or_repetition(path: Path, spans: int, torn: bytes) -> None:
    with pytest.raises(Crash):
        to_file(path, resume=False, stop=after(spans))
    with path.open("ab") as file:  # as if it was stopped while it wrote the next page
        file.write(torn)
    to_file(path)
    assert path.read_bytes() == everything()
    assert list(path.parent.iterdir()) == [path]


def test_an_export_that_is_interrupted_on_every_page_completes(path: Path) -> None:
    for _ in range(TRACES // PAGE + 1):
        with pytest.raises(Crash):
            to_file(path, stop=after(1))
    with pytest.raises(Complete):
        to_file(path)
    assert path.read_bytes() == everything()


def test_an_export_that_was_interrupted_before_its_first_page_starts_again(path: Path) -> None:
    with pytest.raises(Crash), transfer.opened(path, {}, resume=False):
        raise Crash
    to_file(path)
    assert path.read_bytes() == everything()


def test_an_export_without_a_page_does_not_block_another(path: Path) -> None:
    with pytest.raises(Crash), transfer.opened(path, {"order": "asc"}, resume=False):
        raise Crash
    to_file(path, resume=False)
    assert path.read_bytes() == everything()


def test_a_complete_export_is_not_changed(path: Path) -> None:
    to_file(path)
    with pytest.raises(Complete):
        to_file(path)
    assert path.read_bytes() == everything()


def test_no_file_is_overwritten(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(FileProblem, match="exists already"):
        to_file(path, resume=False)
    assert path.read_text() == "mine"


def test_an_unfinished_export_is_not_restarted_by_accident(path: Path) -> None:
    with pytest.raises(Crash):
        to_file(path, stop=after(9))
    with pytest.raises(FileProblem, match="add --resume"):
        to_file(path, resume=False)


def test_a_file_that_lost_its_end_is_not_resumed(path: Path) -> None:
    with pytest.raises(Crash):
        to_file(path, stop=after(9))
    path.write_bytes(b"{}\n")
    with pytest.raises(FileProblem, match="start again"):
        to_file(path)


def test_a_resumed_export_has_the_same_filters(path: Path) -> None:
    def interrupted() -> None:
        with transfer.opened(path, {"order": "asc"}, resume=False) as file:
            transfer.export(deployment(), file, after(9))

    with pytest.raises(Crash):
        interrupted()
    with pytest.raises(FileProblem, match="other filters"), transfer.opened(path, {"order": "desc"}, resume=True):
        pass
    to_file(path)
    assert path.read_bytes() == everything("asc")


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_the_share_grows_to_one(order: str) -> None:
    shares: list[float | None] = []
    sink = transfer.Stream(io.BytesIO(), {"order": order})
    written = transfer.export(deployment(), sink, lambda written: shares.append(written.share))
    assert (written.traces, written.spans, written.size) == (TRACES, TRACES, len(everything(order)))
    assert shares == sorted(filter(None, shares))
    assert shares[-1] == 1


def test_a_key_without_the_scope_read_is_reported_clearly() -> None:
    refusing = deployment(lambda _: httpx.Response(403, json={}))
    with pytest.raises(NotServed, match="lacks the scope `read`"):
        transfer.export(refusing, transfer.Stream(io.BytesIO(), {}), lambda _: None)


@pytest.mark.parametrize("filters", [["status"], ["limit=5"], ["cursor=x"], ["view=turns"]])
def test_other_parameters_than_filters_are_refused(filters: list[str]) -> None:
    with pytest.raises(ValueError, match="such as status=error"):
        transfer.query_of(filters)
