"""Every deletion is in the record of deletions, exactly once, without any content and without ids of deleted data."""

from contextlib import suppress
from typing import Any

import pytest

from tests.api import TRACES, Api, child, failure, path_of, span
from tests.builders import DAY_S, Clock, Endpoint, awaiting, call, store_on, unexpected, writer
from tests.conftest import TableOnEngine
from tests.crashing import Crash, CrashingAtCall
from tests.gateway import Call, User, new_user
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.errors import NotFound
from tracestore.http.settings import settings_from
from tracestore.storage import keys
from tracestore.storage.deletion_records import RECORDS_KEPT_S
from tracestore.storage.model import Actor, DeletionScope
from tracestore.storage.store import Store
from tracestore.storage.user_store import UserReader, UserWriter

DELETIONS = "/api/analytics/deletions"
LESSONS = "/api/traces"


def recorded(api: Api, **query: Any) -> list[dict[str, Any]]:
    """The deletions on one page of the record."""
    reply = api("GET", DELETIONS, query=query)
    assert reply.status == 200, reply.body
    content: list[dict[str, Any]] = reply.json["deletions"]
    return content


def records(store: Store, user: str) -> list[tuple[str, str, int, int]]:
    """The kind, the state and the numbers of every deletion."""
    found, _ = UserReader(store, user, awaiting(Clock())).deletion_records(1_000)
    return [(record.kind, record.state, record.traces, record.spans) for record in found]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        (path_of("t"), "", ("trace", 1, 2)),
        (path_of("t", "a"), "", ("span", 0, 1)),
        (TRACES, "conversation_id=secret-chat", ("conversation", 1, 2)),
        (TRACES, "before=2025-06-01T00:00:00Z", ("before", 2, 3)),
        (TRACES, "deleteAll=true", ("all", 2, 3)),
        (f"{LESSONS}/l", "", ("trace", 1, 1)),
        (LESSONS, "id=l", ("trace", 1, 1)),
        (LESSONS, "lesson_id=secret-lesson", ("lesson", 1, 1)),
        (LESSONS, "deleteAll=true", ("lessons", 1, 1)),
    ],
)
def test_each_way_to_delete_is_recorded_once(api: Api, path: str, query: str, expected: tuple[str, int, int]) -> None:
    if path.startswith(LESSONS):
        api("POST", LESSONS, body={"id": "l", "lesson_id": "secret-lesson", "request_data": "secret"})
    else:
        api.send(span("t", conversation_id="secret-chat"), child("a", "root", "t"), span("u"))
    assert api("DELETE", path, query=query).status == 200
    (deletion,) = recorded(api)
    kind, traces, spans = expected
    assert (deletion["kind"], deletion["deleted"]) == (kind, {"traces": traces, "spans": spans})
    assert (deletion["state"], deletion["credential"], deletion["key_id"]) == ("done", "jwt", None)
    assert api.user
    assert deletion["user_id"] == api.user.name
    assert deletion["requested_at"] <= deletion["finished_at"]


def test_a_deletion_names_the_api_key_that_requested_it(api: Api) -> None:
    api.send(span("t"), span("u", "other"))
    by_key = api.with_key("delete")
    (key,) = api("GET", "/api/keys").json["keys"]
    assert by_key("DELETE", path_of("t")).status == 200
    assert by_key("DELETE", TRACES, query="deleteAll=true").status == 200
    assert [(each["credential"], each["key_id"]) for each in recorded(api)] == [("api_key", key["key_id"])] * 2


def test_a_refused_deletion_is_not_recorded(api: Api) -> None:
    api.send(span("t"))
    assert api("DELETE", path_of("t")).status == 200
    assert api("DELETE", path_of("t")).status == 404
    assert api("DELETE", path_of("never")).status == 404
    assert api("DELETE", path_of("t", "root")).status == 404
    assert api("DELETE", TRACES, query="before=2999-01-01T00:00:00Z").status == 400
    assert [each["kind"] for each in recorded(api)] == ["trace"]


def test_pages_are_newest_first_and_contain_each_deletion_once(api: Api) -> None:
    for number in range(5):
        api.send(span(f"t{number}"))
        assert api("DELETE", path_of(f"t{number}")).status == 200
    assert api("DELETE", TRACES, query="deleteAll=true").status == 200
    everything = recorded(api)
    assert everything[0]["kind"] == "all"
    times = [each["requested_at"] for each in everything]
    assert times == sorted(times, reverse=True)
    pages: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = api("GET", DELETIONS, query={"limit": 2, **cursor}).json
        pages += page["deletions"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == everything


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=x", "user_id=ada", "start_date=2025-01-01"])
def test_a_malformed_parameter_is_refused(api: Api, query: str) -> None:
    assert failure(api("GET", DELETIONS, query=query))[0] == 400


def test_a_record_contains_no_content_and_no_id_of_what_was_deleted(api: Api, engine: TableOnEngine) -> None:
    api.send(span("trace-id", "span-id", conversation_id="secret-chat", input_data="prompt"), child("b", "span-id"))
    api.send(span("second", conversation_id="secret-chat"))
    assert api("DELETE", path_of("trace-id", "span-id")).status == 200
    assert api("DELETE", path_of("second")).status == 200
    assert api("DELETE", TRACES, query="conversation_id=secret-chat").status == 200
    assert api.user
    stored = engine.client.query(
        TableName=engine.table_name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": keys.deletion_records(api.user.name)}},
    )["Items"]
    assert len(stored) == 3
    for text in ("trace-id", "span-id", "second", "secret-chat", "prompt"):
        assert text not in str(stored)


def test_a_record_is_kept_longer_than_traces_and_then_expires(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture([("t", call("root"))])
    writer(store, user).delete_trace("t")
    clock.advance(s=RECORDS_KEPT_S - 1)
    assert UserReader(store, user, awaiting(clock)).deletion_records(10)[0] != []
    clock.advance(s=2)
    assert UserReader(store, user, awaiting(clock)).deletion_records(10) == ([], None)


def test_the_record_of_a_bulk_deletion_follows_its_job() -> None:
    clock, user = Clock(), new_user().name
    store = store_on(MemoryDynamoDB(), clock)
    writer(store, user).capture([(f"t{number}", call("root")) for number in range(5)])
    clock.advance(ms=1)
    job = writer(store, user).start_deletion(DeletionScope())
    assert records(store, user) == [("all", "queued", 0, 0)]
    writer(store, user).continue_deletion(job.job_id, 2)
    assert records(store, user) == [("all", "running", 2, 2)]
    writer(store, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected)
    assert records(store, user) == [("all", "done", 5, 5)]


@pytest.mark.parametrize("span_id", [None, "a"])
def test_a_deletion_that_dies_at_any_call_is_recorded_exactly_if_it_happened(span_id: str | None) -> None:
    """The deletion is repeated after the crash, as a client would: in the end one record is stored."""
    calls = 0
    while True:
        db, clock, user = MemoryDynamoDB(), Clock(), new_user().name
        store = store_on(db, clock)
        writer(store, user).capture([("t", call("root")), ("t", call("a", "root"))])

        def delete(on: Store) -> None:
            if span_id is None:
                writer(on, user).delete_trace("t")  # noqa: B023
            else:
                writer(on, user).delete_span("t", span_id)  # noqa: B023

        try:
            delete(store_on(db, clock, db=CrashingAtCall(db, calls)))
            assert calls >= 2
            return
        except Crash:
            pass
        with suppress(NotFound):  # it had happened before the crash
            delete(store)
        assert records(store, user) == [("trace", "done", 1, 2) if span_id is None else ("span", "done", 0, 1)]
        calls += 1


def test_a_job_that_dies_at_any_call_has_one_record_with_its_true_numbers() -> None:
    calls = 0
    while True:
        db, clock, user = MemoryDynamoDB(), Clock(), new_user().name
        store = store_on(db, clock)
        writer(store, user).capture([(f"t{number}", call("root")) for number in range(3)])
        clock.advance(ms=1)
        job = writer(store, user).start_deletion(DeletionScope())
        crashing = store_on(db, clock, db=CrashingAtCall(db, calls))
        try:
            writer(crashing, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected, threads=1)
            assert calls > 5
            return
        except Crash:
            pass
        writer(store, user, awaiting(clock)).step_deletion(job.job_id, report=unexpected, threads=1)
        assert records(store, user) == [("all", "done", 3, 3)]
        calls += 1


def test_the_operators_deletion_is_recorded_as_such(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture([("t", call("root"))])
    clock.advance(ms=1)
    operator = UserWriter(store, user, awaiting(clock), Actor("operator"))
    operator.continue_deletion(operator.start_deletion(DeletionScope(before_ns=2 * 10**18)).job_id, 10)
    assert records(store, user) == [("prune", "done", 1, 1)]


def test_no_route_changes_or_removes_a_record(api: Api) -> None:
    api.send(span("t"))
    assert api("DELETE", path_of("t")).status == 200
    before = recorded(api)
    for method in ("DELETE", "POST", "PATCH", "PUT"):
        assert api(method, DELETIONS).status == 405
    assert api("DELETE", TRACES, query="deleteAll=true").status == 200
    assert recorded(api)[1:] == before


def test_records_are_kept_as_long_as_counters() -> None:
    assert settings_from({"TABLE_NAME": "t"}).counters_days * DAY_S == RECORDS_KEPT_S
    assert RECORDS_KEPT_S > 30 * DAY_S


def test_a_deletion_for_a_team_names_the_user_that_requested_it(call: Call, user: User) -> None:
    team = f"team-{user.name}"
    member = Api(call, User(user.name, (team,)), {"x-tracestore-owner": team})
    member.send(span("t"), span("u"))
    assert member("DELETE", path_of("t")).status == 200
    assert member("DELETE", TRACES, query="deleteAll=true").status == 200
    assert [(each["user_id"], each["credential"]) for each in recorded(member)] == [(user.name, "jwt")] * 2
    assert recorded(Api(call, user)) == []
