"""What tests of the HTTP API share."""

import pytest

from tests.api import Api
from tests.calling import Call, User, new_user


@pytest.fixture
def api(call: Call, user: User) -> Api:
    """The API as somebody new, on each engine."""
    return Api(call, user)


@pytest.fixture
def other(call: Call) -> Api:
    """The API as somebody else."""
    return Api(call, new_user())
