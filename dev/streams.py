"""Read the table's stream for the functions that subscribe to it, as Lambda's event source mapping does.

Each function has a reader of its own, and each shard a thread: a failure in one does not delay the others. Shards are
read from their oldest record, parents before children. After a restart all records are delivered again: sequence
numbers are not stored.
"""

import base64
import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dev.handover import Handover, Invoke, Record
from dev.template import PSEUDO_PARAMETERS, Subscription, Template

POLL_S = 0.25
RETRY_S = 1.0
SHARDS_S = 5.0  # how often new shards are listed; DynamoDB Local rarely closes one
STOP_S = 5.0
_ABSENT = object()


@contextlib.contextmanager
def delivering(template: Template, endpoint: str, invoke: Invoke) -> Iterator[None]:
    """Deliver in the background until the block ends. *absent*: without a subscription nothing is read."""
    stop = threading.Event()
    readers = [_Reader(template, endpoint, subscription, invoke, stop) for subscription in template.subscriptions]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        stop.set()
        deadline_s = time.monotonic() + STOP_S
        for thread in [thread for reader in readers for thread in reader.threads]:
            thread.join(max(0.0, deadline_s - time.monotonic()))


def matches(record: Any, pattern: Mapping[str, Any]) -> bool:
    """Whether a stream record matches an event filter pattern.

    *absent*: a missing field matches only `{"exists": false}`. *raises*: ValueError for an operator that is not
    implemented here. *source*: Lambda developer guide, "Filter rule syntax".
    """
    for key, rule in pattern.items():
        value = record.get(key, _ABSENT) if isinstance(record, Mapping) else _ABSENT
        is_match = (
            matches(value, rule) if isinstance(rule, Mapping) else any(_matches_one(value, item) for item in rule)
        )
        if not is_match:
            return False
    return True


def event_record(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record of the Streams API as Lambda delivers it: JSON, with binary values in base64."""
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
    """A reader of all shards of the stream for one subscription."""

    def __init__(
        self, template: Template, endpoint: str, subscription: Subscription, invoke: Invoke, stop: threading.Event
    ) -> None:
        self.threads: list[threading.Thread] = []
        self._subscription = subscription
        self._invoke = invoke
        self._stop = stop
        self._streams = boto3.client("dynamodbstreams", endpoint_url=endpoint)
        table = boto3.client("dynamodb", endpoint_url=endpoint).describe_table(TableName=template.table_name)["Table"]
        self._arn: str = table["LatestStreamArn"]
        self._started_shards: set[str] = set()
        self._finished_shards: set[str] = set()

    def start(self) -> None:
        """Read in the background until the stop event is set."""
        self._begin(self._run)

    def _begin(self, work: Callable[..., None], *arguments: str) -> None:
        name = "-".join(["stream", self._subscription.function, *arguments])
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self) -> None:
        oldest = "LATEST" if self._subscription.from_latest else "TRIM_HORIZON"
        while not self._stop.is_set():
            with self._reporting():
                for shard in self._new_shards():
                    self._started_shards.add(shard)
                    self._begin(self._follow, shard, oldest)
                oldest = "TRIM_HORIZON"
            self._stop.wait(SHARDS_S)

    def _follow(self, shard: str, oldest: str) -> None:
        """Read a shard to its end, and deliver its records."""
        handover = Handover(self._subscription, shard, self._arn, self._invoke)
        position = {"ShardIteratorType": oldest}
        iterator: str | None = ""  # empty: to be requested; None: the shard is read to its end
        while not self._stop.is_set():
            pause_s = RETRY_S
            with self._reporting():
                if iterator == "":
                    start = self._streams.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **position)
                    iterator = start["ShardIterator"]
                if iterator and not handover.is_full:
                    current, iterator = iterator, ""  # requested again if it has expired
                    page = self._streams.get_records(ShardIterator=current, Limit=1000)
                    iterator = page.get("NextShardIterator")
                    if page["Records"]:
                        last = page["Records"][-1]["dynamodb"]["SequenceNumber"]
                        position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
                    handover.take(self._filtered(page["Records"]))
                if handover.hand_over(is_closed=iterator is None):
                    pause_s = POLL_S
                if iterator is None and handover.done:
                    self._finished_shards.add(shard)
                    return
            self._stop.wait(pause_s)

    def _filtered(self, page: list[Any]) -> list[Record]:
        patterns = self._subscription.patterns
        records = [event_record(record, self._arn) for record in page]
        return [record for record in records if not patterns or any(matches(record, pattern) for pattern in patterns)]

    def _new_shards(self) -> list[str]:
        """The unread shards whose parents are read to their end, or no longer listed."""
        shards = self._shards()
        unread = {shard["ShardId"] for shard in shards} - self._finished_shards
        return [
            shard["ShardId"]
            for shard in shards
            if shard["ShardId"] not in self._started_shards and shard.get("ParentShardId") not in unread
        ]

    def _shards(self) -> list[Any]:
        shards: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self._streams.describe_stream(StreamArn=self._arn, **after)["StreamDescription"]
            shards += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return shards
            after = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """Print the engine's errors and continue. Silent once stopped: the engine may stop first."""
        try:
            yield
        except (BotoCoreError, ClientError):
            if not self._stop.is_set():
                traceback.print_exc()


def _matches_one(value: Any, rule: Any) -> bool:
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
    raise ValueError(f"the filter operator {operator} is not implemented: add it to dev/streams.py")


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _jsonable(item) for key, item in value.items()}
        case list() | set():
            return [_jsonable(item) for item in value]
        case bytes():
            return base64.b64encode(value).decode()
    return value
