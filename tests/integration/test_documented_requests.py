"""The request to copy of each route in docs/api.md, run unchanged by a shell against the local server."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dev import server
from dev.functions import Functions
from dev.template import Template
from tests import page
from tests.api import TRACES, Api, child, span
from tests.builders import writer
from tests.conftest import TableOnEngine
from tests.contract.test_documents import API, further_requests, request_to_copy, routes_of, section
from tests.gateway import User
from tests.head_stream import count_traces
from tests.media import asking, image, part, sha256_of
from tracestore.http.wiring import store
from tracestore.storage.model import DeletionScope

pytestmark = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

SILENT_CURL = """curl() { command curl --silent --show-error --output response --write-out '%{http_code}' "$@"; }"""
"""A function that keeps the body in a file and prints the status."""


PHOTO = image()


@dataclass(frozen=True)
class Response:
    """The response to a request of the document."""

    status: int
    body: bytes


@pytest.fixture(scope="module")
def base(engine: TableOnEngine, template: Template) -> Iterator[str]:
    """The address of the local server, with the page."""
    page.build()
    functions = Functions(template)
    functions.load()
    with server.serving(template, server.listening(0), functions) as address:
        yield address


@pytest.fixture
def ids(api: Api, user: User) -> dict[str, str]:
    """The ids of a job, a key and a share that the server created, and the hash of a medium, by the variables."""
    api.send(span("deleted"))
    job = writer(store(), user.name).start_deletion(DeletionScope())
    key = api("POST", "/api/keys", body={"name": "old", "scopes": ["read"]}).json["data"]
    api.send(span("photo-1", input_data=asking(part(PHOTO))))
    api.send(span("trip-7", "run"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    share = api("POST", f"{TRACES}/trip-7/shares", body={"expires_at": tomorrow, "payloads": False}).json["data"]
    created = {"JOB_ID": job.job_id, "KEY_ID": key["key_id"], "SHARE_ID": share["share_id"]}
    created["LINK"] = share["link"]
    return {**created, "SHA256": sha256_of(PHOTO)}


@pytest.fixture
def stored(api: Api, ids: dict[str, str]) -> None:
    """All traces, lessons and views that the document names. The job deletes only what was stored before."""
    api.send(span("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"))
    api.send(span("trip-7", "run", conversation_id="chat-42"), child("call", "run", "trip-7"))
    note = {"value": 0.8, "source": "judge"}
    assert api("PUT", f"{TRACES}/trip-7/annotations/quality", body=note).status == 200
    lesson = {"id": "lesson-1", "lesson_id": "photosynthesis-7", "request_data": {"topic": "Photosynthesis"}}
    assert api("POST", "/api/traces", body=lesson).status == 201
    view = {"title": "Failed today", "query": "status=error"}
    assert api("PUT", "/api/me/views/failed-today", body=view).status == 200


@pytest.fixture
def run(base: str, api: Api, ids: dict[str, str], tmp_path: Path) -> Callable[[str], Response]:
    """A function that runs a request as the user who owns the stored ids."""
    if not shutil.which("curl"):
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("curl must be installed under CI")
        pytest.skip("curl is not installed")
    assert api.user
    user = api.user
    environment = {**os.environ, **ids, "BASE": base, "TOKEN": api.user.token}

    def run_request(request: str) -> Response:
        if "/api/analytics/conversations/" in request:  # counted by now, as by the rollup function
            count_traces(store(), user.name)
        script = f"{SILENT_CURL}\n{request}"
        process = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert process.returncode == 0, process.stderr
        return Response(int(process.stdout), (tmp_path / "response").read_bytes())

    return run_request


def success_statuses(route: str) -> set[int]:
    """The statuses of success in the section of a route; 200 when it names none."""
    return {int(number) for number in re.findall(r"\b20[0-247]\b", section(API, f"### `{route}`"))} or {200}


OTHER_SDKS = API.partition("\n## Other SDKs\n")[2].partition("\n## ")[0]


def is_complete(route: str, content: Any) -> bool:
    """Whether a JSON response reports success. That of an OTLP export is empty when all records are stored."""
    if route.endswith(" /mcp"):
        return "result" in content
    if route == "GET /openapi.json":
        return "paths" in content
    if f"### `{route}`" in OTHER_SDKS:
        return "error" not in content and content.get("errors", []) == []
    return content == {} if "/v1/" in route or route == "POST /" else content["success"] is True


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("route", sorted(routes_of(API)))
def test_the_request_to_copy_succeeds_as_documented(route: str, run: Callable[[str], Response]) -> None:
    response = run(request_to_copy(route))
    assert response.status in success_statuses(route), response.body
    if route == "GET /api/analytics/export":
        assert {json.loads(line)["span_id"] for line in response.body.splitlines()} == {"run", "call"}
    elif route == "GET /api/analytics/traces/{trace_id}/media/{sha256}":
        assert response.body == PHOTO
    elif route in ("GET /docs", "GET /docs/{file}"):
        assert response.body
    elif route in ("GET /", "GET /traces", "GET /traces/{path+}"):
        assert b"<title>tracestore</title>" in response.body
    elif response.status == 204:
        assert response.body == b""
    elif route != "GET /api/public/projects":
        assert is_complete(route, json.loads(response.body)), response.body


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("request_to_read", further_requests())
def test_a_further_request_of_a_route_succeeds(request_to_read: str, run: Callable[[str], Response]) -> None:
    response = run(request_to_read)
    content = json.loads(response.body)
    assert (response.status, content["success"]) == (200, True), response.body


def test_a_new_user_can_send_all_requests_in_the_order_of_the_document(run: Callable[[str], Response]) -> None:
    routes = sorted(routes_of(API), key=lambda route: API.index(f"### `{route}`\n"))
    responses = {route: run(request_to_copy(route)) for route in routes}
    failed = {
        route: response.body
        for route, response in responses.items()
        if response.status not in success_statuses(route)
        or (not response.body and response.status != 204)
        or b'rejected": [{' in response.body
    }
    assert failed == {}


def test_the_exported_span_of_the_document_is_stored_with_its_message(run: Callable[[str], Response], api: Api) -> None:
    for route in ("POST /v1/traces", "POST /v1/logs"):
        run(request_to_copy(route))
    stored = api.span("eee19b7ec3c1b174", "5b8efff798038103d269b633813fc60c")
    assert stored["input_data"]["messages"][0]["parts"] == [{"type": "text", "text": "Is it raining in Lisbon?"}]
