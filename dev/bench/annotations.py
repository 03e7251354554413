"""The cost of annotations: to score a small and a large trace, to score it again, and before its first span arrives."""

import json
from itertools import islice
from typing import Any, Final

from rich.console import Console

from dev import workloads
from dev.bench.deployment import Deployment, User
from dev.bench.meter import Meter
from dev.bench.report import rated, table
from dev.workloads import Request as Spans

_TRACES: Final = 20
_COMMENT: Final = "The reply names the wrong price, and the tool that was called before it had the right one. " * 3


def report_annotations(console: Console, deployment: Deployment, meter: Meter) -> None:
    """Print the capacity units of annotations. The target is one unit for the item, and those of the head's put."""
    rows = table("Annotations, each", "write units", "target", "read units", "calls")
    for name, requests, target in (
        ("of a single chat", list(workloads.single_chats(_TRACES)), 3.5),
        ("of a 41-span agent", list(workloads.agents(_TRACES, turns=20)), 4.5),
    ):
        _report_one_kind(rows, meter, deployment.user("reviewer"), name, requests, target)
    early = deployment.user("guardrail")
    requests = list(islice(workloads.single_chats(_TRACES, seed=1), _TRACES))
    _row(rows, meter, early, "before the first span", requests, 2.0)
    meter.take()
    for spans in requests:
        early.post(spans)
    consumed = meter.take()
    rows.add_row("the first span after it", f"{consumed.write_units / _TRACES:.2f}", "", *_reads(consumed))
    console.print(rows)
    console.print("The first span after it is a transaction: DynamoDB Local counts its units four times, AWS twice.")


def _report_one_kind(rows: Any, meter: Meter, user: User, name: str, requests: list[Spans], target: float) -> None:
    for spans in requests:
        user.post(spans)
    _row(rows, meter, user, f"the first {name}", requests, target)
    _row(rows, meter, user, "the same again", requests, 0.0)
    _row(rows, meter, user, "a second, with a comment", requests, target, source="eve", comment=_COMMENT)


def _row(rows: Any, meter: Meter, user: User, name: str, requests: list[Spans], target: float, **fields: Any) -> None:
    meter.take()
    for spans in requests:
        _annotate(user, spans[0]["trace_id"], {"value": 0.75, "source": "judge", **fields})
    consumed = meter.take()
    units = consumed.write_units / _TRACES
    rows.add_row(name, rated(units, target), f"≤ {target:.2f}", *_reads(consumed))


def _reads(consumed: Any) -> tuple[str, str]:
    return f"{consumed.read_units / _TRACES:.2f}", f"{consumed.call_count / _TRACES:.2f}"


def _annotate(user: User, trace_id: str, body: dict[str, Any]) -> None:
    path = f"/api/analytics/traces/{trace_id}/annotations/quality"
    user.call_json("PUT", path, body=json.dumps(body).encode())
