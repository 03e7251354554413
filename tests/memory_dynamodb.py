"""The part of DynamoDB that the store uses, in a dict: fast, and under the control of a test.

It is used where a test needs thousands of histories, a crash at every call, or control over the order of writers. A
test of its own compares its behaviour with the engines.
"""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tracestore.storage.dynamo import RequestFailed

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]


class MemoryDynamoDB:
    """One table, with the client methods that the store calls. `page_items` is the size of a page of a Query."""

    name = endpoint = table_name = "memory"

    def __init__(self, page_items: int = 10_000) -> None:
        self._items: dict[Key, Item] = {}
        self._page_items = page_items
        self._lock = threading.Lock()

    def query(self, **request: Any) -> dict[str, Any]:
        """A page of one partition, of the table or of an index."""
        with self._lock:
            least = request["ExpressionAttributeValues"].get(":least", {"S": ""})["S"]
            assert request.get("FilterExpression", "sk >= :least") == "sk >= :least", "a filter that is not implemented"
            partition, sort = request["ExpressionAttributeNames"]["#p"], "at" if "IndexName" in request else "sk"
            values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
            matches = [
                item
                for item in self._items.values()
                if partition in item
                and item[partition]["S"] == values[":p"]
                and values.get(":from", "") <= item[sort]["S"] <= values.get(":to", "\U0010ffff")
            ]
            order = [(item[sort]["S"], _key(item)) for item in matches]
            is_ascending = request.get("ScanIndexForward", True)
            start = request.get("ExclusiveStartKey")
            if start:
                last = (start[sort]["S"], _key(start))
                order = [entry for entry in order if (entry > last if is_ascending else entry < last)]
            order.sort(reverse=not is_ascending)
            page = order[: min(request.get("Limit", self._page_items), self._page_items)]
            only = ("pk", "sk", partition, sort) if "IndexName" in request else ()
            items = [_copy(self._items[key], only) for _, key in page]
            items = [item for item in items if item["sk"]["S"] >= least]
            response: dict[str, Any] = {"Count": len(items)} if request.get("Select") == "COUNT" else {"Items": items}
            if len(page) < len(order):
                response["LastEvaluatedKey"] = _copy(self._items[page[-1][1]], ("pk", "sk", sort))
            return response

    def get_item(self, *, Key: Item, **_: Any) -> dict[str, Any]:
        """One item, if it exists."""
        with self._lock:
            item = self._items.get(_key(Key))
            return {"Item": _copy(item)} if item else {}

    def batch_get_item(self, *, RequestItems: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The items that exist."""
        ((table, request),) = RequestItems.items()
        keys = [_key(key) for key in request["Keys"]]
        assert len(set(keys)) == len(keys) <= 100, "BatchGetItem takes up to 100 different keys"
        with self._lock:
            return {"Responses": {table: [_copy(self._items[key]) for key in keys if key in self._items]}}

    def put_item(self, *, Item: Item, **request: Any) -> dict[str, Any]:
        """Put one item if its condition holds."""
        with self._lock:
            if not self._holds(Item, request):
                raise RequestFailed("ConditionalCheckFailedException")
            self._put(Item)
        return {}

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:
        """Put and delete all items or none."""
        puts = [entry["Put"] for entry in TransactItems if "Put" in entry]
        deletes = [_key(entry["Delete"]["Key"]) for entry in TransactItems if "Delete" in entry]
        keys = [*(_key(put["Item"]) for put in puts), *deletes]
        assert len(set(keys)) == len(keys) == len(TransactItems) <= 100, "TransactWriteItems takes 100 different keys"
        with self._lock:
            if not all(self._holds(put["Item"], put) for put in puts):
                raise RequestFailed("ConditionalCheckFailedException")
            for put in puts:
                self._put(put["Item"])
            for key in deletes:
                self._items.pop(key, None)
        return {}

    def batch_write_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        """Put and delete items."""
        (requests,) = RequestItems.values()
        keys = [_key(entry["PutRequest"]["Item"] if "PutRequest" in entry else _deleted(entry)) for entry in requests]
        assert len(set(keys)) == len(keys) <= 25, "BatchWriteItem takes up to 25 different keys"
        with self._lock:
            for entry in requests:
                if "PutRequest" in entry:
                    self._put(entry["PutRequest"]["Item"])
                else:
                    self._items.pop(_key(_deleted(entry)), None)
        return {"UnprocessedItems": {}}

    def _holds(self, item: Item, request: dict[str, Any]) -> bool:
        stored = self._items.get(_key(item))
        match request.get("ConditionExpression"):
            case None:
                return True
            case "attribute_not_exists(pk)":
                return stored is None
            case "v = :v":
                return stored is not None and stored.get("v") == request["ExpressionAttributeValues"][":v"]
        raise AssertionError("a condition that is not implemented")

    def _put(self, item: Item) -> None:
        assert sum(len(value.get("B", b"")) for value in item.values()) < 400_000, "an item is limited to 400 KB"
        self._items[_key(item)] = _copy(item)


class Scheduler:
    """Runs writers of one table. A seed decides at each call which writer is next."""

    def __init__(self, db: MemoryDynamoDB, seed: int) -> None:
        self._db = db
        self._random = random.Random(seed)
        self._changed = threading.Condition()
        self._waiting: set[int] = set()
        self._running: int | None = None
        self._alive = 0

    def run(self, writers: Sequence[Callable[[Any], object]]) -> None:
        """Run all writers to their end, each with a client of its own."""
        failures: list[BaseException] = []

        def run_writer(number: int) -> None:
            try:
                with self._changed:
                    self._wait(number)
                writers[number](_Turns(self, number))
            except BaseException as failure:
                failures.append(failure)
            with self._changed:
                self._alive -= 1
                self._running = None
                self._next()

        self._alive = len(writers)
        threads = [threading.Thread(target=run_writer, args=(number,)) for number in range(len(writers))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def turn(self, number: int, name: str, request: dict[str, Any]) -> Any:
        """Make a call when it is this writer's turn. A batch is written by item: in DynamoDB it is not atomic."""
        calls = [request]
        if name == "batch_write_item":
            ((table, entries),) = request["RequestItems"].items()
            self._random.shuffle(entries)
            calls = [{"RequestItems": {table: [entry]}} for entry in entries]
        response = None
        for call in calls:
            with self._changed:
                self._running = None
                self._wait(number)
            response = getattr(self._db, name)(**call)
        return response

    def _wait(self, number: int) -> None:
        self._waiting.add(number)
        self._next()
        while self._running != number:
            self._changed.wait()

    def _next(self) -> None:
        if self._running is None and self._waiting and len(self._waiting) == self._alive:
            self._running = self._random.choice(sorted(self._waiting))
            self._waiting.discard(self._running)
            self._changed.notify_all()


class _Turns:
    """The client of one writer."""

    def __init__(self, scheduler: Scheduler, number: int) -> None:
        self._scheduler = scheduler
        self._number = number

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **request: self._scheduler.turn(self._number, name, request)


def _key(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _deleted(entry: dict[str, Any]) -> Item:
    key: Item = entry["DeleteRequest"]["Key"]
    return key


def _copy(item: Item, only: Sequence[str] = ()) -> Item:
    return {name: dict(value) for name, value in item.items() if not only or name in only}
