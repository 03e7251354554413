"""Fixtures of the tests of the HTTP API."""

import random
from collections.abc import Iterator

import pytest

from dev.engines import create_table
from dev.template import Template
from tests.api import Api
from tests.conftest import TableOnEngine
from tests.gateway import Call, User, new_user
from tracestore.http import wiring


@pytest.fixture
def api(call: Call, user: User) -> Api:
    """The API as a new user, on each engine."""
    return Api(call, user)


@pytest.fixture
def other(call: Call) -> Api:
    """The API as another new user."""
    return Api(call, new_user())


@pytest.fixture
def own_table(engine: TableOnEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Template]:
    """A table of the test's own, whose stream contains no changes of other tests."""
    template = Template(table=f"own-{random.randrange(10**9)}")
    create_table(engine.endpoint, template)
    monkeypatch.setenv("TABLE_NAME", template.table_name)
    wiring.reset()
    yield template
    wiring.reset()
