"""Lists read their traces in parallel, as many as fit into the processor time of a request."""

import threading
import time
from collections.abc import Generator
from dataclasses import replace

from tests.builders import fields, summary_of
from tracestore.api.traces.responses import READ_SPANS, READ_THREADS, read_in_parallel
from tracestore.storage.model import Head
from tracestore.storage.user_store import ListedTrace


def listed(trace_id: str, span_count: int) -> ListedTrace:
    """A trace of so many spans, as a list contains it."""
    summary = replace(summary_of(fields()), span_count=span_count)
    return ListedTrace(trace_id, Head(1, "g", 0, "p", 0, 0, summary=summary))


def read_before_enough(span_counts: list[int]) -> int:
    """How many traces are read when the first read spends the budget."""
    traces = [listed(f"t{number}", count) for number, count in enumerate(span_counts)]
    return len(list(read_in_parallel(lambda trace: trace.trace_id, traces, lambda: True)))


def test_the_first_traces_are_read_even_if_the_budget_is_spent() -> None:
    assert read_before_enough([1] * 20) == READ_THREADS


def test_large_traces_are_read_one_by_one() -> None:
    assert read_before_enough([READ_SPANS * 2] * 20) == 1
    assert read_before_enough([READ_SPANS // 2] * 20) == 2


def test_traces_of_any_size_keep_their_order() -> None:
    traces = [listed(f"t{number}", number * 997 % READ_SPANS * 2) for number in range(30)]
    assert list(read_in_parallel(lambda trace: trace.trace_id, traces)) == [f"t{number}" for number in range(30)]


def test_nothing_is_read_any_more_once_the_caller_stops() -> None:
    begun, running = [], threading.Semaphore(0)

    def read(trace: ListedTrace) -> str:
        begun.append(trace.trace_id)
        if trace.trace_id != "t0":
            running.release()
            time.sleep(0.05)
        begun.remove(trace.trace_id)
        return trace.trace_id

    reading = read_in_parallel(read, [listed(f"t{number}", 1) for number in range(READ_THREADS)])
    assert isinstance(reading, Generator)
    assert next(reading) == "t0"
    running.acquire()
    reading.close()
    assert begun == []
