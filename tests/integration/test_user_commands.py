"""The operator's commands on users: to list them, audit all, forget one with proof, and restart their deletions."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from dev.template import Template
from tests import builders
from tests.api import Api, span
from tests.builders import START_NS, Clock, long_deadline, reader, store_on, writer
from tests.conftest import TableOnEngine
from tests.gateway import Call, User, new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tests.purging import FailingAtTombstones
from tracestore.http import wiring
from tracestore.storage import bulk, keys
from tracestore.storage.model import DeletionScope
from tracestore_cli import audit, options, users
from tracestore_cli.main import app

AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def run(engine: TableOnEngine, table: Template, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--table", table.table_name, "--dynamodb", engine.endpoint], env=AWS)


def items_about(engine: TableOnEngine, table: Template, text: str) -> list[Any]:
    """The items of the whole table in which a text occurs."""
    items = engine.client.scan(TableName=table.table_name)["Items"]
    return [item for item in items if text in repr(item)]


def fill(api: Api) -> None:
    """Store an item of every kind that a user can own, except the counters that the stream's function writes."""
    now = datetime.now(UTC).isoformat()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    api.send(
        span(
            "kept",
            start_time=now,
            conversation_id="c",
            message_id="m",
            output_data={"text": Random(0).randbytes(90_000).hex()},
        )
    )
    api.send(span("deleted", start_time=now, conversation_id="gone"))
    assert api("PUT", "/api/analytics/traces/kept/annotations/quality", body={"value": 1}).status == 200
    assert (
        api("POST", "/api/analytics/traces/kept/shares", body={"expires_at": tomorrow, "payloads": False}).status == 201
    )
    assert api("POST", "/api/keys", body={"name": "k", "scopes": ["read"]}).status == 201
    assert api("PUT", "/api/me/views/mine", body={"title": "Mine", "query": "a=b"}).status == 200
    assert api("DELETE", "/api/analytics/traces", query={"conversation_id": "gone"}).status == 200


@pytest.fixture
def ada(own_table: Template, call: Call) -> Api:
    return Api(call, User("ada"))


def test_nothing_of_a_forgotten_user_is_left_and_all_of_another(
    engine: TableOnEngine, own_table: Template, ada: Api, call: Call
) -> None:
    other = Api(call, User("ada2"))
    for api in (ada, other):
        fill(api)
    store = options.store_on(own_table.table_name, engine.endpoint)
    audit.run(store, ["ada", "ada2"], 0, should_repair=True, report=lambda _: None, moving_ms=0)  # writes counters
    before = items_about(engine, own_table, "ada2")

    ended = run(engine, own_table, "forget", "ada", "--yes", "--settle", "0")
    assert ended.exit_code == 0, ended.output
    receipt = json.loads(ended.stdout)
    assert receipt["removed"].keys() >= {"traces", "counters", "conversations", "api_keys", "shares", "views", "jobs"}
    assert receipt["removed"].keys() >= {"parts_of_traces", "deletion_records"}
    assert (receipt["looks"][-1], receipt["remaining"]) == (0, 0)
    assert sum(receipt["looks"]) == sum(receipt["removed"].values())

    left = items_about(engine, own_table, "ada")
    assert [item["pk"]["S"] for item in left] == [item["pk"]["S"] for item in before]


def test_a_forgotten_user_s_key_and_share_open_nothing(
    engine: TableOnEngine, own_table: Template, ada: Api, call: Call
) -> None:
    fill(ada)
    secret = ada("POST", "/api/keys", body={"name": "k2", "scopes": ["read"]}).json["data"]["secret"]
    assert run(engine, own_table, "forget", "ada", "--yes", "--settle", "0").exit_code == 0
    wiring.reset()
    assert call("GET", "/api/me", headers={"x-api-key": secret}).status == 401


def test_what_arrives_while_a_user_is_forgotten_is_removed_by_a_further_look(ada: Api, own_table: Template) -> None:
    fill(ada)
    arriving = [span("late"), span("later")]

    def sleep(_: float) -> None:
        if arriving:
            ada.send(arriving.pop())

    receipt = users.erased(wiring.store(), "ada", 1, sleep)
    assert [bool(found) for found in receipt["looks"]] == [True, True, True, False]  # type: ignore[attr-defined]


def test_a_user_who_goes_on_sending_is_not_reported_as_forgotten(ada: Api, own_table: Template) -> None:
    receipt = users.erased(wiring.store(), "ada", 1, lambda _: ada.send(span("again")))
    assert receipt["remaining"]


def test_nobody_is_forgotten_without_a_yes(engine: TableOnEngine, own_table: Template, ada: Api) -> None:
    ada.send(span("kept"))
    assert run(engine, own_table, "forget", "ada").exit_code == 1
    assert ada("GET", "/api/analytics/traces/kept").status == 200


def test_users_are_listed_with_their_traces(engine: TableOnEngine, own_table: Template, ada: Api, call: Call) -> None:
    ada.send(span("a"))
    ada.send(span("b"))
    Api(call, User("bo#b/%")).send(span("a"))
    listed = run(engine, own_table, "users")
    assert [json.loads(line) for line in listed.stdout.splitlines()] == [
        {"owner_id": "ada", "traces": 2},
        {"owner_id": "bo#b/%", "traces": 1},
    ]


def test_an_audit_of_all_users_names_the_one_whose_counters_are_wrong(
    engine: TableOnEngine, own_table: Template, ada: Api, call: Call
) -> None:
    for api in (ada, Api(call, User("bob"))):
        api.send(span("t", start_time=datetime.now(UTC).isoformat(), operation_type="completion", input_tokens=9))
    store = options.store_on(own_table.table_name, engine.endpoint)
    audit.run(store, ["bob"], 0, should_repair=True, report=lambda _: None, moving_ms=0)
    lines: list[str] = []
    assert not audit.run(store, ["ada", "bob"], 0, should_repair=False, report=lines.append, moving_ms=0)
    wrong = {line.partition(":")[0] for line in lines if "instead of" in line}
    assert wrong == {"ada"}
    assert audit.run(store, ["ada", "bob"], 0, should_repair=True, report=lines.append, moving_ms=0)
    assert audit.run(store, ["ada", "bob"], 0, should_repair=False, report=lines.append, moving_ms=0)


@pytest.mark.parametrize("arguments", [(), ("--user", "ada", "--all")])
def test_an_audit_is_of_one_user_or_of_all(
    engine: TableOnEngine, own_table: Template, arguments: tuple[str, ...]
) -> None:
    refused = run(engine, own_table, "audit", *arguments)
    assert (refused.exit_code, "--user or --all" in refused.output) == (2, True)


def failed_deletion(memory: MemoryDynamoDB, clock: Clock, user: str) -> str:
    """A bulk deletion that has failed at one of two traces; its id."""
    store = store_on(memory, clock)
    writer(store, user).capture([(trace_id, builders.call("root", start_ns=START_NS)) for trace_id in ("a", "bad")])
    clock.advance(ms=1)
    job = writer(store, user).start_deletion(DeletionScope())
    clock.advance(ms=bulk.IN_FLIGHT_MS)
    failing = store_on(memory, clock, db=FailingAtTombstones(memory, "bad"))
    writer(failing, user).step_deletion(job.job_id, report=lambda *_: None)
    assert reader(store, user).job(job.job_id).state == "failed"
    return job.job_id


def test_a_failed_deletion_is_completed_after_it_has_been_restarted() -> None:
    memory, clock, user = MemoryDynamoDB(), Clock(), new_user().name
    job_id = failed_deletion(memory, clock, user)
    store = store_on(memory, clock)
    (job,) = bulk.restart(store.scope(user, long_deadline()))
    assert (job.job_id, job.state) == (job_id, "running")
    key = {"pk": {"S": keys.user(user)}, "sk": {"S": keys.job(job_id)}}
    assert memory.get_item(TableName=store.table.name, Key=key)["Item"]["wakes"] == {"S": "purge"}
    writer(store, user).step_deletion(job_id, report=lambda *_: None)
    ended = reader(store, user).job(job_id)
    assert (ended.state, ended.traces, ended.skipped) == ("done", 2, ())
    assert (reader(store, user).pending_deletions(), builders.trace_ids(store, user)) == ((), [])
    assert bulk.restart(store.scope(user, long_deadline())) == []


def test_the_command_restarts_the_jobs_of_all_users(engine: TableOnEngine, own_table: Template, ada: Api) -> None:
    for number in range(3):
        ada.send(span(f"t{number}", conversation_id="c"))
    store = wiring.store()
    job = writer(store, "ada").start_deletion(DeletionScope(conversation_id="c"))
    ended = run(engine, own_table, "redrive")
    assert [json.loads(line)["job_id"] for line in ended.stdout.splitlines()] == [job.job_id]


def test_a_job_is_restarted_of_a_user_without_traces(engine: TableOnEngine, own_table: Template) -> None:
    job = writer(wiring.store(), "bob").start_deletion(DeletionScope())
    ended = run(engine, own_table, "redrive")
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [
        {"owner_id": "bob", "job_id": job.job_id, "traces": 0}
    ]
    assert run(engine, own_table, "users").stdout == ""
