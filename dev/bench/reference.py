"""The naive trace store, the reference of the measurements: one item per span, and whole items in every index.

It is the obvious first design. The capacity units of the store are compared with its own in the same run.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from dev.bench.meter import Consumed, metered
from dev.workloads import Request
from tracestore.storage.dynamo import Client
from tracestore_cli.samples import Span

_TABLE: Final = "bench_reference"
_KEYS: Final = {"pk": "sk", "by_time": "at", "by_conversation": "at", "by_status": "at"}
"""Partition and sort key of the table and of each index; an index is named like its partition key."""


def measure(db: Client, boto3_client: Any, requests: Iterable[Request], user_id: str = "reference") -> Consumed:
    """The capacity consumed to write the spans of `requests`, with one PutItem per span, in a temporary table."""
    with _table(boto3_client), metered(db) as meter:
        for request in requests:
            for span in request:
                db.put_item(TableName=_TABLE, Item=_item(user_id, span))
        return meter.take()


def _item(user_id: str, span: Span) -> dict[str, Any]:
    """A span as one item: each field is an attribute, and JSON is a string."""
    status = "error" if span.get("error_message") else "success" if span.get("end_time") else "pending"
    attributes = {
        "pk": f"USER#{user_id}",
        "sk": f"TRACE#{span['trace_id']}#SPAN#{span['span_id']}",
        "by_time": f"USER#{user_id}",
        "by_conversation": f"USER#{user_id}#CONVERSATION#{span['conversation_id']}",
        "by_status": f"USER#{user_id}#STATUS#{status}",
        "at": f"{span['start_time']}#{span['span_id']}",
        "status": status,
        "user_id": user_id,
        **span,
    }
    return {name: _attribute(value) for name, value in attributes.items()}


def _attribute(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": str(value)}
    return {"S": json.dumps(value, ensure_ascii=False)}


@contextmanager
def _table(client: Any) -> Iterator[None]:
    def schema(name: str) -> list[dict[str, str]]:
        return [{"AttributeName": name, "KeyType": "HASH"}, {"AttributeName": _KEYS[name], "KeyType": "RANGE"}]

    client.create_table(
        TableName=_TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in {*_KEYS, *_KEYS.values()}],
        KeySchema=schema("pk"),
        GlobalSecondaryIndexes=[
            {"IndexName": name, "KeySchema": schema(name), "Projection": {"ProjectionType": "ALL"}}
            for name in _KEYS
            if name != "pk"
        ],
    )
    try:
        yield
    finally:
        client.delete_table(TableName=_TABLE)
