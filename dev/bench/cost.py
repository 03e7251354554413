"""Dollars for a million spans, and for a month, from units that are measured on DynamoDB Local and one price table.

Everything that AWS bills for is counted: writing, counting for analytics, requests, Lambda's time, logs, and storage
for a month. The cost of counting depends on how many traces of one owner change their counters together. Where many
owners send a little, or there is little traffic, each trace is counted alone. The truth lies between the two columns.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import typer
from rich.console import Console

from dev import workloads
from dev.bench import report
from dev.bench.analytics import changes_of, store_of_process
from dev.bench.deployment import Deployment, User, deployed
from dev.bench.meter import Meter, metered
from dev.bench.report import rated, table
from dev.engines import EngineUnavailable
from dev.workloads import Request
from tracestore.storage.counters import apply
from tracestore.storage.deadline import Deadline

PRICES_OF: Final = "2026-11"
"""us-east-1, list prices without free tiers. *source*: AWS's price pages of DynamoDB, Lambda on arm64, API Gateway and
CloudWatch Logs."""

WRITE_UNIT: Final = 0.625e-6
READ_UNIT: Final = 0.125e-6
GB_MONTH: Final = 0.25
GATEWAY_REQUEST: Final = 1.00e-6
GATEWAY_METERED_BYTES: Final = 512 * 1024
LAMBDA_REQUEST: Final = 0.20e-6
LAMBDA_GB_S: Final = 13.3334e-6
LOG_GB: Final = 0.50

MEMORY_GB: Final = 1.0
PROCESSOR: Final = 0.58
"""The share of a processor that a function with 1,024 MB has."""

DYNAMODB_CALL_S: Final = 0.006
"""Assumed for each call: DynamoDB Local is in another process here, and AWS's is in another building."""

LOG_BYTES: Final = 850
"""Of a request: its line in the log of the function, 400 bytes, and in the access log, 450."""

ITEM_OVERHEAD_BYTES: Final = 100
"""DynamoDB bills these for each item and each entry of an index, in addition to its bytes."""

TOGETHER: Final = 200
MONTHS: Final = (("3 k", 3_000), ("1 M", 1_000_000), ("100 M", 100_000_000))


Value = TypeVar("Value")


class Shape(NamedTuple):
    """Spans in the requests that a client sends, and the most that a million of them should cost."""

    name: str
    requests: list[Request]
    target: float


class Counting(NamedTuple):
    """Dollars for counting one span, by how many traces of an owner are counted together."""

    together: float
    alone: float


class Cost(NamedTuple):
    """Dollars for one span."""

    writing: float
    counting: Counting
    requests: float
    time: float
    logs: float
    storage: float

    def total(self, counting: float) -> float:
        """The sum, with this cost of counting."""
        return self.writing + counting + self.requests + self.time + self.logs + self.storage


def main(scale: Annotated[float, typer.Option(min=0.1, help="Size of the workloads.")] = 1.0) -> None:
    """Dollars for a million spans by shape, everything counted, and for three sizes of a month."""
    console = report.console()
    try:
        with deployed(console.print) as deployment, metered(deployment.api_client) as meter:
            costs = [(shape, _cost(deployment, meter, shape)) for shape in _shapes(scale)]
    except EngineUnavailable as reason:
        console.print(f"DynamoDB Local cannot run here, and no other engine reports capacity: {reason}.")
        raise typer.Exit(1) from reason
    _print_million(console, costs)
    _print_months(console, costs)
    console.print(f"Prices of {PRICES_OF}. Counted alone: much fewer than {TOGETHER} traces of an owner in 20 s.")


def _shapes(scale: float) -> Iterator[Shape]:
    def together(requests: Iterator[Request], count: int) -> list[Request]:
        return [[span for request in batch for span in request] for batch in _batches(list(requests), count)]

    chats, agents = max(100, round(300 * scale)), max(20, round(100 * scale))
    yield Shape("single chats, 50 a request", together(workloads.single_chats(chats), 50), 3.5)
    yield Shape("single chats, one by one", list(workloads.single_chats(chats)), 6.0)
    yield Shape("agents of 5, 50 a request", together(workloads.agents(agents, turns=2), 10), 1.0)
    yield Shape("agents of 5, one a request", list(workloads.agents(agents, turns=2)), 1.0)
    yield Shape("agents of 41, one a request", list(workloads.agents(max(4, agents // 6), turns=20)), 1.0)


def _cost(deployment: Deployment, meter: Meter, shape: Shape) -> Cost:
    user, spans = deployment.user("payer"), sum(map(len, shape.requests))
    user.post(shape.requests[0])  # the first request imports and connects
    user = deployment.user("payer")
    items_before, bytes_before = deployment.stored()
    meter.take()
    began = time.process_time()
    for request in shape.requests:
        user.post(request)
    processor_s = time.process_time() - began
    written = meter.take()
    items, size = deployment.stored()
    stored = size - bytes_before + (items - items_before) * ITEM_OVERHEAD_BYTES
    counted, counting_s = _counting(meter, user, spans)
    metered_requests = sum(1 + _body_bytes(request) // GATEWAY_METERED_BYTES for request in shape.requests)
    return Cost(
        writing=(written.write_units * WRITE_UNIT + written.read_units * READ_UNIT) / spans,
        counting=counted,
        requests=(metered_requests * GATEWAY_REQUEST + len(shape.requests) * LAMBDA_REQUEST) / spans,
        time=_lambda_dollars(processor_s, written.call_count) / spans + counting_s,
        logs=len(shape.requests) * LOG_BYTES / 1e9 * LOG_GB / spans,
        storage=stored / 1e9 * GB_MONTH / spans,
    )


def _counting(meter: Meter, user: User, spans: int) -> tuple[Counting, float]:
    """Dollars of DynamoDB for counting a span, and of Lambda's time for that in large batches."""
    store = store_of_process()
    changes = list(changes_of(store, user))
    dollars: list[float] = []
    time_dollars = 0.0
    for number, size in enumerate((TOGETHER, 1)):
        began = time.process_time()
        meter.take()
        for batch in _batches(changes, size):
            # A shard of its own: a counter ignores a change that it has counted, and so would the second pass.
            apply(store, f"shard-{number}", batch, Deadline.never())
        consumed = meter.take()
        dollars.append((consumed.write_units * WRITE_UNIT + consumed.read_units * READ_UNIT) / spans)
        if size == TOGETHER:
            time_dollars = _lambda_dollars(time.process_time() - began, consumed.call_count) / spans
    return Counting(*dollars), time_dollars


def _batches(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _lambda_dollars(processor_s: float, calls: int) -> float:
    return (processor_s / PROCESSOR + calls * DYNAMODB_CALL_S) * MEMORY_GB * LAMBDA_GB_S


def _body_bytes(request: list[dict[str, Any]]) -> int:
    return len(str(request))


def _print_million(console: Console, costs: list[tuple[Shape, Cost]]) -> None:
    columns = ("write", "count", "or alone", "requests", "Lambda", "store", "total", "or alone", "target")
    rows = table("Dollars for a million spans", *columns)
    for shape, cost in costs:
        together, alone = (cost.total(counting) * 1e6 for counting in cost.counting)
        parts = (cost.writing, *cost.counting, cost.requests + cost.logs, cost.time, cost.storage)
        cells = [f"{part * 1e6:.2f}" for part in parts]
        rows.add_row(shape.name, *cells, rated(together, shape.target), rated(alone, shape.target), f"≤ {shape.target}")
    console.print(rows)


def _print_months(console: Console, costs: list[tuple[Shape, Cost]]) -> None:
    """Small months are counted alone, because little of their traffic falls into the same 20 seconds."""
    rows = table("Dollars for a month of", *(f"{name} spans" for name, _ in MONTHS))
    for shape, cost in costs:
        dollars = [cost.total(cost.counting[0] if spans > 10**7 else cost.counting[1]) * spans for _, spans in MONTHS]
        rows.add_row(shape.name, *(f"{each:,.2f}" for each in dollars))
    console.print(rows)
