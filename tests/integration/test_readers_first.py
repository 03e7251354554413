"""Readers come first: the code of the release before reads what this code writes, as during each deployment.

That release is the last commit that `CHANGELOG.md` names as one to deploy first. Its handlers run in a process of their
own, from the history of the repository, on the table into which the handlers of this code have written.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest

from dev.template import ROOT
from tests.api import Api, at, child, span
from tests.conftest import TableOnEngine
from tests.head_stream import count_traces
from tracestore.http.wiring import store
from tracestore.storage import keys
from tracestore.storage.gathered import gathered_key

READ = """
import json, sys
from dev.functions import Functions
from dev.gateway import Request
from dev.server import Api
from dev.template import Template
template = Template()
api = Api(template, Functions(template))
for address in sys.argv[2:]:
    path, _, query = address.partition("?")
    answer = api.answer(Request("GET", path, query, [("authorization", "Bearer " + sys.argv[1])], b""))
    sys.stderr.write(json.dumps([answer.status, json.loads(answer.body)]) + "\\n")
"""

TEXT = Random(0).randbytes(120_000).hex()
"""So much that its payload has items of its own."""


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def commits_to_deploy_first() -> list[str]:
    """The commits that the change log names. *absent*: none in a clone without history."""
    text = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    subjects = re.findall(r'The commit "([^"]+)" reads', text)
    assert subjects
    logs = (git("log", "--format=%H", "--fixed-strings", f"--grep={subject}").split() for subject in subjects)
    return [log[-1].decode() for log in logs if log]  # later commits may quote the subject


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the last of these commits."""
    folder = tmp_path_factory.mktemp("release")
    commits = commits_to_deploy_first()
    if not commits:
        pytest.skip("the clone has no history")
    newest = max(commits, key=lambda commit: int(git("rev-list", "--count", commit)))
    with tarfile.open(fileobj=BytesIO(git("archive", newest))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def read_by(release: Path, api: Api, *paths: str) -> list[tuple[int, Any]]:
    """The statuses and contents with which the release responds to the user of `api`."""
    assert api.user
    path = os.pathsep.join(map(str, (release, release / "layers" / "common", release / "cli")))
    command = [sys.executable, "-c", READ, api.user.token, *paths]
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(command, cwd=release, env=environment, capture_output=True, text=True, check=False)
    replies = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("[")]
    assert len(replies) == len(paths), ended.stderr
    assert {status for status, _ in replies} == {200}, ended.stdout + ended.stderr
    return [(status, content) for status, content in replies]


@pytest.fixture
def written(engine: TableOnEngine, api: Api) -> Api:
    """Traces of many stored forms: inline, in segments, large, failed, in a conversation, changed, partly deleted."""
    api.send(span("small", output_data={"text": "hello"}, end_time=at(1), input_tokens=3, conversation_id="c"))
    api.send(span("large", output_data={"text": TEXT}, conversation_id="c"))
    for number in range(40):
        api.send(
            child(f"s{number}", "root", "many", end_time=at(number), output_data={"text": f"{number} {TEXT[:999]}"})
        )
    api.send(span("many", "root", error_type="Timeout", status="error"))
    assert api.patch("root", "small", output_tokens=5).status == 200
    assert api("DELETE", "/api/analytics/traces/many/spans/s7").status == 200
    return api


def test_the_release_before_reads_every_trace_that_this_code_writes(written: Api, release: Path) -> None:
    for trace_id, (status, content) in zip(
        ("small", "large", "many"),
        read_by(release, written, *(f"/api/analytics/traces/{trace_id}" for trace_id in ("small", "large", "many"))),
        strict=True,
    ):
        expected = written("GET", f"/api/analytics/traces/{trace_id}").json["trace"]
        assert status == 200
        assert payloads(content["trace"]["spans"]) == payloads(expected["spans"])


def payloads(spans: list[dict[str, Any]]) -> dict[str, Any]:
    """The outputs and errors of all spans of a tree, by span."""
    found: dict[str, Any] = {}
    for each in spans:
        found[each["span_id"]] = (each.get("output_data"), each.get("error_type"), each.get("input_tokens"))
        found |= payloads(each.get("children") or [])
    return found


def test_the_release_before_lists_them_and_lists_a_conversation(written: Api, release: Path) -> None:
    (_, everything), (_, conversation) = read_by(
        release, written, "/api/analytics/traces?view=summary", "/api/analytics/traces?view=summary&conversation_id=c"
    )
    assert {trace["trace_id"] for trace in everything["traces"]} == {"small", "large", "many"}
    assert {trace["trace_id"] for trace in conversation["traces"]} == {"small", "large"}


def test_the_release_before_reads_what_this_code_has_counted(api: Api, release: Path) -> None:
    """Also the numbers that wait in the gathered item."""
    assert api.user
    day, user_pk = f"{datetime.now(UTC):%Y-%m-%d}", keys.user(api.user.name)
    call = {"operation_type": "completion", "start_time": f"{day}T00:00:00Z", "end_time": f"{day}T00:00:01Z"}
    api.send(span("counted", model_name="gpt-4o", input_tokens=3, **call))
    count_traces(store(), api.user.name)
    assert store().table.get(*gathered_key(user_pk))
    path, query = "/api/analytics/metrics", {"start_date": day, "end_date": day}
    ((_, content),) = read_by(release, api, f"{path}?{urlencode(query)}")
    assert content["totals"] == api("GET", path, query=query).json["totals"]
    assert content["totals"]["calls"] == 1
