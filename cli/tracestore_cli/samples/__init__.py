"""The content of the sample traces: applications that call language models, as native spans.

A sample takes a random generator and the time at which it begins, and returns one or several whole traces. Nothing here
sends or stores anything, and no name, order or booking is real.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any, TypeAlias

Span: TypeAlias = dict[str, Any]
"""A span as the native route takes it."""

Trace: TypeAlias = list[Span]
Sample: TypeAlias = Callable[[Random, datetime], list[Trace]]
