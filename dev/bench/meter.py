"""Count the capacity that a DynamoDB client consumes, as the engine reports it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tracestore.storage.dynamo import CONDITION_FAILED, Client, Request, RequestFailed, Send
from tracestore.storage.items import item_bytes
from tracestore.storage.model import Item
from tracestore.storage.writer import WRITE_UNIT_BYTES

_WRITES: Final = frozenset({"PutItem", "BatchWriteItem", "TransactWriteItems"})


@dataclass(slots=True)
class Consumed:
    """The capacity units and calls of some work. `refused` counts writes whose condition failed.

    DynamoDB charges a refused write as if it had been done, but does not report its units: they are computed here.
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

    def __call__(self, operation: str, request: Request, send: Send) -> Request:
        """Send a request that reports its capacity, and add what it consumed."""
        try:
            response = send(operation, {**request, "ReturnConsumedCapacity": "TOTAL"})
        except RequestFailed as error:
            is_refused = bool({error.code, *error.reasons} & CONDITION_FAILED)
            self._add(operation, _refused_units(request) if is_refused else 0, is_refused=is_refused)
            raise
        consumed = response.get("ConsumedCapacity", [])
        units = sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))
        self._add(operation, units)
        return response

    def _add(self, operation: str, units: float, *, is_refused: bool = False) -> None:
        with self._lock:
            self._consumed.calls[operation] += 1
            self._consumed.refused += is_refused
            if operation in _WRITES:
                self._consumed.write_units += units
            else:
                self._consumed.read_units += units


def _refused_units(request: Request) -> int:
    """The write units of a refused request, by the sizes of its items. *source*: DynamoDB developer guide,
    "Read and write operations": a unit for each KB, two in a transaction, and one at least.
    """
    if "TransactItems" in request:
        return sum(2 * _units(write.get("Put", {}).get("Item", {})) for write in request["TransactItems"])
    return _units(request.get("Item", {}))


def _units(item: Item) -> int:
    return max(1, -(-item_bytes(item) // WRITE_UNIT_BYTES))


@contextmanager
def metered(*clients: Client) -> Iterator[Meter]:
    """A meter on `clients` until the end of the block."""
    meter = Meter()
    for client in clients:
        client.interceptors.append(meter)
    try:
        yield meter
    finally:
        for client in clients:
            client.interceptors.remove(meter)
