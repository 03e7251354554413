"""Our DynamoDB client and boto3's get the same answers and the same errors from an engine."""

import os
import random
from typing import Any

import pytest

from dev.engines import create_table
from dev.template import Template
from tests.conftest import TableOnEngine
from tracestore.storage.dynamo import Client, RequestFailed, client

REQUESTS = 1_000
SOME = 12
"""Sort keys, of which many requests meet the same ones."""


class Requests:
    """Random requests for one table: every operation and every type of value, and some that are refused."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def next(self, table: str) -> tuple[str, dict[str, Any]]:
        """The next operation and its request."""
        operation = self._random.choice(
            ["put_item", "put_item", "get_item", "query", "batch_get_item", "batch_write_item", "transact_write_items"]
        )
        return operation, getattr(self, f"_{operation}")(table)

    def _put_item(self, table: str) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": table, "Item": self._item()}
        match self._random.randrange(5):
            case 0:
                request["ConditionExpression"] = "attribute_not_exists(pk)"
            case 1:
                request |= {
                    "ConditionExpression": "v = :v",
                    "ExpressionAttributeValues": {":v": {"N": str(self._random.randrange(3))}},
                }
            case 2 if self._random.random() < 0.3:
                request["Item"]["large"] = {"B": self._random.randbytes(400_000)}
            case 3 if self._random.random() < 0.3:
                request["Item"]["pk"] = {"S": ""}
        return request

    def _get_item(self, table: str) -> dict[str, Any]:
        return {"TableName": table, "Key": self._key(), "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}

    def _query(self, table: str) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": "#p = :p AND #s >= :from",
            "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"},
            "ExpressionAttributeValues": {":p": {"S": self._pk()}, ":from": {"S": self._sk()}},
            "ConsistentRead": True,
            "ScanIndexForward": self._random.random() < 0.5,
        }
        if self._random.random() < 0.5:
            request["Limit"] = self._random.randrange(4)  # 0 is refused
        if self._random.random() < 0.2:
            request["Select"] = "COUNT"
        return request

    def _batch_get_item(self, table: str) -> dict[str, Any]:
        keys = [self._key() for _ in range(self._random.randrange(1, 6))]  # the same key twice is refused
        return {"RequestItems": {table: {"Keys": keys, "ConsistentRead": True}}}

    def _batch_write_item(self, table: str) -> dict[str, Any]:
        count = self._random.randrange(1, 5)
        writes = [
            {"PutRequest": {"Item": self._item()}}
            if self._random.random() < 0.7
            else {"DeleteRequest": {"Key": self._key()}}
            for _ in range(count)
        ]
        return {"RequestItems": {table: writes}}

    def _transact_write_items(self, table: str) -> dict[str, Any]:
        writes: list[dict[str, Any]] = [
            {"Put": {"TableName": table, "Item": self._item()}},
            {"Delete": {"TableName": table, "Key": self._key()}},
        ]
        if self._random.random() < 0.5:
            writes[0]["Put"]["ConditionExpression"] = "attribute_not_exists(pk)"
        return {"TransactItems": writes}

    def _pk(self) -> str:
        return self._random.choice(["one", "two"])

    def _sk(self) -> str:
        return f"s{self._random.randrange(SOME):02}"

    def _key(self) -> dict[str, Any]:
        return {"pk": {"S": self._pk()}, "sk": {"S": self._sk()}}

    def _item(self) -> dict[str, Any]:
        return {**self._key(), "v": {"N": str(self._random.randrange(3))}, "B": self._value(3), "x": self._value(3)}

    def _value(self, depth: int) -> dict[str, Any]:
        choices: list[dict[str, Any]] = [
            {"S": self._random.choice(["", "text", "\u00e9\u2028\U0001f600", '"\\\n\x00'])},
            {"N": self._random.choice(["0", "-1.5", "12345678901234567890123456789012345678", "1E-100"])},
            {"B": self._random.randbytes(self._random.randrange(1, 9))},
            {"BOOL": self._random.random() < 0.5},
            {"NULL": True},
            {"SS": ["a", "b"]},
            {"NS": ["1", "2"]},
            {"BS": [b"\x00", b"\xff"]},
        ]
        if depth:
            choices += [
                {"L": [self._value(depth - 1) for _ in range(2)]},
                {"M": {"B": self._value(depth - 1), "": self._value(0)}},
            ]
        return self._random.choice(choices)


@pytest.fixture
def tables(engine: TableOnEngine) -> list[tuple[Client, str]]:
    """Two tables with equal content: one that our client writes and reads, one that boto3's does."""
    made = []
    for kind in ("http", "boto3"):
        template = Template(table=f"{kind}-{random.randrange(10**9)}")
        create_table(engine.endpoint, template).close()
        made.append((client(engine.endpoint, {**os.environ, "DYNAMODB_CLIENT": kind}), template.table_name))
    return made


def outcome(db: Client, operation: str, request: dict[str, Any], table: str) -> Any:
    """The response or the error, without what names the table or the request."""
    try:
        response = getattr(db, operation)(**request)
    except RequestFailed as error:
        return type(error), error.code, error.status, error.reasons
    response.pop("ResponseMetadata", None)
    return eval(repr(_sorted(response)).replace(table, "the table"))


def _sorted(value: Any) -> Any:
    """Sets and the items of a batch have no order."""
    if isinstance(value, dict):
        return {
            name: sorted(each, key=repr) if name in ("SS", "NS", "BS", "Responses") else _sorted(each)
            for name, each in sorted(value.items())
        }
    return [_sorted(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("engine", ["dynamodb-local"], indirect=True)  # botocore cannot parse some errors of moto
def test_a_thousand_requests_are_answered_alike(tables: list[tuple[Client, str]]) -> None:
    generators = [Requests(seed=7) for _ in tables]
    kinds = set()
    for number in range(REQUESTS):
        outcomes = []
        for (db, table), requests in zip(tables, generators, strict=True):
            operation, request = requests.next(table)
            outcomes.append(outcome(db, operation, request, table))
        assert outcomes[0] == outcomes[1], f"request {number}, {operation}"
        kinds.add(outcomes[0][1] if isinstance(outcomes[0], tuple) else "success")
    assert kinds == {
        "success",
        "ConditionalCheckFailedException",
        "TransactionCanceledException",
        "ValidationException",
    }
