"""The sample traces' content: small stories of applications that call language models, told as native spans.

A story takes its random numbers and the moment it begins, and gives one or several whole traces. Nothing here sends or
stores anything, and no name, order or booking is real.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import TypeAlias

from dev.workloads import Span

Trace: TypeAlias = list[Span]
Story: TypeAlias = Callable[[Random, datetime], list[Trace]]
