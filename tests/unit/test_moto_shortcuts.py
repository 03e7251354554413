"""moto with its shortcuts has the results that it has without them."""

import copy
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.serialize import JSONSerializer, XFormedAttributePicker
from moto.core.utils import get_service_model
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import StreamShard, Table

from dev import moto_shortcuts

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@pytest.fixture(autouse=True)
def without_shortcuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto as it is, also where another test has started its server."""
    monkeypatch.setattr(Table, "query", moto_shortcuts.query)
    monkeypatch.setattr(JSONSerializer, "_serialize_type_structure", moto_shortcuts.serialize_structure)
    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", moto_shortcuts.transact_write)
    monkeypatch.delattr(StreamShard, "__deepcopy__", raising=False)


def key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


def new_table(items: list[dict[str, Any]]) -> Table:
    """A table with an index that contains some of the items."""
    names = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "owner", "at")]
    index = {"IndexName": "by_owner", "KeySchema": key_schema("owner", "at"), "Projection": {"ProjectionType": "ALL"}}
    make = cast(Any, Table)  # which is abstract in its types
    table: Table = make("t", "1", "us-east-1", key_schema("pk", "sk"), names, global_indexes=[index], streams=STREAM)
    for item in items:
        table.put_item(item)
    return table


TEXTS = st.sampled_from("abc").map(lambda text: {"S": text})
ITEMS = st.lists(
    st.fixed_dictionaries({"pk": TEXTS, "sk": TEXTS}, optional={"owner": TEXTS, "at": TEXTS}), min_size=4, max_size=30
)


@given(
    ITEMS,
    st.sampled_from([(None, "pk", "sk"), ("by_owner", "owner", "at")]),
    TEXTS,
    st.sampled_from([(None, []), ("=", ["b"]), ("<=", ["b"]), ("BETWEEN", ["a", "b"]), ("BEGINS_WITH", ["c"])]),
    st.sampled_from([1, 2, 1000]),
    st.booleans(),
)
def test_all_pages_of_a_query_are_the_same(
    items: list[dict[str, Any]],
    index: tuple[str | None, str, str],
    value: dict[str, str],
    comparison: tuple[str | None, list[str]],
    limit: int,
    is_ascending: bool,
) -> None:
    table = new_table(items)
    index_name, partition_key, sort_key = index
    partition = DynamoType(value)
    operator, bounds = comparison
    bounds_typed = [DynamoType({"S": bound}) for bound in bounds]
    start: dict[str, Any] | None = None
    while True:
        arguments: Any = (partition, operator, bounds_typed, limit, start, is_ascending, None, index_name)
        conditions: Any = {
            "hash_key_conditions": [(partition_key, partition)],
            "range_key_conditions": [(sort_key, operator, bounds_typed)] if operator else [],
        }
        expected, expected_count, expected_next = moto_shortcuts.query(table, *arguments, **conditions)
        found, count, start = moto_shortcuts.query_partition(table, *arguments, **conditions)
        assert [item.to_json() for item in found] == [item.to_json() for item in expected]
        assert (count, start) == (expected_count, expected_next)
        if start is None:
            return


VALUES: list[dict[str, Any]] = [
    {"S": "a"},
    {"S": ""},
    {"N": "1.5"},
    {"B": "YQ=="},
    {"SS": ["a", "b"]},
    {"NS": ["1", "2"]},
    {"BS": ["YQ=="]},
    {"BOOL": False},
    {"NULL": True},
    {"L": [{"S": "a"}, {"L": []}, {"M": {}}]},
    {"M": {"a": {"N": "0"}, "S": {"M": {"b": {"B": "YQ=="}}}}},
]


def serialized(result: dict[str, Any]) -> Any:
    operation = get_service_model("dynamodb").operation_model("GetItem")
    serializer = JSONSerializer(operation, value_picker=XFormedAttributePicker())
    return json.loads(serializer.serialize(result)["body"])


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_a_value_is_returned_in_the_same_form(value: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"Item": {"a": value, "b": {"S": "next"}}, "ConsumedCapacity": {"CapacityUnits": 1.0}}
    expected = serialized(result)
    moto_shortcuts.take()
    assert serialized(result) == expected
    assert expected["Item"]["b"] == {"S": "next"}


KEYS = st.fixed_dictionaries({"pk": TEXTS, "sk": TEXTS})
CONDITIONS = st.sampled_from([{}, {}, {"ConditionExpression": "attribute_exists(pk)"}])
UPDATE = {"UpdateExpression": "SET #n = :n", "ExpressionAttributeNames": {"#n": "n"}}
UPDATED = {**UPDATE, "ExpressionAttributeValues": {":n": {"S": "updated"}}}
OPERATIONS = st.one_of(
    st.builds(lambda item, condition: {"Put": {"Item": {**item, "n": {"S": "put"}}, **condition}}, KEYS, CONDITIONS),
    st.builds(lambda key, condition: {"Delete": {"Key": key, **condition}}, KEYS, CONDITIONS),
    st.builds(lambda key, condition: {"Update": {"Key": key, **UPDATED, **condition}}, KEYS, CONDITIONS),
    st.builds(lambda key: {"ConditionCheck": {"Key": key, "ConditionExpression": "attribute_exists(pk)"}}, KEYS),
    st.just({"Put": {"Item": {"pk": {"S": "a"}}}}),  # without its sort key
)


def transacted(transactions: list[list[dict[str, Any]]]) -> Any:
    """The outcomes of transactions on a new table, with its items and its stream after each."""
    backend = DynamoDBBackend("us-east-1", "123456789012")
    backend.tables["t"] = new_table([{"pk": {"S": "a"}, "sk": {"S": "a"}}])
    for operations in transactions:
        named = [{kind: {"TableName": "t", **operation}} for entry in operations for kind, operation in entry.items()]
        outcome = ""
        try:
            backend.transact_write_items(copy.deepcopy(named))
        except Exception as error:
            outcome = repr(error)
        table = backend.tables["t"]
        assert table.stream_shard is not None
        assert table.stream_shard.table is table
        changes = [(record.record["eventName"], record.record["dynamodb"]) for record in table.stream_shard.items]
        images = [(event, change.get("OldImage"), change.get("NewImage")) for event, change in changes]
        yield outcome, [item.to_json() for item in table.all_items()], repr(images)


@given(st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_transactions_change_the_same_or_nothing(transactions: list[list[dict[str, Any]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        expected = list(transacted(transactions))
        patch.setattr(DynamoDBBackend, "transact_write_items", moto_shortcuts.transact_write_partitions)
        patch.setattr(StreamShard, "__deepcopy__", moto_shortcuts.copy_of_stream, raising=False)
        assert list(transacted(transactions)) == expected


def test_a_failed_transaction_takes_back_an_update() -> None:
    moto_shortcuts.take()
    key = {"pk": {"S": "a"}, "sk": {"S": "a"}}
    update = {"Update": {"Key": key, **UPDATED}}
    missing = {"Put": {"Item": {**key, "sk": {"S": "b"}}, "ConditionExpression": "attribute_exists(pk)"}}
    (before, after) = transacted([[{"Delete": {"Key": {**key, "sk": {"S": "c"}}}}], [update, missing]])
    assert "TransactionCanceledException" in after[0]
    assert after[1:] == before[1:]
