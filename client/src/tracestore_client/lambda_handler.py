"""Lambda handler for functions whose code must not change: `tracestore_client.lambda_handler.handler`.

It configures tracing from the environment and calls the handler named in TRACESTORE_HANDLER, as Lambda would.
"""

import importlib
import os
from collections.abc import Callable
from typing import Any

from . import configure, flush_after

configure()


def _import_handler(name: str) -> Callable[[Any, Any], Any]:
    module_name, _, function_name = name.rpartition(".")
    if not module_name:
        raise ImportError("Set TRACESTORE_HANDLER to the function's original handler, such as app.handler.")
    module = importlib.import_module(module_name.replace("/", "."))
    original_handler: Callable[[Any, Any], Any] = getattr(module, function_name)
    return original_handler


handler = flush_after(_import_handler(os.environ.get("TRACESTORE_HANDLER", "")))
