"""The template's functions in this process: loads their handlers from the files and calls them as Lambda does."""

import importlib.util
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from dev.template import ACCOUNT_ID, PSEUDO_PARAMETERS, Function, Template
from tracestore_cli import tokens

Handler = Callable[[dict[str, Any], Any], Any]
_loading = threading.Lock()


@dataclass(frozen=True)
class Context:
    """The second argument of a handler: the part of Lambda's context that handlers may use."""

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
        """The function's ARN, with a fake account."""
        return f"arn:aws:lambda:{PSEUDO_PARAMETERS['AWS::Region']}:{ACCOUNT_ID}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """The rest of the function's timeout, at least 0."""
        return max(0, int((self.timeout_s - (time.monotonic() - self.started_s)) * 1000))


class Invoker(Protocol):
    """A caller of functions, in this process or in another."""

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function with this logical name, and return its result. *raises*: any exception when it fails."""


class Functions:
    """A caller of functions by their logical names. Handlers are loaded on first use. Safe for many threads."""

    def __init__(self, template: Template) -> None:
        self._functions = template.functions
        self._handlers: dict[str, Handler] = {}

    def load(self) -> None:
        """Load all handlers now. *raises*: the errors of their imports, FileNotFoundError for a missing file."""
        for name in self._functions:
            self._load(name)

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Call the function and return its result. *raises*: the exceptions of the function."""
        function = self._functions[name]
        if name not in self._handlers:
            self._load(name)
        return self._handlers[name](event, Context(name, function.memory_mb, function.timeout_s))

    def _load(self, name: str) -> None:
        from dev import docs_files  # loads handlers itself, to describe their routes

        if name == docs_files.FUNCTION:
            docs_files.write()
        self._handlers[name] = load_handler(self._functions[name])


def load_handler(function: Function) -> Handler:
    """The handler from the function's file, whose module has the file's name as in Lambda: the names must differ.

    *repeat*: the module is executed once, also with many threads.
    """
    with _loading:  # else a second thread could see a partly executed module
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
    """The functions' environment on this machine: the template's, with a local store and tokens of `jwt_secret`.

    *absent*: without the parameters JwtIssuer and JwtAudience, those of local tokens.
    """
    environment = template.environment
    return {
        **environment,
        "DYNAMODB_ENDPOINT": endpoint,
        "JWT_SECRET": jwt_secret,
        "JWT_ISSUER": environment.get("JWT_ISSUER") or tokens.ISSUER,
        "JWT_AUDIENCE": environment.get("JWT_AUDIENCE") or tokens.AUDIENCE,
        "JWT_TEAMS_CLAIM": environment.get("JWT_TEAMS_CLAIM") or tokens.TEAMS_CLAIM,
    }
