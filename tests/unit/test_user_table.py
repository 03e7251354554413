"""A user's table refuses every other user's partitions, whatever the ids are, and sends no request for them."""

from functools import partial
from typing import Any, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import long_deadline
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.storage import keys
from tracestore.storage.model import INDEXES
from tracestore.storage.segments import key
from tracestore.storage.store import ForeignPartition, UserTable
from tracestore.storage.table import Table

API_KEY = keys.api_key("0" * 64)

users = st.text(st.sampled_from("ab#%U~T "), min_size=1, max_size=6)


class Unreachable:
    """A client that fails the test when a request is sent."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was sent")


def table_of(user: str, client: Any = None) -> UserTable:
    return UserTable(Table(client or Unreachable(), "tracestore"), user, long_deadline())


def partitions_of(user: str, other_id: str) -> list[str]:
    """A partition key of every kind."""
    return [
        keys.user(user),
        keys.trace(user, "t"),
        keys.by_time_shard(user, 0),
        keys.by_conversation(user, other_id),
        keys.by_message(user, other_id),
        keys.by_span(user, other_id),
        keys.by_status(user, "error"),
        keys.by_jobs(user),
        keys.by_lessons(user),
        keys.by_lesson(user, other_id),
        keys.by_lesson_status(user, "pending"),
        keys.user_keys(user),
        keys.deletion_records(user),
        keys.user_views(user),
        keys.user_shares(user),
        keys.counter(keys.user(user), "measures", "hour", 0)[0],
        keys.by_conversations(keys.user(user)),
        keys.activities(keys.user(user)),
        keys.dead_letters(keys.user(user)),
    ]


@given(users, users, users)
@settings(max_examples=200, deadline=None)
def test_every_request_for_another_users_partition_is_refused(user: str, other: str, other_id: str) -> None:
    assume(user != other)
    table = table_of(user)
    for pk in partitions_of(other, other_id):
        item = key(pk, "H")
        own = key(keys.user(user), "P")
        by_index = [{**own, index: {"S": pk}} for index in INDEXES]
        requests: list[Any] = [
            lambda pk=pk: table.query(pk),
            lambda pk=pk: table.query(pk, index="by_time"),
            lambda pk=pk: table.count(pk, "", index="by_time"),
            lambda pk=pk: table.get(pk, "H"),
            lambda pk=pk: table.get_many([(keys.user(user), "P"), (pk, "H")]),
            lambda item=item: table.put(item, None),
            lambda item=item: table.put_together(item, None, []),
            lambda item=item, own=own: table.put_together(own, None, [item]),
            lambda pk=pk, own=own: table.put_together(own, None, [], [(pk, "H")]),
            lambda item=item: table.write([item]),
            *[partial(table.put, indexed, None) for indexed in by_index],
            *[partial(table.write, [indexed]) for indexed in by_index],
            lambda item=item: table.put_credential(item, {**key(API_KEY, "K"), "user_id": {"S": user}}),
            lambda own=own: table.put_credential(own, {**key(API_KEY, "K"), "user_id": {"S": other}}),
            lambda pk=pk, own=own: table.put_credential(own, {**key(pk, "K"), "user_id": {"S": user}}),
            lambda pk=pk: table.delete_credential((pk, "x"), (API_KEY, "K")),
            lambda pk=pk: table.delete_credential((keys.user_keys(user), "x"), (pk, "K")),
            lambda pk=pk: table.write(deletes=[(pk, "H")]),
            lambda pk=pk: table.delete(pk, "H"),
        ]
        for request in requests:
            with pytest.raises(ForeignPartition):
                request()


@given(users, users)
@settings(max_examples=100, deadline=None)
def test_every_partition_of_the_user_is_allowed(user: str, other_id: str) -> None:
    table = table_of(user, cast(Any, MemoryDynamoDB()))
    for pk in partitions_of(user, other_id):
        table.write([key(pk, "x")])
        assert table.get(pk, "x") == key(pk, "x")


def test_the_two_items_of_a_credential_are_written_with_the_credentials_of_the_function() -> None:
    """A user's own credentials reach no item under the hash of a secret."""
    shared = Table(MemoryDynamoDB(), "tracestore")
    table = UserTable(Table(Unreachable(), "tracestore"), "ada", long_deadline(), shared=shared)
    by_user, by_hash = key(keys.user_keys("ada"), "x"), {**key(API_KEY, keys.API_KEY), "user_id": {"S": "ada"}}
    table.put_credential(by_user, by_hash)
    assert shared.get(API_KEY, keys.API_KEY) == by_hash
    table.delete_credential((keys.user_keys("ada"), "x"), (API_KEY, keys.API_KEY))
    assert shared.get(API_KEY, keys.API_KEY) is None
