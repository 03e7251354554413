"""From a request through the table's real stream and the rollup function to the counters."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dev import streams
from dev.functions import Functions
from dev.template import Template
from tests.api import TRACES, Api, child, span
from tests.builders import long_deadline, scope
from tests.conftest import TableOnEngine
from tests.crashing import Crash, CrashingAtWrite
from tests.permissions import GuardedFunctions
from tracestore.domain.times import NS_PER_DAY
from tracestore.http import wiring
from tracestore.http.stream import records_of, shard_id_of
from tracestore.storage import audit as auditing
from tracestore.storage.counters import apply
from tracestore.storage.deltas import Change
from tracestore.storage.store import Store
from tracestore.storage.table import Table
from tracestore_cli import audit, options

WITHIN_S = 60


class Rollup:
    """The rollup function with simulated crashes: some invocations crash after some of their writes."""

    def __init__(self, functions: Functions, seed: int) -> None:
        self._functions = functions
        self._random = random.Random(seed)
        self.deaths = 0

    def __call__(self, function: str, event: dict[str, Any]) -> Any:
        """Invoke the function. Others than the rollup have nothing to do here."""
        if function != "RollupFunction":
            return {"state": {}}
        is_first = not self.deaths  # one invocation crashes, even if a quick machine makes few batches of the stream
        if event["Records"] and (is_first or self._random.random() < 0.3):
            self._die(event)
        return self._functions.invoke(function, event)

    def _die(self, event: dict[str, Any]) -> None:
        """Do as the function does, and crash after some writes."""
        real = wiring.store()
        crashing = replace(
            real, table=Table(CrashingAtWrite(real.table.client, self._random.randrange(6)), real.table.name)
        )
        changes = [Change(record.sequence, record.pk, record.old, record.new) for record in records_of(event)]
        with suppress(Crash):
            apply(crashing, shard_id_of(event), changes, long_deadline())
        self.deaths += 1
        raise RuntimeError("the function died")


@pytest.fixture
def rollup(engine: TableOnEngine, own_table: Template) -> Iterator[Rollup]:
    """The function on the table's stream, in the background."""
    invoked = Rollup(GuardedFunctions(own_table), 7)
    with streams.delivering(own_table, engine.endpoint, invoked):
        yield invoked


def await_right(store: Store, user: str) -> auditing.Audit:
    """The audit of the last days, as soon as it has no findings, since the stream takes a moment."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        now_ns = time.time_ns()
        found = auditing.audit(scope(store, user), now_ns - 3 * NS_PER_DAY, now_ns, moving_ms=0)
        if (found.is_clean and found.counters) or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def test_a_day_of_captures_changes_and_deletes_is_counted_exactly(
    rollup: Rollup, api: Api, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(3)
    now = datetime.now(UTC) - timedelta(days=1)
    sent: list[list[dict[str, Any]]] = []
    for step in range(60):
        trace_id = f"t{rng.randrange(20)}"
        start = (now + timedelta(minutes=rng.randrange(600))).isoformat()
        fields: dict[str, Any] = {
            "start_time": start,
            "duration_ms": rng.randrange(1, 30_000),
            "operation_type": rng.choice(["completion", "tool_call", "agent"]),
            "model_name": rng.choice(["gpt-4o", "claude-sonnet-4-5"]),
            "input_tokens": rng.randrange(5000),
            "output_tokens": rng.randrange(500),
            "conversation_id": rng.choice(["c1", "c2"]),
            "error_type": rng.choice([None, None, "Timeout"]),
        }
        match rng.choice(["new"] * 5 + ["again", "patch", "delete", "delete span"]):
            case "new":
                sent.append([span(trace_id, "root", **fields), child(f"s{step}", "root", trace_id, **fields)])
                api.post({"spans": sent[-1]})
            case "again" if sent:
                api.post({"spans": rng.choice(sent)})
            case "patch":
                api.patch("root", trace_id, output_tokens=rng.randrange(500))
            case "delete":
                api("DELETE", f"{TRACES}/{trace_id}")
            case "delete span" if sent:
                gone = rng.choice(sent)[1]
                api("DELETE", f"{TRACES}/{gone['trace_id']}/spans/{gone['span_id']}")
    assert api.user is not None
    found = await_right(wiring.store(), api.user.name)
    assert [audit.difference(finding) for finding in found.findings] == []
    assert found.counters > 20
    assert rollup.deaths
    capfd.readouterr()  # the deaths, which the local stream reports


def test_the_command_reports_wrong_counters_and_repairs_them(engine: TableOnEngine, api: Api) -> None:
    """Without the function on the stream nothing is counted, and everything is wrong."""
    api.send(span("t", "root", start_time=datetime.now(UTC).isoformat(), operation_type="completion", input_tokens=9))
    assert api.user is not None
    store = options.store_on(engine.table_name, engine.endpoint)
    lines: list[str] = []
    assert not audit.run(store, [api.user.name], 1, should_repair=False, report=lines.append, moving_ms=0)
    assert lines[-1] == "Compared 6 counters with 1 traces: 6 wrong."
    assert "instead of" in lines[0]
    assert audit.run(store, [api.user.name], 1, should_repair=True, report=lines.append, moving_ms=0)
    assert lines[-1] == "Repaired 6 of 6 counters."
    assert audit.run(store, [api.user.name], 1, should_repair=False, report=lines.append, moving_ms=0)
    assert lines[-1] == "Compared 6 counters with 1 traces: none wrong."
