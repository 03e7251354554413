"""The output and the exit status of `tracestore export` and `tracestore import`."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from tests.unit.test_demo import Reply, server, stored
from tracestore.api.traces.parameters import LIST_PARAMETERS
from tracestore.domain.filters import LIST_FILTERS
from tracestore_cli.main import app
from tracestore_cli.posting import Deployment

UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "traces.jsonl"


def run(*arguments: str, base: str = UNREACHABLE) -> Result:
    return CliRunner().invoke(app, [*arguments, "--base", base], env={"TRACESTORE_KEY": "tsk_x"})


def line(**fields: Any) -> str:
    return json.dumps({"trace_id": "t", "span_id": "s", **fields}) + "\n"


def test_a_valid_file_is_imported(path: Path) -> None:
    path.write_text(line() * 3)
    with server(stored) as base:
        ended = run("import", str(path), base=base)
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "Imported 3 lines." in ended.stderr


def test_an_invalid_line_is_named_and_fails_the_command(path: Path) -> None:
    path.write_text(line() + "{}\n" + line())
    with server(stored) as base:
        ended = run("import", str(path), base=base)
    assert ended.exit_code == 1
    assert "line 2: is neither a span nor an OTLP export" in ended.stderr
    assert "Imported 2 lines." in ended.stderr


def test_a_span_is_imported_without_the_fields_that_its_deployment_set(path: Path) -> None:
    sent: list[dict[str, Any]] = []

    def answer(number: int, body: dict[str, Any]) -> Reply:
        sent.extend(body["spans"])
        return stored(number, body)

    by_server = {"id": "1", "user_id": "ada", "created_at": "x", "cost_price": "p", "payloads_omitted": True}
    times = {"start_time": "a", "end_time": "b", "duration_ms": 1}
    measured = {"end_time": "b", "duration_ms": 9}
    path.write_text(
        line(**by_server, **times, cost_usd=1, cost_source="computed", parent_span_id="r", parent_trace_id="r")
        + line(cost_usd=1, cost_source="reported", model_name=None)
        + line(**measured, clock_skew=True)
    )
    with server(answer) as base:
        assert run("import", str(path), base=base).exit_code == 0
    ids = {"trace_id": "t", "span_id": "s"}
    assert sent == [
        {**ids, "start_time": "a", "end_time": "b", "parent_span_id": "r"},
        {**ids, "cost_usd": 1},
        {**ids, **measured, "clock_skew": True},
    ]


def test_the_owner_is_sent_percent_encoded_and_only_if_it_is_given() -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("x-tracestore-owner"))
        return httpx.Response(200)

    for owner in (None, "search", "Süd 1/2"):
        with Deployment("http://api.test", "x", owner, transport=httpx.MockTransport(answer)) as deployment:
            deployment.get("/", {})
    assert sent == [None, "search", "S%C3%BCd%201%2F2"]


@pytest.mark.parametrize("command", ["demo", "export", "import"])
def test_each_command_with_a_token_accepts_an_owner(path: Path, command: str) -> None:
    path.write_text(line())
    ended = run(command, *((str(path),) if command == "import" else ()), "--owner", "search")
    assert ended.exit_code == 1
    assert "does not answer" in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["import", "export"])
def test_an_unreachable_deployment_is_reported_clearly(path: Path, command: str) -> None:
    if command == "import":
        path.write_text(line())
    ended = run(command, str(path))
    assert ended.exit_code == 1
    assert "does not answer" in ended.stderr


def test_a_file_is_not_overwritten_and_a_complete_export_is_not_a_failure(path: Path) -> None:
    path.write_text(line())
    assert run("export", str(path)).exit_code == 1
    assert run("export", str(path), "--resume").exit_code == 0
    assert path.read_text() == line()


@pytest.mark.parametrize("where", ["status", "foo=error", "limit=3", "cursor=x", "view=tree"])
def test_another_parameter_than_a_filter_is_a_usage_error(path: Path, where: str) -> None:
    assert run("export", str(path), "--where", where).exit_code == 2


def test_an_export_accepts_every_parameter_of_the_list_except_those_of_its_pages() -> None:
    assert set(LIST_FILTERS) == set(LIST_PARAMETERS) - {"limit", "cursor"}
