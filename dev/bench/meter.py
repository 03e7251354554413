"""Count the capacity that a DynamoDB client consumes, as the engine reports it, without a change to the client's user.

It uses two hooks on botocore's events: one requests the consumed capacity in every call, the other adds it up.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

_WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
_ASK = "provide-client-params.dynamodb.*"
_ANSWER = "after-call.dynamodb.*"


@dataclass(slots=True)
class Consumed:
    """The capacity units and calls of some work. `refused` counts writes whose condition failed.

    DynamoDB charges a refused write too, but does not report its units: they are not in `write_units`.
    """

    read_units: float = 0.0
    write_units: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    @property
    def call_count(self) -> int:
        """The number of calls of all operations."""
        return self.calls.total()


class Meter:
    """A sum of consumed capacity over any number of clients and threads, until read with `take`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._consumed = Consumed()

    def take(self) -> Consumed:
        """The capacity consumed since the last `take`. The next one counts from here."""
        with self._lock:
            taken, self._consumed = self._consumed, Consumed()
        return taken

    def request_capacity(self, params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        """Hook: request the consumed capacity in a call."""
        if "ReturnConsumedCapacity" in model.input_shape.members:
            return {**params, "ReturnConsumedCapacity": "TOTAL"}
        return params

    def add_response(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        """Hook: add the consumed capacity of a response."""
        consumed = parsed.get("ConsumedCapacity", [])
        units = sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))
        error = parsed.get("Error", {}).get("Code", "")
        with self._lock:
            self._consumed.calls[model.name] += 1
            self._consumed.refused += error in ("ConditionalCheckFailedException", "TransactionCanceledException")
            if model.name in _WRITES:
                self._consumed.write_units += units
            else:
                self._consumed.read_units += units


@contextmanager
def metered(*clients: Any) -> Iterator[Meter]:
    """A meter on `clients` (boto3 or botocore, of DynamoDB) until the end of the block."""
    meter = Meter()
    for client in clients:
        client.meta.events.register(_ASK, meter.request_capacity, unique_id=f"ask {id(meter)}")
        client.meta.events.register(_ANSWER, meter.add_response, unique_id=f"answer {id(meter)}")
    try:
        yield meter
    finally:
        for client in clients:
            client.meta.events.unregister(_ASK, unique_id=f"ask {id(meter)}")
            client.meta.events.unregister(_ANSWER, unique_id=f"answer {id(meter)}")
