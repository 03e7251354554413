"""What Lambda hands over from the table's stream, read; and the wrapper around functions that consume it.

Knows how an event is shaped, not what any item means. A failure is raised: Lambda then logs it, counts it and hands
the same batch over again.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from aws_lambda_powertools import Logger

from tracestore.domain.errors import TracestoreError
from tracestore.storage.segments import Item

from . import telemetry

Line: TypeAlias = dict[str, Any]
"""What the invocation's log line tells; consumers add their own figures."""

Consumer: TypeAlias = Callable[[Mapping[str, Any], Any, Line], dict[str, Any]]
"""Takes event, context and log line; returns what Lambda is to be told."""


class StreamRecord(NamedTuple):
    """One change of one item.

    `sequence` grows along a shard. *absent*: `old` is None when the item is new, `new` when it was removed.
    """

    event_name: str
    sequence: int
    pk: str
    sk: str
    old: Item | None
    new: Item | None


def records_of(event: Mapping[str, Any]) -> list[StreamRecord]:
    """The changes in a stream event, in order; none in the last invocation of a window that brings no more.

    *source*: Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB".
    """
    return [_record(record["eventName"], record["dynamodb"]) for record in event.get("Records") or ()]


def shard_id_of(event: Mapping[str, Any]) -> str:
    """The shard that the records are of. Only a mapping with a tumbling window tells. *raises* KeyError without."""
    return str(event["shardId"])


def consuming(
    consumer: Consumer, *, logger: Logger = telemetry.logger
) -> Callable[[Mapping[str, Any], Any], dict[str, Any]]:
    """`consumer` as a Lambda handler that writes one line for each invocation, also for one that fails.

    *raises* what the consumer raises. Its traceback is left to Lambda, which writes it in any case: here it would be
    there twice.
    """

    def handle(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        started = time.perf_counter()
        line: Line = {"lambda_request_id": context.aws_request_id, "records": len(event.get("Records") or ())}
        if "shardId" in event:
            line["shard"] = event["shardId"]
        try:
            answer = consumer(event, context, line)
        except Exception as error:
            line["failed"] = error.code if isinstance(error, TracestoreError) else type(error).__name__
            raise
        finally:
            line["duration_ms"] = round((time.perf_counter() - started) * 1000, 1)
            logger.info("stream", extra=line)
        return answer

    return handle


def _record(event_name: str, change: Mapping[str, Any]) -> StreamRecord:
    keys = change["Keys"]
    return StreamRecord(
        event_name=event_name,
        sequence=int(change["SequenceNumber"]),
        pk=keys["pk"]["S"],
        sk=keys["sk"]["S"],
        old=_item(change.get("OldImage")),
        new=_item(change.get("NewImage")),
    )


def _item(image: Mapping[str, Any] | None) -> Item | None:
    """An image with its binary values as bytes, as boto3 would have them."""
    return {name: _value(value) for name, value in image.items()} if image else None


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    return {kind: _DECODED[kind](content) if kind in _DECODED else content}


_DECODED: Final[dict[str, Callable[[Any], Any]]] = {
    "B": base64.b64decode,
    "BS": lambda contents: [base64.b64decode(content) for content in contents],
    "L": lambda contents: [_value(content) for content in contents],
    "M": _item,
}
