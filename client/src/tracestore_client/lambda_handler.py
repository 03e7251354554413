"""A Lambda function's handler for one whose code is not to be touched: `tracestore_client.lambda_handler.handler`.

It configures tracing from the environment and calls the handler that TRACESTORE_HANDLER names, as Lambda would.
"""

import importlib
import os
from collections.abc import Callable
from typing import Any

from . import configure, flush_after

configure()


def _named(name: str) -> Callable[[Any, Any], Any]:
    module, _, function = name.rpartition(".")
    if not module:
        raise ImportError("Set TRACESTORE_HANDLER to the handler that Lambda called before, such as app.handler.")
    found: Callable[[Any, Any], Any] = getattr(importlib.import_module(module.replace("/", ".")), function)
    return found


handler = flush_after(_named(os.environ.get("TRACESTORE_HANDLER", "")))
