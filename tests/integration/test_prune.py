"""`tracestore prune` deletes the old traces of all users as the API deletes those of one, and reports what it did."""

import json
import os
import time
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dev.template import Template
from tests.builders import START_NS, Clock, awaiting, call, reader, store_on, trace_ids, unexpected, writer
from tests.conftest import TableOnEngine
from tests.gateway import new_user
from tests.head_stream import StreamedDynamoDB
from tests.integration.test_counters import audited
from tracestore.domain.errors import Conflict
from tracestore.domain.spans import SpanFields
from tracestore.domain.times import NS_PER_DAY, format_time
from tracestore.storage.counters import apply
from tracestore.storage.deadline import Deadline
from tracestore.storage.dynamo import client
from tracestore.storage.model import DeletionScope
from tracestore.storage.pending_deletions import PENDING_DELETIONS_MOST
from tracestore.storage.store import Store
from tracestore.storage.table import Table
from tracestore_cli.main import app
from tracestore_cli.prune import Receipt, prune

AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
LONG_ID = "👋" * 60
BASE_NS = (time.time_ns() // NS_PER_DAY - 10) * NS_PER_DAY
"""The command reads the clock of the machine, so the traces of these tests began in the days before today."""

BEFORE = format_time(BASE_NS + 5 * NS_PER_DAY)[:10]
"""The day before which traces are pruned."""

LATER_MS = START_NS // 10**6 + 9 * 86_400_000
PRUNED_NS = START_NS + 5 * NS_PER_DAY


def a_trace(days: float, base_ns: int = BASE_NS) -> SpanFields:
    """A call that began this many days after the base."""
    start_ns = base_ns + int(days * NS_PER_DAY)
    return call("root", start_ns=start_ns, end_ns=start_ns + 1, conversation_id="c")


@pytest.fixture
def store(engine: TableOnEngine, own_table: Template) -> Store:
    """The store on a table of the test's own, with traces of two users before and after `BEFORE`."""
    store = Store(Table(client(engine.endpoint, os.environ), own_table.table_name), 30 * 86_400, 1)
    for user in ("ada", "bo#b/%"):
        writer(store, user).capture([(f"t{day}", a_trace(day)) for day in (0, 1, 7)])
    writer(store, "new").capture([("t", a_trace(8))])
    return store


def pruned(store: Store, engine: TableOnEngine, *arguments: str, answer: str = "") -> Result:
    """The result of the command, by default for all users without a question."""
    options = ["--before", BEFORE, "--table", store.table.name, "--dynamodb", engine.endpoint, *arguments]
    return CliRunner().invoke(app, ["prune", *options], env=AWS, input=answer)


def receipt_of(ended: Result) -> dict[str, Any]:
    assert ended.exit_code == 0, ended.output
    receipt: dict[str, Any] = json.loads(ended.stdout)
    return receipt


def test_traces_of_all_users_before_the_date_are_deleted_and_no_others(store: Store, engine: TableOnEngine) -> None:
    receipt = receipt_of(pruned(store, engine, "--yes"))
    assert receipt["deleted"] == {"users": 2, "traces": 4, "spans": 4}
    assert (receipt["before"], receipt["in_background"], receipt["failed"]) == (f"{BEFORE}T00:00:00.000Z", [], [])
    assert [(each["user_id"], each["traces"], each["state"]) for each in receipt["users"]] == [
        ("ada", 2, "done"),
        ("bo#b/%", 2, "done"),
    ]
    assert [trace_ids(store, user) for user in ("ada", "bo#b/%", "new")] == [["t7"], ["t7"], ["t"]]


def test_a_second_run_deletes_nothing_and_adds_no_job(store: Store, engine: TableOnEngine) -> None:
    receipt_of(pruned(store, engine, "--yes"))
    assert receipt_of(pruned(store, engine, "--yes"))["deleted"] == {"users": 0, "traces": 0, "spans": 0}
    assert len(reader(store, "ada").deletion_records(10)[0]) == 1


def test_a_dry_run_counts_and_changes_nothing(store: Store, engine: TableOnEngine) -> None:
    receipt = receipt_of(pruned(store, engine, "--dry-run"))
    assert receipt["would_delete"] == {"users": 2, "traces": 4, "spans": 4}
    assert "deleted" not in receipt
    assert len(trace_ids(store, "ada")) == 3
    assert reader(store, "ada").deletion_records(10) == ([], None)


def test_only_the_named_user_is_pruned(store: Store, engine: TableOnEngine) -> None:
    receipt = receipt_of(pruned(store, engine, "--yes", "--user", "bo#b/%"))
    assert [each["user_id"] for each in receipt["users"]] == ["bo#b/%"]
    assert [len(trace_ids(store, user)) for user in ("ada", "bo#b/%")] == [3, 1]


@pytest.mark.parametrize(("answer", "left"), [("n\n", 3), ("", 3), ("y\n", 1)])
def test_nothing_is_deleted_without_confirmation(store: Store, engine: TableOnEngine, answer: str, left: int) -> None:
    ended = pruned(store, engine, answer=answer)
    assert "Up to 4 traces before" in ended.stderr
    assert len(trace_ids(store, "ada")) == left
    assert ended.exit_code == (0 if left == 1 else 1)


def test_a_user_whose_id_is_stored_as_a_hash_is_reported(store: Store, engine: TableOnEngine) -> None:
    writer(store, LONG_ID).capture([("t", a_trace(0))])
    ended = pruned(store, engine, "--yes")
    assert ended.exit_code == 1
    assert "longer than 200 bytes: 1." in ended.stderr
    assert json.loads(ended.stdout)["unnamed_users"] == 1
    assert receipt_of(pruned(store, engine, "--yes", "--user", LONG_ID))["deleted"]["traces"] == 1


@pytest.mark.parametrize("user", [(), ("--user", "ada")])
def test_too_few_time_shards_are_refused(store: Store, engine: TableOnEngine, user: tuple[str, ...]) -> None:
    sharded = Store(store.table, store.retention_s, 2)
    writer(sharded, "ada").capture([(f"more{number}", a_trace(0)) for number in range(20)])
    ended = pruned(store, engine, "--yes", *user)
    assert ended.exit_code == 2
    assert "--time-shards" in ended.stderr
    assert receipt_of(pruned(store, engine, "--yes", "--time-shards", "2", *user))["users"][0]["traces"] == 22


def test_the_operator_and_the_user_see_the_deletion(store: Store, engine: TableOnEngine) -> None:
    receipt_of(pruned(store, engine, "--yes"))
    options = ["--user", "ada", "--table", store.table.name, "--dynamodb", engine.endpoint]
    listed = CliRunner().invoke(app, ["deletions", *options], env=AWS)
    (deletion,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (deletion["kind"], deletion["credential"], deletion["deleted"]) == (
        "prune",
        "operator",
        {"traces": 2, "spans": 2},
    )


@pytest.mark.parametrize("engine", ["moto"], indirect=True)
@pytest.mark.parametrize("before", ["2999-01-01", "yesterday", "2026-13-01"])
def test_a_date_that_is_malformed_or_in_the_future_is_refused(store: Store, engine: TableOnEngine, before: str) -> None:
    ended = pruned(store, engine, "--yes", "--before", before)
    assert ended.exit_code == 2
    assert "Invalid value for --before" in ended.stderr
    assert len(trace_ids(store, "ada")) == 3


def test_what_the_command_leaves_is_hidden_at_once_and_removed_by_the_purge_function() -> None:
    db, clock, user = StreamedDynamoDB(), Clock(LATER_MS), new_user().name
    store = store_on(db, clock)
    writer(store, user).capture([(f"t{number}", a_trace(number / 10, START_NS)) for number in range(20)])
    clock.advance(ms=1)
    receipt = Receipt("memory", PRUNED_NS, clock(), is_dry_run=False, unnamed=0)
    prune(store, receipt, [user], lambda _: None, removed_most=5)
    assert trace_ids(store, user) == []
    content = receipt.json(clock())
    (job,) = content["in_background"]
    assert (content["deleted"]["traces"], job["user_id"]) == (5, user)
    writer(store, user, awaiting(clock)).step_deletion(job["job_id"], report=unexpected)
    (record,), _ = reader(store, user).deletion_records(10)
    assert (record.state, record.traces) == ("done", 20)
    apply(store, "shard", db.changes, Deadline.never())
    assert audited(store, clock, user).findings == []


def test_one_user_that_fails_does_not_keep_the_others() -> None:
    db, clock = StreamedDynamoDB(), Clock(LATER_MS)
    store = store_on(db, clock)
    for user in ("busy", "calm"):
        writer(store, user).capture([("t", a_trace(0, START_NS))])
    for number in range(PENDING_DELETIONS_MOST):
        writer(store, "busy").start_deletion(DeletionScope(conversation_id=f"other-{number}"))
    with pytest.raises(Conflict):
        writer(store, "busy").start_deletion(DeletionScope())
    clock.advance(ms=1)
    receipt = Receipt("memory", PRUNED_NS, clock(), is_dry_run=False, unnamed=0)
    prune(store, receipt, ["busy", "calm"], lambda _: None)
    assert [user for user, _ in receipt.failed] == ["busy"]
    assert not receipt.is_complete
    assert trace_ids(store, "calm") == []
