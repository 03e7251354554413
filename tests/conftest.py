"""The engines that tests run against, and calls through the real handlers.

One table per engine, made from the template, is shared by all tests: a fresh user for each test keeps them apart.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from dev import engines
from dev.functions import local_environment
from dev.template import Template
from tests.calling import SECRET, Call, User, new_user

engines.pretend_credentials("")

# What an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


TOGETHER = ("test_sam_local.py", "test_otlp_hostile.py")
"""Files whose tests share what takes long to start: one worker runs all of them."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Test by test to whichever worker is free, but for what belongs together."""

    def _split_scope(self, nodeid: str) -> str:
        return next((file for file in TOGETHER if file in nodeid), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """How tests are given to the workers."""
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


@pytest.fixture(scope="session", params=["moto", "dynamodb-local"])
def engine(request: pytest.FixtureRequest, template: Template) -> Iterator[TableOnEngine]:
    """Each engine in turn, in memory, with the handlers' environment pointing at it.

    Where DynamoDB Local cannot run its tests are skipped, and under CI they fail.
    """
    try:
        with engines.started(request.param) as running, pytest.MonkeyPatch.context() as patch:
            client = engines.create_table(running.endpoint, template)
            for name, value in local_environment(template, running.endpoint, SECRET).items():
                patch.setenv(name, value)
            _forget_wiring()
            yield TableOnEngine(request.param, running.endpoint, template.table_name, client)
            client.close()
    except engines.EngineUnavailable as reason:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"DynamoDB Local must run under CI: {reason}")
        pytest.skip(f"DynamoDB Local cannot run here: {reason}")
    finally:
        _forget_wiring()


@pytest.fixture(scope="session")
def call(engine: TableOnEngine, template: Template) -> Call:
    """Calls the real handler of a route, on each engine."""
    return Call(template)


@pytest.fixture
def user() -> User:
    """Somebody whom no other test knows."""
    return new_user()


def _forget_wiring() -> None:
    """What the handlers keep between calls belongs to the engine before."""
    from tracestore.http import wiring

    wiring.reset()
