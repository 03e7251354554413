"""The template's functions behind an endpoint of Lambda's API, such as the one of `sam local start-lambda`."""

import threading
from typing import Any

import httpx

from dev.template import Template

CONTAINER_START_S = 120
"""The first call of a function waits for its container."""


class FunctionFailed(Exception):
    """The function raised, exited or timed out. The message names the function and the type of its error."""


class RemoteFunctions:
    """A caller of functions by their logical names. Safe for many threads.

    Calls of one function wait for each other. `sam local` runs one container per function, and starts the timeout of a
    call before the container is free: a call that waits there could end the container of another one.
    *source*: Lambda API reference, "Invoke".
    """

    def __init__(self, template: Template, endpoint: str) -> None:
        self._functions = template.functions
        self._free = {name: threading.Lock() for name in template.functions}
        self._http = httpx.Client(base_url=endpoint)
        self._is_closed = False

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function and return its result. *raises*: FunctionFailed; httpx.HTTPError without a response."""
        timeout_s = self._functions[name].timeout_s + CONTAINER_START_S
        with self._free[name]:
            try:
                response = self._http.post(
                    f"/2015-03-31/functions/{name}/invocations", json=event, timeout=httpx.Timeout(10, read=timeout_s)
                )
            except httpx.HTTPError:
                if self._is_closed:
                    raise SystemExit from None  # ends this thread without a traceback
                raise
        if response.status_code != 200:
            raise FunctionFailed(f"{name} cannot be called: the status of its endpoint is {response.status_code}.")
        result = response.json() if response.content else None
        if "x-amz-function-error" in response.headers:
            kind = result.get("errorType") if isinstance(result, dict) else None
            raise FunctionFailed(f"{name} has failed with {kind or 'an unknown error'}.")
        return result

    def close(self) -> None:
        """Close the connections. Threads that are in a call end silently: the endpoint may stop before them."""
        self._is_closed = True
        self._http.close()
