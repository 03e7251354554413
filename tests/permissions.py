"""The permissions of the deployed functions, enforced while a test calls their handlers.

The handlers of a test share one process and one client, so the function that acts is remembered here.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from dev.functions import Functions
from tests.deployed_template import DeployedTemplate
from tests.iam import Access, Statement, accesses_of, is_allowed
from tracestore.http import wiring
from tracestore.storage.dynamo import Request, RequestFailed, Send

TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/tracestore"


class Acting:
    """The functions that act at this moment, by the thread that called them, and the accesses that were denied."""

    def __init__(self) -> None:
        self._by_thread: dict[int, str] = {}
        self.denied: list[tuple[str, Access]] = []

    @contextmanager
    def as_function(self, function: str) -> Iterator[None]:
        """Act as this function in this thread until the end of the block."""
        thread = threading.get_ident()
        self._by_thread[thread] = function
        try:
            yield
        finally:
            del self._by_thread[thread]

    def functions(self) -> set[str]:
        """The functions that may be the cause of a request of this thread: in a thread of a pool, each that acts.

        *absent*: none where the test itself sends the request.
        """
        if own := self._by_thread.get(threading.get_ident()):
            return {own}
        is_of_pool = threading.current_thread().name.startswith("ThreadPoolExecutor")
        return set(self._by_thread.values()) if is_of_pool else set()


acting = Acting()


class GuardedFunctions(Functions):
    """The functions, each with its permissions as deployed by default."""

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function. *raises*: as `Functions.invoke`, AssertionError when it made an access that it may not.

        A denied access fails as in AWS. The function may respond to that as it likes, so the denial is kept.
        """
        if statements_of(name):
            client = wiring.dynamodb()
            if deny not in client.interceptors:
                client.interceptors.append(deny)
        with acting.as_function(name):
            result = super().invoke(name, event)
        denied, acting.denied = acting.denied, []
        assert denied == [], "The template's policies do not allow these accesses."
        return result


def deny(operation: str, request: Request, send: Send) -> Request:
    """An interceptor that denies what none of the acting functions may do."""
    functions = acting.functions()
    for access in accesses_of(operation, request, TABLE):
        if functions and not any(is_allowed(statements_of(function), access) for function in functions):
            acting.denied.append((" or ".join(sorted(functions)), access))
            raise RequestFailed("AccessDeniedException")
    return send(operation, request)


@cache
def statements_of(function: str) -> Sequence[Statement]:
    """What the default deployment allows a function."""
    return deployed().statements_of(deployed().role_of(function))


@cache
def deployed() -> DeployedTemplate:
    """The default deployment."""
    return DeployedTemplate()
