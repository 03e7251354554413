"""Write units of counting, in addition to those of writing, by how many traces of an owner are counted together."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from dev import workloads
from dev.bench.deployment import Deployment, changes_of, store_of_process
from dev.bench.meter import Meter
from dev.bench.report import rated, table
from dev.workloads import Request
from tracestore.storage.counters import apply
from tracestore.storage.deadline import Deadline
from tracestore.storage.deltas import Change


class Counted(NamedTuple):
    """Traces of a number of users, so many of one user counted together, and the target of write units per span."""

    name: str
    requests: list[Request]
    users: int
    together: int
    target: float


def report_counting(console: Console, deployment: Deployment, meter: Meter, scale: float) -> None:
    """Print the write units of counting a span."""
    chats = list(workloads.single_chats(max(20, round(200 * scale))))
    agents = list(workloads.agents(max(20, round(200 * scale)), turns=2))
    rows = table("Counting, per span", "spans", "write units", "target", "read units", "calls")
    for counted in (
        Counted("single chats, each of another user", chats[:20], 20, 1, 2.5),
        Counted("single chats of one user, one by one", chats, 1, 1, 2.5),
        Counted("single chats of one user, 200 together", chats, 1, 200, 1.1),
        Counted("5-span agents, 10 together", agents, 1, 10, 0.4),
        Counted("5-span agents, 200 together", agents, 1, 200, 0.3),
    ):
        spans = sum(map(len, counted.requests))
        batches = [batch for number in range(counted.users) for batch in _batches(deployment, counted, number)]
        store = store_of_process()
        meter.take()
        for batch in batches:
            apply(store, "shard", batch, Deadline.never())
        consumed = meter.take()
        units = consumed.write_units / spans
        rows.add_row(
            counted.name,
            f"{spans:,}",
            rated(units, counted.target),
            f"≤ {counted.target:.2f}",
            f"{consumed.read_units / spans:.2f}",
            f"{consumed.call_count / spans:.2f}",
        )
    console.print(rows)


def _batches(deployment: Deployment, counted: Counted, number: int) -> list[Sequence[Change]]:
    """The changes of one user's traces, as the stream delivers them together."""
    user = deployment.user("counted")
    for request in counted.requests[number :: counted.users]:
        user.post(request)
    changes = list(changes_of(store_of_process(), user))
    return [changes[start : start + counted.together] for start in range(0, len(changes), counted.together)]
