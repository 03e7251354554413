"""The template's functions in this process: their handlers loaded from their files and called as Lambda calls them."""

import importlib.util
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dev.template import ACCOUNT_ID, PSEUDO_PARAMETERS, Function, Template
from tracestore_cli import tokens

Handler = Callable[[dict[str, Any], Any], Any]
_loading = threading.Lock()


@dataclass(frozen=True)
class Context:
    """What Lambda passes beside an event, as far as a handler may look."""

    function_name: str
    memory_limit_in_mb: int
    timeout_s: int
    function_version: str = "$LATEST"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_s: float = field(default_factory=time.monotonic)
    log_group_name: str = "local"
    log_stream_name: str = "local"

    @property
    def invoked_function_arn(self) -> str:
        """The function's made-up address."""
        return f"arn:aws:lambda:{PSEUDO_PARAMETERS['AWS::Region']}:{ACCOUNT_ID}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's timeout; never below 0."""
        return max(0, int((self.timeout_s - (time.monotonic() - self.started_s)) * 1000))


class Functions:
    """Calls functions by their logical names. Handlers are loaded on first use; safe to call from many threads."""

    def __init__(self, template: Template) -> None:
        self._functions = template.functions
        self._handlers: dict[str, Handler] = {}

    def load(self) -> None:
        """Load all handlers now. raises: what their imports raise, FileNotFoundError for a file that is missing."""
        for function in self._functions.values():
            self._handlers[function.name] = load_handler(function)

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """What the function returns. raises: what it raises."""
        function = self._functions[name]
        if name not in self._handlers:
            self._handlers[name] = load_handler(function)
        return self._handlers[name](event, Context(name, function.memory_mb, function.timeout_s))


def load_handler(function: Function) -> Handler:
    """The handler from the function's file. repeat: the module is executed once, also for many threads.

    It goes by its file's name among the loaded modules, as in Lambda, which is why these names must differ.
    """
    with _loading:  # else a second thread would find a module that is half there
        return _load(function)


def _load(function: Function) -> Handler:
    name = function.file.stem
    module = sys.modules.get(name)
    if module is None or getattr(module, "__file__", None) != str(function.file):
        spec = importlib.util.spec_from_file_location(name, function.file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    handler: Handler = getattr(module, function.attribute)
    return handler


def local_environment(template: Template, endpoint: str, jwt_secret: str) -> dict[str, str]:
    """The functions' environment on this machine: the template's, with a local store and a local way to sign in."""
    return {
        **template.environment,
        "DYNAMODB_ENDPOINT": endpoint,
        "JWT_SECRET": jwt_secret,
        "JWT_ISSUER": tokens.ISSUER,
        "JWT_AUDIENCE": tokens.AUDIENCE,
    }
