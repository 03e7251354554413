"""The purge function on the table's stream, read as in `make dev`: it removes the traces that a request leaves."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dev import streams
from dev.functions import Context, load_handler
from dev.template import Template
from tests.api import TRACES, Api, span
from tests.builders import Clock, call, reader, stored_items, writer
from tests.conftest import TableOnEngine
from tests.crashing import CrashingAtCall
from tests.gateway import Call, User
from tests.permissions import GuardedFunctions, acting
from tests.purging import PURGE
from tracestore.domain.errors import Unavailable
from tracestore.http import wiring
from tracestore.storage import bulk
from tracestore.storage.model import DeletionScope
from tracestore.storage.table import Table


def only_purging(invoke: Callable[[dict[str, Any]], Any]) -> Callable[[str, dict[str, Any]], Any]:
    """Deliver events to the purge function only. Other functions on the stream do nothing."""
    return lambda name, event: invoke(event) if name == PURGE else {"state": event.get("state", {})}


def until_done(api: Api, job_id: str) -> Any:
    """The job as the API returns it after it has ended."""
    deadline_s = time.monotonic() + 20
    while True:
        job = api("GET", f"/api/jobs/{job_id}").json["data"]
        if job["state"] in ("done", "failed") or time.monotonic() > deadline_s:
            return job
        time.sleep(0.05)


def test_the_traces_that_a_request_leaves_are_removed_and_the_job_has_a_receipt(
    engine: TableOnEngine, own_table: Template, user: User
) -> None:
    """The request has no time to remove anything, and the first step crashes.

    The clock of the purge function is ahead, so that the test does not have to wait.
    """
    query = own_table.functions["QueryFunction"]
    own_table.functions["QueryFunction"] = replace(query, timeout_s=int(bulk.STOP_AT_S))
    api = Api(Call(own_table), user)
    api.send(*[span(f"t{number}", span_id) for number in range(8) for span_id in ("root", "child")])
    response = api("DELETE", TRACES, query={"deleteAll": "true"})
    assert response.status == 202
    assert response.json["deleted"] == {"traces": 0, "spans": 0}
    assert api.summaries() == []
    api.send(span("later"))
    early = replace(wiring.store(), now_ms=lambda: time.time_ns() // 1_000_000 + bulk.IN_FLIGHT_MS)
    load_handler(own_table.functions[PURGE])
    from purge_handler import purge  # type: ignore[import-not-found]

    crashing = replace(
        early, table=Table(CrashingAtCall(early.table.client, 9, Unavailable("The process is gone.")), early.table.name)
    )
    stores = iter([crashing, early])

    def invoke(event: dict[str, Any]) -> Any:
        with acting.as_function(PURGE):
            return purge(event, Context(PURGE, 1024, 300), {}, store=lambda: next(stores))

    with streams.delivering(own_table, engine.endpoint, only_purging(invoke)):
        job = until_done(api, response.json["job_id"])
    assert (job["state"], job["deleted"]) == ("done", {"traces": 8, "spans": 16})
    assert job["created_at"] < job["finished_at"]
    assert api.summaries() == ["later"]
    assert reader(wiring.store(), user.name).pending_deletions() == ()
    assert all(list(stored_items(wiring.store(), user.name, f"t{number}")) == ["H"] for number in range(8))


def test_the_deployed_handler_continues_a_job_of_the_stream(
    engine: TableOnEngine, own_table: Template, user: User
) -> None:
    past = Clock(time.time_ns() // 1_000_000 - bulk.IN_FLIGHT_MS)
    store = replace(wiring.store(), now_ms=past)
    past.advance(ms=-1)
    for trace_id in "ab":
        writer(store, user.name).capture([(trace_id, call("root")), (trace_id, call("child", "root"))])
    past.advance(ms=1)
    job = writer(store, user.name).start_deletion(DeletionScope())
    functions = GuardedFunctions(own_table)
    with streams.delivering(own_table, engine.endpoint, only_purging(lambda event: functions.invoke(PURGE, event))):
        receipt = until_done(Api(Call(own_table), user), job.job_id)
    assert (receipt["state"], receipt["deleted"]) == ("done", {"traces": 2, "spans": 4})
