"""Processor time of code under test, independent of other threads and of what other tests have left in memory."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Used:
    """The processor time of a block, in seconds, after its end."""

    seconds: float = 0.0


@contextmanager
def processor_time() -> Iterator[Used]:
    """The processor time of this thread. Garbage is not collected: that takes longer the more the process holds."""
    used = Used()
    gc.collect()
    gc.disable()
    started = time.thread_time()
    try:
        yield used
    finally:
        used.seconds = time.thread_time() - started
        gc.enable()
