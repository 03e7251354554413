"""The deployed form runs under `sam local` in Docker: template, layer, handlers and runtime, as they are built."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from dev import sam_local
from dev.dynamodb_local import free_port
from dev.template import PYTHON_PATH, ROOT, Template
from tests import otlp
from tracestore.storage import keys
from tracestore.storage.pending_deletions import pending_deletions_from
from tracestore_cli import tokens

pytestmark = pytest.mark.docker

START_TIMEOUT_S = 400
STOP_TIMEOUT_S = 60
COUNTED_TIMEOUT_S = 120
PURGED_TIMEOUT_S = 180  # a purge begins forty seconds after its request


class SamLocal:
    """`tracestore sam-local` on a free port, and a client with a token."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._output = folder / "output.txt"
        command = [
            sys.executable,
            "-m",
            "tracestore_cli",
            "sam-local",
            "--port",
            str(self.port),
            "--data-dir",
            str(folder),
        ]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(folder)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": PYTHON_PATH},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        token = tokens.token("somebody", tokens.local_secret(folder))
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"authorization": f"Bearer {token}"}, timeout=120
        )

    def await_start(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while "Ctrl-C stops it" not in self._output.read_text():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"tracestore sam-local does not start:\n{self._output.read_text()}")
            time.sleep(0.2)

    @property
    def pending_deletions(self) -> int:
        """The pending deletions of the user, in the table."""
        printed = re.search(r" at (http://\S+) \(in memory\)", self._output.read_text())
        assert printed
        table = boto3.client("dynamodb", endpoint_url=printed[1])
        key = {"pk": {"S": keys.user("somebody")}, "sk": {"S": keys.USER}}
        item = table.get_item(TableName=Template().table_name, Key=key).get("Item")
        table.close()
        return len(pending_deletions_from(item))

    def stop(self) -> int:
        """Interrupt it as Ctrl-C does, and return the exit status."""
        self.client.close()
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(STOP_TIMEOUT_S)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamLocal]:
    if sam_local.docker("image", "inspect", sam_local.RUNTIME_IMAGE).returncode:
        reason = f"Docker is not running here, or has no {sam_local.RUNTIME_IMAGE}"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(reason)
        pytest.skip(reason)
    sam = SamLocal(tmp_path_factory.mktemp("sam-local"))
    try:
        sam.await_start()
        yield sam
    finally:
        sam.stop()


def completion(trace_id: str, reply: str) -> dict[str, Any]:
    return {
        "trace_id": trace_id,
        "span_id": "a-span",
        "span_name": "llm.completion",
        "start_time": "2026-11-22T10:00:00.000Z",
        "end_time": "2026-11-22T10:00:01.500Z",
        "output_data": {"text": reply},
    }


def await_value(read: Callable[[], int], expected: int, timeout_s: float) -> None:
    """Read until the value is the expected one. Fails with the last value after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while (value := read()) != expected:
        assert time.monotonic() < deadline, value
        time.sleep(0.5)


def test_a_posted_span_is_read_back_as_its_trace(served: SamLocal) -> None:
    span = completion("a-trace", "Grüße aus Kyōto")

    stored = served.client.post("/api/analytics/traces", json=span)
    assert stored.status_code == 201, stored.text

    (root,) = served.client.get("/api/analytics/traces/a-trace").json()["trace"]["spans"]
    assert root | span == root


def test_a_response_may_be_compressed(served: SamLocal) -> None:
    span = completion("a-long-trace", "Grüße aus Kyōto " * 100)
    served.client.post("/api/analytics/traces", json=span)

    response = served.client.get("/api/analytics/traces/a-long-trace", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json()["trace"]["spans"][0]["output_data"] == span["output_data"]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_otlp_arrives_in_every_encoding(served: SamLocal, encoding: otlp.Encoding, packed: bool) -> None:
    trace_id = f"{len(encoding):x}{packed:d}".rjust(32, "a")
    body = otlp.export(otlp.span(trace_id), encoding=encoding)
    sent = gzip.compress(body) if packed else body

    response = served.client.post("/v1/traces", content=sent, headers=otlp.headers(encoding, packed=packed))
    assert (response.status_code, response.headers["content-type"]) == (200, otlp.CONTENT_TYPES[encoding])

    assert served.client.get(f"/api/analytics/traces/{trace_id}").status_code == 200


def test_analytics_count_what_the_table_s_stream_delivers(served: SamLocal) -> None:
    span = completion("a-counted-trace", "Hello") | {"operation_type": "completion", "model_name": "counted-model"}
    served.client.post("/api/analytics/traces", json=span).raise_for_status()
    day = {"start_date": "2026-11-22T00:00:00Z", "end_date": "2026-11-23T00:00:00Z", "model_name": "counted-model"}

    def calls() -> int:
        response = served.client.get("/api/analytics/metrics", params=day).raise_for_status()
        counted: int = response.json()["totals"]["calls"]
        return counted

    await_value(calls, 1, COUNTED_TIMEOUT_S)


def test_a_bulk_deletion_ends_with_the_purge_function(served: SamLocal) -> None:
    span = completion("a-deleted-trace", "Hello") | {"conversation_id": "deleted"}
    served.client.post("/api/analytics/traces", json=span).raise_for_status()

    deleted = served.client.delete("/api/analytics/traces", params={"conversation_id": "deleted"})
    assert (deleted.status_code, served.pending_deletions) == (200, 1)

    await_value(lambda: served.pending_deletions, 0, PURGED_TIMEOUT_S)


def test_an_invalid_token_is_refused_in_the_shape_of_the_api(served: SamLocal) -> None:
    response = served.client.get("/api/analytics/traces", headers={"authorization": "Bearer bad"})

    assert response.status_code == 401
    assert response.json()["error"].keys() == {"code", "message", "details"}


def test_an_unknown_route_is_refused_by_the_api(served: SamLocal) -> None:
    response = served.client.get("/nowhere")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "route_not_found")


@pytest.mark.parametrize(("level", "lines"), [("INFO", 1), ("WARN", 0)])
def test_the_log_level_of_the_template_decides_which_lines_are_written(
    served: SamLocal, tmp_path: Path, level: str, lines: int
) -> None:
    """sam passes the level of the template on as Lambda does, by AWS_LAMBDA_LOG_LEVEL."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"routeKey": "GET /healthz", "headers": {}, "requestContext": {"requestId": "a"}}))
    template = sam_local.BUILT / "template.yaml"
    command = [str(Path(sys.executable).with_name("sam")), "local", "invoke", "AccountFunction", "--skip-pull-image"]
    command += ["--template", str(template), "--event", str(event), "--docker-network", f"tracestore-{served.port}"]
    command += ["--parameter-overrides", f"Architecture={sam_local.ARCHITECTURE} LogLevel={level}"]
    invoked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    written = [json.loads(line) for line in invoked.stderr.splitlines() if line.startswith('{"level"')]
    assert json.loads(invoked.stdout)["statusCode"] == 200
    assert len(written) == lines
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]) for line in written)


def test_stopping_leaves_no_container_and_no_network(served: SamLocal) -> None:  # so it comes last
    assert served.stop() == 0

    name = f"name=tracestore-{served.port}"
    assert sam_local.docker("network", "ls", "--quiet", "--filter", name).stdout == ""
    assert sam_local.docker("ps", "--all", "--quiet", "--filter", name).stdout == ""
