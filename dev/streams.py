"""Reads the table's stream for the functions that subscribe to it, as Lambda's event source mapping does.

Each function has its own way through the stream, each shard a thread: what fails in one holds up no other. Shards are
read from their oldest record, parents before children. After a restart records come again: positions are not kept.
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
SHARDS_S = 5.0  # how often new shards are looked for; DynamoDB Local closes one only now and then
STOP_S = 5.0
_ABSENT = object()


@contextlib.contextmanager
def delivering(template: Template, endpoint: str, invoke: Invoke) -> Iterator[None]:
    """Deliver in the background until the context ends. Does nothing when no function subscribes."""
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
        self.threads: list[threading.Thread] = []
        self._subscription = subscription
        self._invoke = invoke
        self._stop = stop
        self._streams = boto3.client("dynamodbstreams", endpoint_url=endpoint)
        table = boto3.client("dynamodb", endpoint_url=endpoint).describe_table(TableName=template.table_name)["Table"]
        self._arn: str = table["LatestStreamArn"]
        self._begun: set[str] = set()
        self._ended: set[str] = set()

    def start(self) -> None:
        """Read in the background until told to stop."""
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
                    self._begun.add(shard)
                    self._begin(self._follow, shard, oldest)
                oldest = "TRIM_HORIZON"
            self._stop.wait(SHARDS_S)

    def _follow(self, shard: str, oldest: str) -> None:
        """Read a shard and hand it over, to its end."""
        handover = Handover(self._subscription, shard, self._arn, self._invoke)
        position = {"ShardIteratorType": oldest}
        iterator: str | None = ""  # unknown; None: read to its end
        while not self._stop.is_set():
            pause_s = RETRY_S
            with self._reporting():
                if iterator == "":
                    start = self._streams.get_shard_iterator(StreamArn=self._arn, ShardId=shard, **position)
                    iterator = start["ShardIterator"]
                if iterator and not handover.is_full:
                    found, iterator = iterator, ""  # for the case that it has expired meanwhile
                    page = self._streams.get_records(ShardIterator=found, Limit=1000)
                    iterator = page.get("NextShardIterator")
                    if page["Records"]:
                        last = page["Records"][-1]["dynamodb"]["SequenceNumber"]
                        position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
                    handover.take(self._wanted(page["Records"]))
                if handover.hand_over(is_closed=iterator is None):
                    pause_s = POLL_S
                if iterator is None and handover.done:
                    self._ended.add(shard)
                    return
            self._stop.wait(pause_s)

    def _wanted(self, page: list[Any]) -> list[Record]:
        patterns = self._subscription.patterns
        records = [event_record(record, self._arn) for record in page]
        return [record for record in records if not patterns or any(matches(record, one) for one in patterns)]

    def _new_shards(self) -> list[str]:
        """The shards to begin with now: those whose parents are read to their end, or gone."""
        shards = self._shards()
        unread = {shard["ShardId"] for shard in shards} - self._ended
        return [
            shard["ShardId"]
            for shard in shards
            if shard["ShardId"] not in self._begun and shard.get("ParentShardId") not in unread
        ]

    def _shards(self) -> list[Any]:
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self._streams.describe_stream(StreamArn=self._arn, **after)["StreamDescription"]
            found += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return found
            after = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """Goes on after what the engine refuses; silent once stopped, since the engine may be gone before us."""
        try:
            yield
        except (BotoCoreError, ClientError):
            if not self._stop.is_set():
                traceback.print_exc()


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
