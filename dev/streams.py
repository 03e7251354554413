"""Hands the table's stream to the functions that subscribe to it, as Lambda's event source mapping does.

Shards are read from their oldest record, parents before children. Each function gets its own reader, batches of one
shard in order, and a failing batch again until it succeeds. After a restart records come again: positions are not kept.
"""

import base64
import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dev.template import PSEUDO_PARAMETERS, Subscription, Template

POLL_S = 0.25
RETRY_S = 1.0
SHARDS_S = 5.0  # how often new shards are looked for; DynamoDB Local closes one only now and then
Invoke = Callable[[str, dict[str, Any]], Any]
_ABSENT = object()


@contextlib.contextmanager
def delivering(template: Template, endpoint: str, invoke: Invoke) -> Iterator[None]:
    """Deliver in the background until the context ends. Does nothing when no function subscribes."""
    stop = threading.Event()
    readers = [
        threading.Thread(
            target=_Reader(template, endpoint, s, invoke, stop).run, name=f"stream-{s.function}", daemon=True
        )
        for s in template.subscriptions
    ]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        stop.set()
        for reader in readers:
            reader.join(5)


def matches(record: Any, pattern: Mapping[str, Any]) -> bool:
    """Whether a stream record fits an event filter pattern.

    absent: a field that the record lacks fits only `{"exists": false}`.
    raises: ValueError on an operator that is not known here.
    source: Lambda developer guide, "Filter rule syntax".
    """
    for key, rule in pattern.items():
        value = record.get(key, _ABSENT) if isinstance(record, Mapping) else _ABSENT
        fits = matches(value, rule) if isinstance(rule, Mapping) else any(_fits(value, one) for one in rule)
        if not fits:
            return False
    return True


def event_record(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of the Streams API as Lambda hands it over: JSON, with binary values in base64."""
    change = dict(record["dynamodb"])
    if "ApproximateCreationDateTime" in change:
        change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    return {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record.get("eventVersion", "1.1"),
        "eventSource": "aws:dynamodb",
        "awsRegion": PSEUDO_PARAMETERS["AWS::Region"],
        "dynamodb": _jsonable(change),
        "eventSourceARN": stream_arn,
    }


class _Reader:
    """One subscription's way through all shards of the stream."""

    def __init__(
        self, template: Template, endpoint: str, subscription: Subscription, invoke: Invoke, stop: threading.Event
    ) -> None:
        self._subscription = subscription
        self._invoke = invoke
        self._stop = stop
        self._streams = boto3.client("dynamodbstreams", endpoint_url=endpoint)
        table = boto3.client("dynamodb", endpoint_url=endpoint).describe_table(TableName=template.table_name)["Table"]
        self._arn: str = table["LatestStreamArn"]
        self._iterators: dict[str, str | None] = {}  # None: read to its end

    def run(self) -> None:
        """Read until told to stop."""
        until_shards_s = 0.0
        while not self._stop.wait(POLL_S):
            try:
                until_shards_s -= POLL_S
                if until_shards_s <= 0:
                    self._find_shards()
                    until_shards_s = SHARDS_S
                for shard, iterator in list(self._iterators.items()):
                    if iterator:
                        self._iterators[shard] = self._read(iterator)
            except (BotoCoreError, ClientError):
                if not self._stop.is_set():  # else the engine was stopped before us
                    traceback.print_exc()
                    self._stop.wait(RETRY_S)

    def _find_shards(self) -> None:
        shards = self._shards()
        known = {shard["ShardId"] for shard in shards}
        for shard in shards:
            name, parent = shard["ShardId"], shard.get("ParentShardId")
            parent_is_read = parent not in known or self._iterators.get(parent, "unread") is None
            if name not in self._iterators and parent_is_read:
                start = self._streams.get_shard_iterator(
                    StreamArn=self._arn, ShardId=name, ShardIteratorType="TRIM_HORIZON"
                )
                self._iterators[name] = start["ShardIterator"]

    def _shards(self) -> list[Any]:
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self._streams.describe_stream(StreamArn=self._arn, **after)["StreamDescription"]
            found += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return found
            after = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def _read(self, iterator: str) -> str | None:
        page = self._streams.get_records(ShardIterator=iterator, Limit=min(self._subscription.batch_size, 1000))
        records = [event_record(record, self._arn) for record in page["Records"]]
        patterns = self._subscription.patterns
        self._deliver([r for r in records if not patterns or any(matches(r, p) for p in patterns)])
        following: str | None = page.get("NextShardIterator")
        return following

    def _deliver(self, batch: list[dict[str, Any]]) -> None:
        while batch and not self._stop.is_set():
            try:
                result = self._invoke(self._subscription.function, {"Records": batch})
            except Exception:  # what Lambda does: report it and hand the batch over again
                traceback.print_exc()
            else:
                batch = self._left_of(batch, result)
                if not batch:
                    return
            self._stop.wait(RETRY_S)

    def _left_of(self, batch: list[dict[str, Any]], result: Any) -> list[dict[str, Any]]:
        """What is to be handed over again: everything from the first record that the function names as failed."""
        if not self._subscription.reports_item_failures or not isinstance(result, dict):
            return []
        failed = {item["itemIdentifier"] for item in result.get("batchItemFailures") or []}
        starts = [i for i, record in enumerate(batch) if record["dynamodb"]["SequenceNumber"] in failed]
        return batch[min(starts) :] if starts else []


def _fits(value: Any, rule: Any) -> bool:
    if not isinstance(rule, Mapping):
        return bool(value is not _ABSENT and value == rule)
    ((operator, argument),) = rule.items()
    match operator:
        case "exists":
            return bool((value is not _ABSENT) == argument)
        case "prefix":
            return isinstance(value, str) and value.startswith(argument)
        case "anything-but":
            return value is not _ABSENT and value not in (argument if isinstance(argument, list) else [argument])
    raise ValueError(f"the filter operator {operator} is not known here; teach dev/streams.py")


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _jsonable(item) for key, item in value.items()}
        case list() | set():
            return [_jsonable(item) for item in value]
        case bytes():
            return base64.b64encode(value).decode()
    return value
