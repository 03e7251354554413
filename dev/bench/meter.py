"""Count the capacity that a DynamoDB client consumes, as the engine reports it and AWS bills it."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from tracestore.storage.dynamo import CONDITION_FAILED, Client, Request, RequestFailed, Send
from tracestore.storage.items import item_bytes
from tracestore.storage.model import Item
from tracestore.storage.new_traces import WRITE_UNIT_BYTES

_WRITES: Final = frozenset({"PutItem", "BatchWriteItem", "TransactWriteItems"})


@dataclass(slots=True)
class Consumed:
    """The capacity units and calls of some work. `refused` counts writes whose condition failed.

    DynamoDB charges a refused write as if it had been done, but does not report its units: they are computed here. So
    are those of keys without an item in a BatchGetItem and of a Query without a result, for which DynamoDB Local
    reports none. `calls_s` is the sum of the times of all calls, and `waiting_s` how long at least one was under way.
    """

    read_units: float = 0.0
    write_units: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    calls_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def call_count(self) -> int:
        """The number of calls of all operations."""
        return self.calls.total()

    @property
    def calls_in_turn(self) -> float:
        """The number of calls that would take as long as these did, if each began when the one before had ended."""
        return self.call_count * self.waiting_s / self.calls_s if self.calls_s else 0.0


class Meter:
    """A sum of consumed capacity over any number of clients and threads, until read with `take`."""

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        self._now_s = now_s
        self._lock = Lock()
        self._consumed = Consumed()
        self._under_way = 0
        self._since_s = 0.0

    def take(self) -> Consumed:
        """The capacity consumed since the last `take`. The next one counts from here."""
        with self._lock:
            taken, self._consumed = self._consumed, Consumed()
        return taken

    def __call__(self, operation: str, request: Request, send: Send) -> Request:
        """Send a request that reports its capacity, and add what it consumed."""
        try:
            with self._timed():
                response = send(operation, {**request, "ReturnConsumedCapacity": "TOTAL"})
        except RequestFailed as error:
            is_refused = bool({error.code, *error.reasons} & CONDITION_FAILED)
            self._add(operation, _refused_units(request) if is_refused else 0, is_refused=is_refused)
            raise
        consumed = response.get("ConsumedCapacity", [])
        units = sum(each["CapacityUnits"] for each in (consumed if isinstance(consumed, list) else [consumed]))
        self._add(operation, units + _units_of_absent(operation, request, response))
        return response

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began_s = self._now_s()
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                self._since_s = began_s
        try:
            yield
        finally:
            ended_s = self._now_s()
            with self._lock:
                self._under_way -= 1
                self._consumed.calls_s += ended_s - began_s
                if not self._under_way:
                    self._consumed.waiting_s += ended_s - self._since_s

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
        return sum(2 * write_units_of(write.get("Put", {}).get("Item", {})) for write in request["TransactItems"])
    return write_units_of(request.get("Item", {}))


def _units_of_absent(operation: str, request: Request, response: Request) -> float:
    """The read units of what does not exist. *source*: DynamoDB developer guide, "Read and write operations": a read of
    an item that does not exist consumes a unit if it is consistent, and half of one if not.
    """
    if operation == "Query":
        return 0.0 if response["ConsumedCapacity"]["CapacityUnits"] else _least_units(request)
    if operation != "BatchGetItem":
        return 0.0
    left = response.get("UnprocessedKeys", {})
    return sum(
        _least_units(of_table) * (len(of_table["Keys"]) - len(response["Responses"].get(table, ())))
        for table, of_table in request["RequestItems"].items()
        if table not in left
    )


def _least_units(read: Request) -> float:
    return 1.0 if read.get("ConsistentRead") else 0.5


def write_units_of(item: Item) -> int:
    """The write units of a put of this item, without those of indexes."""
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
