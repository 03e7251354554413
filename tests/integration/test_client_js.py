"""The JavaScript client: its own tests in Node against the local server, its types, and the built packages of both."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import server
from dev.node import NodeUnavailable, find
from dev.template import ROOT, Template
from tests import node
from tests.api import Api
from tests.conftest import TableOnEngine
from tests.node import CLIENT_JS

on_moto = pytest.mark.parametrize("engine", ["moto"], indirect=True, scope="session")

TIMEOUT_S = 300
FILES = sorted((CLIENT_JS / "test").glob("*.test.mjs"))


@pytest.fixture(scope="session")
def package() -> Path:
    """The built package.

    *absent*: where Node cannot run, its tests are skipped; under CI they fail.
    """
    try:
        return node.client_js()
    except NodeUnavailable as reason:
        node.unavailable(reason)


@pytest.fixture
def environment(engine: TableOnEngine, template: Template, api: Api) -> Iterator[dict[str, str]]:
    """The variables of a program that sends to the local server, and may read from it."""
    key = api.with_key("ingest", "read").headers["x-api-key"]
    with server.serving(template, server.listening(0)) as base:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACESTORE_"))}
        yield {**inherited, "TRACESTORE_ENDPOINT": base, "TRACESTORE_API_KEY": key}


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> str:
    """The output of a program, which must succeed."""
    process = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@on_moto
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_the_tests_of_the_client_pass(file: Path, package: Path, environment: dict[str, str]) -> None:
    command = find().node
    output = run([*command, "--test", "--test-reporter=tap", f"test/{file.name}"], package, environment)
    lines = re.findall(r"^# (tests|pass|skipped|todo) (\d+)$", output, re.MULTILINE)
    counts = {name: int(count) for name, count in lines}
    assert counts["tests"] == counts["pass"] > 0
    assert counts["skipped"] == counts["todo"] == 0


def test_the_types_are_those_that_an_application_expects(package: Path) -> None:
    checked = find().run("check", package)
    assert checked.returncode == 0, checked.stdout


def test_the_packages_are_exactly_pinned_and_support_the_same_node_as_the_sdk(package: Path) -> None:
    manifest = json.loads((CLIENT_JS / "package.json").read_text())
    pinned = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert [name for name, version in pinned.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    for name in manifest["dependencies"]:
        installed = json.loads((package / "node_modules" / name / "package.json").read_text())
        assert installed["engines"]["node"] == manifest["engines"]["node"], name


PROGRAMS = {
    "program.mjs": """
import { captureTrace, configure, flush, stats, traceLesson } from "tracestore-client";
configure({ serviceName: "from-tarball" });
traceLesson({ lessonId: "lesson-1" }, () => "made");
captureTrace({ span_name: "flat" });
await flush();
console.log(stats().sent);
""",
    "program.cjs": """
const { configure, flush, stats, traceLesson } = require("tracestore-client");
configure({ serviceName: "from-tarball" });
traceLesson({ lessonId: "lesson-2" }, () => "made");
flush().then(() => console.log(stats().sent));
""",
    "program.py": """
import tracestore_client
tracestore_client.configure(service_name="from-wheel")
with tracestore_client.trace_lesson("lesson-3") as lesson:
    lesson.response = "made"
tracestore_client.flush(10)
print(tracestore_client.stats().sent)
""",
}


@on_moto
def test_the_tarball_is_installed_and_traces(
    package: Path, environment: dict[str, str], api: Api, tmp_path: Path
) -> None:
    command, npm = find().node, find().npm
    run([*npm, "pack", "--ignore-scripts", "--silent", "--pack-destination", str(tmp_path)], package, environment)
    (tarball,) = tmp_path.glob("*.tgz")
    with tarfile.open(tarball) as packed:
        names = {name.removeprefix("package/") for name in packed.getnames()}
    assert {"README.md", "package.json", "dist/esm/index.d.ts", "dist/cjs/package.json"} <= names
    assert all(name.startswith("dist/") or name in ("README.md", "package.json") for name in names)
    (tmp_path / "package.json").write_text('{"name": "app", "private": true}')
    run([*npm, "install", "--no-audit", "--no-fund", "--silent", str(tarball)], tmp_path, environment)
    for name, sent in (("program.mjs", 2), ("program.cjs", 1)):
        (tmp_path / name).write_text(PROGRAMS[name])
        assert run([*command, name], tmp_path, environment) == f"{sent}\n"
    assert services(api) == {"from-tarball"}


@on_moto
def test_the_wheel_is_installed_and_traces(environment: dict[str, str], api: Api, tmp_path: Path) -> None:
    source = tmp_path / "client"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    uv = [sys.executable, "-m", "uv"]
    build = ["build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(tmp_path)]
    run([*uv, *build, str(source)], tmp_path, environment)
    (wheel,) = tmp_path.glob("*.whl")
    assert len(list(tmp_path.glob("*.tar.gz"))) == 1
    python = tmp_path / "venv" / "bin" / "python"
    run([*uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")], tmp_path, environment)
    install = ["pip", "install", "--quiet", "--constraint", str(ROOT / "requirements-dev.txt")]
    run([*uv, *install, "--python", str(python), str(wheel)], tmp_path, environment)
    (tmp_path / "program.py").write_text(PROGRAMS["program.py"])
    clean = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    assert run([str(python), "program.py"], tmp_path, clean) == "1\n"
    assert services(api) == {"from-wheel"}


def services(api: Api) -> set[str]:
    """The services that have sent traces."""
    return {name for summary in api.page(view="summary")["traces"] for name in summary["services"]}
