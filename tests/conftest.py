"""The engines of the tests, and calls through the real handlers.

All tests share one table per engine, created from the template. Each test has a user of its own.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from dev import engines
from dev.functions import local_environment
from dev.template import Template
from tests.gateway import SECRET, Call, User, new_user

engines.pretend_credentials("")

# The time of one example depends on the machine more than on the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


IN_CHROMIUM: Final = (
    "test_api_document.py",
    "test_page_compare.py",
    "test_page_conversations.py",
    "test_page_lessons.py",
    "test_page_list.py",
    "test_page_loading.py",
    "test_page_overview.py",
    "test_page_saved_views.py",
    "test_page_setup.py",
    "test_page_sharing.py",
    "test_page_texts.py",
    "test_page_trace.py",
    "test_page_transcript.py",
    "test_page_tree.py",
    "test_page_views.py",
    "test_signing_in.py",
)
TOGETHER: Final = (
    ("test_otlp_hostile.py",),
    ("test_client_js.py",),
    ("test_mcp_clients.py",),
    ("test_sam_local.py", *IN_CHROMIUM),
)
"""Files whose tests one worker runs, in turns: they share a fixture that takes long to start, or disturb each other.
Chromium fails requests that wait while a network comes or goes, as those of Docker do."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each test to the next free worker, except for the files in `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return next((group[0] for group in TOGETHER if file in group), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """The scheduler of tests to workers."""
    return Scheduling(config, log)


@dataclass(frozen=True)
class TableOnEngine:
    """The template's table on a running engine. `name` is `moto` or `dynamodb-local`; `client` is boto3's."""

    name: str
    endpoint: str
    table_name: str
    client: Any


@pytest.fixture(scope="session")
def template() -> Template:
    """The template, as deployed with its defaults."""
    return Template()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each engine in turn, unless a test names others; the store's own tests also with boto3's client."""
    is_named = any("engine" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "engine" in metafunc.fixturenames and not is_named:
        names = ["moto", "dynamodb-local"]
        if metafunc.module.__name__.rpartition(".")[2].startswith("test_store_"):
            names = [*names, "dynamodb-local by boto3"]
        metafunc.parametrize("engine", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, template: Template) -> Iterator[TableOnEngine]:
    """Each engine in turn, in memory. The handlers' environment refers to it.

    *absent*: where DynamoDB Local cannot run, its tests are skipped; under CI they fail.
    """
    try:
        name, _, client_name = request.param.partition(" by ")
        with engines.started(name) as running, pytest.MonkeyPatch.context() as patch:
            client = engines.create_table(running.endpoint, template)
            for variable, value in local_environment(template, running.endpoint, SECRET).items():
                patch.setenv(variable, value)
            patch.setenv("DYNAMODB_CLIENT", client_name)
            _forget_wiring()
            table = TableOnEngine(request.param, running.endpoint, template.table_name, client)
            _running[request.param] = table
            yield table
            client.close()
    except engines.EngineUnavailable as reason:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"DynamoDB Local must run under CI: {reason}")
        pytest.skip(f"DynamoDB Local cannot run here: {reason}")
    finally:
        _running.pop(request.param, None)
        _forget_wiring()


_running: dict[str, TableOnEngine] = {}


@pytest.fixture(scope="module", autouse=True)
def emptied_moto(template: Template) -> Iterator[None]:
    """Empties moto's table after each module.

    moto examines all items in every query of an index, so lists would be slower with the items of all modules.
    DynamoDB Local keeps the items of all tests.
    """
    yield
    empty_moto(template)


def empty_moto(template: Template) -> None:
    """Remove all items of moto's table, where moto runs."""
    if table := _running.get("moto"):
        with contextlib.suppress(table.client.exceptions.ResourceNotFoundException):  # mock_aws removes all tables
            table.client.delete_table(TableName=table.table_name)
        engines.create_table(table.endpoint, template).close()


@pytest.fixture(scope="session")
def call(engine: TableOnEngine, template: Template) -> Call:
    """Calls the real handler of a route, on each engine."""
    return Call(template)


@pytest.fixture
def user() -> User:
    """A new user."""
    return new_user()


def _forget_wiring() -> None:
    """Drop the state that the handlers keep between calls: it belongs to the previous engine."""
    from tracestore.http import wiring

    wiring.reset()
