"""No module imports upward, and some libraries and functions are reserved for one layer."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracestore.http.app import PUBLIC_ROUTES

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers/common/tracestore"
BELOW = {
    "domain": {"domain"},
    "ingest": {"domain", "ingest"},
    "storage": {"domain", "storage"},
    "http": {"domain", "ingest", "storage", "http"},
    "api": {"domain", "ingest", "storage", "http", "api"},
    "functions": {"domain", "ingest", "storage", "http", "api"},
}
FILES = [*PACKAGE.glob("*/**/*.py"), *(ROOT / "functions").glob("*/*.py")]


def layer_of(file: Path) -> str:
    """The layer of a file."""
    return file.relative_to(PACKAGE).parts[0] if file.is_relative_to(PACKAGE) else "functions"


def imports(file: Path) -> set[str]:
    """The full names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = list(file.relative_to(PACKAGE.parent).parts[: -node.level]) if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{base}.{name.name}" for name in node.names}
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_may(file: Path) -> None:
    layer, names = layer_of(file), [name.split(".") for name in imports(file)]
    assert {name[1] for name in names if name[0] == "tracestore"} <= BELOW[layer]
    assert not {"dev", "tests", "functions"} & {name[0] for name in names}
    assert layer == "storage" or not {"boto3", "botocore"} & {name[0] for name in names}
    read = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert layer == "http" or not {"environ", "getenv"} & read, "only http.settings reads the environment"


STORAGE_FOR_ROUTES = {"user_store", "model"}
"""What routes use of the storage: one user's reader and writer, with the objects that they take and return."""

STORAGE_BESIDES = {
    "api/account/api_keys.py": {"api_keys"},
    "account/account_handler.py": {"api_keys"},
    "rollup/rollup_handler.py": {"counters", "deltas", "keys"},
    "purge/purge_handler.py": {"jobs", "store"},
}
"""Secrets of API keys are made, but not stored, without a user. The stream's consumers serve all users."""


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if layer_of(file) in ("api", "functions")],
    ids=lambda file: str(file.relative_to(ROOT)),
)
def test_routes_reach_the_storage_through_the_users_reader_and_writer(file: Path) -> None:
    names = [name.split(".") for name in imports(file)]
    used = {name[2] for name in names if name[:2] == ["tracestore", "storage"]}
    root = PACKAGE if file.is_relative_to(PACKAGE) else ROOT / "functions"
    assert used <= STORAGE_FOR_ROUTES | STORAGE_BESIDES.get(str(file.relative_to(root)), set())


@pytest.mark.parametrize(
    "file", [file for file in FILES if layer_of(file) == "functions"], ids=lambda file: str(file.relative_to(ROOT))
)
def test_a_handler_has_no_try(file: Path) -> None:
    """Errors are translated where they occur, and `http.app` alone turns them into responses."""
    tries = [node.lineno for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Try | ast.TryStar)]
    assert tries == []


ROUTE = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE) /[\w{}/.+-]*|(?<!\w)/(?:api|v1|traces)\b")


@pytest.mark.parametrize("file", sorted((PACKAGE / "http").glob("*.py")), ids=lambda file: file.stem)
def test_the_http_machinery_names_no_route(file: Path) -> None:
    texts = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
    routes = {match[0] for text in texts if isinstance(text, str) for match in ROUTE.finditer(text)}
    assert routes <= {*PUBLIC_ROUTES, "GET /path/{name}"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_cursor_module_signs_and_verifies_cursors(file: Path) -> None:
    module = "tracestore.storage.cursor"
    signing = {module, f"{module}.sign", f"{module}.verify"} & imports(file)
    assert not signing or file == PACKAGE / "http/cursors.py"


RESOURCES_BELOW = {
    "account": {"account"},
    "traces": {"traces"},
    "lessons": {"traces", "lessons"},
    "analytics": {"traces", "analytics"},
    "otlp": {"otlp"},
    "agent_tools": {"traces", "analytics", "agent_tools"},
    "sdk": {"traces", "sdk"},
}


@pytest.mark.parametrize(
    "file", sorted((PACKAGE / "api").rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE))
)
def test_a_resource_builds_on_traces_alone(file: Path) -> None:
    parts = file.relative_to(PACKAGE / "api").parts
    resource = parts[0] if len(parts) > 1 else ""
    names = [name.split(".") for name in imports(file)]
    used = {name[2] for name in names if name[:2] == ["tracestore", "api"] and name[2] in RESOURCES_BELOW}
    assert used <= RESOURCES_BELOW.get(resource, set())


def modules_at_start(function: str) -> list[str]:
    """The modules that a function imports at its cold start. The others wait for a request that needs them."""
    return printed_at_start(function, "*sys.modules")


def printed_at_start(function: str, values: str) -> list[str]:
    """The words that a new process prints after it has imported a function. `gc_before` are its collections before."""
    code = (
        f"import gc, sys; gc_before = gc.get_stats(); import functions.{function}.{function}_handler; print({values})"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "", "PYTHONPATH": str(PACKAGE.parent), "TABLE_NAME": "none", "AWS_DEFAULT_REGION": "eu-central-1"},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()


def test_the_function_for_agents_starts_without_analytics_and_without_a_package_of_the_protocol() -> None:
    imported = {*modules_at_start("agent_tools")}
    assert not [name for name in imported if name.startswith("tracestore.api.analytics")]
    domain = {f"tracestore.domain.{name}" for name in ("contributions", "counters")}
    storage = {f"tracestore.storage.{name}" for name in ("counters", "counter_reading")}
    assert not {*domain, *storage, "jwt", "mcp", "mcp_types"} & imported
    assert "tracestore.storage.user_store" in imported


@pytest.mark.parametrize("function", ["query", "analytics", "agent_tools", "rollup", "purge", "page"])
def test_a_function_that_stores_no_text_of_a_request_starts_without_the_redactor(function: str) -> None:
    imported = {*modules_at_start(function)}
    assert not {"tracestore.ingest.redaction", "tracestore.ingest.secret_kinds"} & imported
    assert f"functions.{function}.{function}_handler" in imported


def test_the_capture_function_starts_with_the_redactor() -> None:
    assert "tracestore.ingest.redaction" in modules_at_start("capture")


def test_the_capture_function_starts_without_modules_that_no_capture_needs() -> None:
    imported = modules_at_start("capture")
    storage = {"bulk", "counters", "counter_reading", "jobs", "formats.counters"}
    unneeded = {f"tracestore.storage.{name}" for name in storage}
    unneeded |= {"tracestore.domain.contributions", "tracestore.domain.counters"}
    assert not {*unneeded, "tracestore.ingest.pricing", "jwt"} & {*imported}
    assert "tracestore.storage.user_store" in imported


@pytest.mark.parametrize("function", ["capture", "query", "analytics", "lesson_traces", "rollup", "sdk_protocols"])
def test_a_function_starts_without_boto3_and_without_a_client_of_http(function: str) -> None:
    imported = {*modules_at_start(function)}
    assert not {"boto3", "botocore.client", "http.client", "urllib.request"} & imported
    assert "tracestore.storage.dynamo" in imported


@pytest.mark.parametrize("function", ["docs", "page"])
def test_a_function_whose_routes_are_all_public_starts_without_the_store(function: str) -> None:
    imported = modules_at_start(function)
    assert not {"boto3", "jwt", "tracestore.http.wiring", "tracestore.storage.store"} & {*imported}
    assert "tracestore.http.app" in imported


@pytest.mark.parametrize("function", ["capture", "query", "rollup"])
def test_a_function_starts_with_few_collections_of_garbage(function: str) -> None:
    collections = "sum(now['collections'] - old['collections'] for now, old in zip(gc.get_stats(), gc_before))"
    assert int(*printed_at_start(function, collections)) <= 5  # 27 with Python's own threshold
