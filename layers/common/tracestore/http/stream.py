"""Parse events of the table's stream, and wrap the functions that consume them.

Depends on the shape of events, not on the meaning of items. Failures are raised: Lambda then logs and counts the
failure, and sends the same batch again.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from aws_lambda_powertools import Logger

from tracestore.domain.errors import TracestoreError
from tracestore.storage.dynamo_json import item_of
from tracestore.storage.model import Item

from . import telemetry

Line: TypeAlias = dict[str, Any]
"""The fields of an invocation's log line. Consumers add their own."""

Consumer: TypeAlias = Callable[[Mapping[str, Any], Any, Line], dict[str, Any]]
"""A function of event, context and log line that returns the response for Lambda."""


class StreamRecord(NamedTuple):
    """One change of one item.

    `sequence` increases along a shard. *absent*: `old` is None for a new item, `new` for a removed one.
    """

    event_name: str
    sequence: int
    pk: str
    sk: str
    old: Item | None
    new: Item | None


def records_of(event: Mapping[str, Any]) -> list[StreamRecord]:
    """The changes in a stream event, in order. The last invocation of a window may have none.

    *source*: Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB".
    """
    return [_record(record["eventName"], record["dynamodb"]) for record in event.get("Records") or ()]


def shard_id_of(event: Mapping[str, Any]) -> str:
    """The shard of the records. *raises*: KeyError for an event source mapping without a tumbling window."""
    return str(event["shardId"])


def consuming(
    consumer: Consumer, *, logger: Logger = telemetry.logger
) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """`consumer` as a Lambda handler that writes one log line per invocation, also when it fails.

    *raises*: as the consumer. The traceback is not logged here, because Lambda always logs it.
    """

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        started = time.perf_counter()
        line: Line = {"lambda_request_id": context.aws_request_id, "records": len(event.get("Records") or ())}
        if "shardId" in event:
            line["shard"] = event["shardId"]
        try:
            result = consumer(event, context, line)
        except Exception as error:
            line["failed"] = error.code if isinstance(error, TracestoreError) else type(error).__name__
            raise
        finally:
            line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
            logger.info("stream", extra=line)
        return result

    return handle


def _record(event_name: str, change: Mapping[str, Any]) -> StreamRecord:
    keys = change["Keys"]
    return StreamRecord(
        event_name=event_name,
        sequence=int(change["SequenceNumber"]),
        pk=keys["pk"]["S"],
        sk=keys["sk"]["S"],
        old=_image(change.get("OldImage")),
        new=_image(change.get("NewImage")),
    )


def _image(members: Mapping[str, Any] | None) -> Item | None:
    return item_of(members) if members else None
