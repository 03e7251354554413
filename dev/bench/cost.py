"""Dollars for a million spans, and for a month, from units that are measured on DynamoDB Local and one price table.

Everything that AWS bills for is counted, of storing spans and of counting them for analytics: units of DynamoDB with
refused writes and reads of nothing, requests, Lambda's time, logs, and storage for a month with indexes and counters.
Lambda reads the table's stream at no charge. The cost of counting depends on how many traces of one owner change their
counters together. Where many owners send a little, or there is little traffic, each trace is counted alone, in an
invocation of its own. The truth lies between the two columns.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import typer
from rich.console import Console

from dev import workloads
from dev.bench import report
from dev.bench.deployment import Deployment, changes_of, deployed, store_of_process
from dev.bench.meter import Consumed, Meter, metered
from dev.bench.report import rated, table
from dev.engines import EngineUnavailable
from dev.workloads import Request
from tracestore.storage.counters import apply
from tracestore.storage.deadline import Deadline
from tracestore.storage.deltas import Change

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

REQUEST_LOG_BYTES: Final = 735
"""Of a request: its line in the log of the function, 375 bytes, in the access log, 308, and 26 that each line has more.
*source*: CloudWatch Logs API reference, "PutLogEvents"."""

STREAM_LOG_BYTES: Final = 300
"""Of an invocation of the rollup function: its line in the log."""

ITEM_AGE_HOURS: Final = 27
"""Counting is measured with a gathered item of this age: only on the first day of a user it reads more."""

TOGETHER: Final = 200
MONTHS: Final = (("3 k", 3_000), ("1 M", 1_000_000), ("100 M", 100_000_000))


Value = TypeVar("Value")


class Shape(NamedTuple):
    """Spans in the requests that a client sends, and the most that a million of them should cost."""

    name: str
    requests: list[Request]
    target: float


class Dollars(NamedTuple):
    """Dollars of some work: for units of DynamoDB, and for its requests, Lambda's time, and logs."""

    units: float
    requests: float
    time: float
    logs: float

    @property
    def total(self) -> float:
        """The sum."""
        return sum(self)

    def per(self, spans: int) -> "Dollars":
        """The same for one of so many spans."""
        return Dollars(*(part / spans for part in self))


class Cost(NamedTuple):
    """Dollars for one span: to store it, to keep it for a month, and to count it together with others or alone."""

    storing: Dollars
    storage: float
    together: Dollars
    alone: Dollars

    def total(self, counting: Dollars) -> float:
        """The sum, with this cost of counting."""
        return self.storing.total + self.storage + counting.total


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
    stored_before = deployment.billed_bytes()
    meter.take()
    began = time.process_time()
    for request in shape.requests:
        user.post(request)
    storing = _dollars(meter.take(), time.process_time() - began, len(shape.requests), REQUEST_LOG_BYTES)
    gateway = GATEWAY_REQUEST * sum(1 + _body_bytes(request) // GATEWAY_METERED_BYTES for request in shape.requests)
    changes = list(changes_of(store_of_process(), user))
    together = _counted(meter, changes, "together", TOGETHER)
    stored = deployment.billed_bytes() - stored_before
    alone = _counted(meter, changes, "alone", 1)
    return Cost(
        storing=storing._replace(requests=storing.requests + gateway).per(spans),
        storage=stored / 1e9 * GB_MONTH / spans,
        together=together.per(spans),
        alone=alone.per(spans),
    )


def _counted(meter: Meter, changes: Sequence[Change], shard: str, size: int) -> Dollars:
    """Dollars for counting changes in batches of this size.

    Each size has a shard of its own: a counter ignores a change that it has counted, and so would the second pass.
    """
    store = store_of_process()
    earlier = replace(store, now_ms=lambda: store.now_ms() - ITEM_AGE_HOURS * 3_600_000)
    apply(earlier, f"{shard} before", changes[:1], Deadline.never())
    meter.take()
    began = time.process_time()
    for batch in _batches(changes, size):
        apply(store, shard, batch, Deadline.never())
    return _dollars(meter.take(), time.process_time() - began, -(-len(changes) // size), STREAM_LOG_BYTES)


def _dollars(consumed: Consumed, processor_s: float, invocations: int, log_bytes: int) -> Dollars:
    """Dollars for the invocations of a function, without the gateway."""
    duration_s = processor_s / PROCESSOR + consumed.calls_in_turn * DYNAMODB_CALL_S
    return Dollars(
        units=consumed.write_units * WRITE_UNIT + consumed.read_units * READ_UNIT,
        requests=invocations * LAMBDA_REQUEST,
        time=duration_s * MEMORY_GB * LAMBDA_GB_S,
        logs=invocations * log_bytes / 1e9 * LOG_GB,
    )


def _batches(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _body_bytes(request: list[dict[str, Any]]) -> int:
    return len(str(request))


def _print_million(console: Console, costs: list[tuple[Shape, Cost]]) -> None:
    parts = ("units", "requests", "Lambda", "logs")
    rows = table("Dollars for a million spans", *parts, "storage", "counting", "total", "target", "alone", "total")
    counting = table("Of which for counting", *parts, *(f"alone: {part}" for part in parts))
    for shape, cost in costs:
        rows.add_row(
            shape.name,
            *map(_millions, (*cost.storing, cost.storage, cost.together.total)),
            rated(cost.total(cost.together) * 1e6, shape.target),
            f"≤ {shape.target}",
            *map(_millions, (cost.alone.total, cost.total(cost.alone))),
        )
        counting.add_row(shape.name, *map(_millions, (*cost.together, *cost.alone)))
    console.print(rows)
    console.print(counting)


def _millions(dollars: float) -> str:
    return f"{dollars * 1e6:.2f}"


def _print_months(console: Console, costs: list[tuple[Shape, Cost]]) -> None:
    """Small months are counted alone, because little of their traffic falls into the same 20 seconds."""
    rows = table("Dollars for a month of", *(f"{name} spans" for name, _ in MONTHS))
    for shape, cost in costs:
        dollars = [cost.total(cost.together if spans > 10**7 else cost.alone) * spans for _, spans in MONTHS]
        rows.add_row(shape.name, *(f"{each:,.2f}" for each in dollars))
    console.print(rows)
