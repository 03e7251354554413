#!/usr/bin/env bash
# moto (5.2.5): each TransactWriteItems copies the whole table, and no copy is ever freed, also when its table is deleted.
#
# Valid input: 500 items in one table, then 20 transactions that put one item each. moto copies all tables first, to
# restore them if the transaction fails, and every object of its models is also in a list of its class, which only the
# reset of moto's server empties. A test run whose transactions meet a table of some thousand items takes gigabytes.
#
# Output on 2026-11-28:
#   items that the table had at the end: 501
#   item objects in memory after the table was deleted and garbage was collected: 11040
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'moto[dynamodb]==5.2.5' boto3==1.43.108 2>/dev/null

cat > "$work/transactions.py" <<'PYTHON'
"""Some transactions on a table of moto, and the number of its item objects that remain."""

import gc
import os

import boto3
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import Item

os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1")
with mock_aws():
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    for number in range(500):
        client.put_item(TableName="t", Item={"pk": {"S": str(number)}})
    for _ in range(20):
        client.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": {"pk": {"S": "last"}}}}])
    stored = client.scan(TableName="t", Select="COUNT")["Count"]
    client.delete_table(TableName="t")
    gc.collect()
    remaining = sum(isinstance(each, Item) for each in gc.get_objects())
print(f"items that the table had at the end: {stored}")
print(f"item objects in memory after the table was deleted and garbage was collected: {remaining}")
assert stored == 501
assert remaining >= 20 * 500, "moto frees the copies now"
PYTHON
"$work/venv/bin/python" "$work/transactions.py"
