"""The requests to DynamoDB that the store is made of, each complete: paged to the end, leftovers sent again.

Every one raises `Unavailable` when DynamoDB is throttled, out of reach or the request's time runs short; what was
stored until then stays, which does no harm since every write is repeatable.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tracestore.domain.errors import Unavailable

from .dynamo import ConditionFailed, Contended, translated
from .segments import Item

WRITES_AT_ONCE: Final = 25
READS_AT_ONCE: Final = 100
"""BatchWriteItem takes 25 items, BatchGetItem 100 keys."""

BYTES_AT_ONCE: Final = 14_000_000
"""BatchWriteItem takes 16 MB."""

_FIRST_PAUSE_S: Final = 0.025
_LONGEST_PAUSE_S: Final = 1.0


@dataclass(slots=True)
class Deadline:
    """How long one request keeps trying. `time_left_s` tells what remains until its function is stopped."""

    time_left_s: Callable[[], float] = lambda: 25.0
    sleep: Callable[[float], None] = time.sleep
    jitter: random.Random = field(default_factory=random.Random)
    reserve_s: float = 2.0

    def pause(self, attempt: int) -> None:
        """Wait before attempt `attempt` + 1, longer each time. *raises* Unavailable when too little time is left."""
        pause_s = self.jitter.uniform(0.3, 1) * min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
        if self.time_left_s() - pause_s < self.reserve_s:
            raise Unavailable("The store is busy and this request is out of time; send it again.", retry_after_s=2)
        self.sleep(pause_s)


@dataclass(frozen=True, slots=True)
class Table:
    """The one table behind a boto3 client."""

    client: Any
    name: str

    def query(
        self,
        pk: str,
        sk_from: str = "",
        sk_to: str = "",
        *,
        index: str | None = None,
        descending: bool = False,
        page_items: int | None = None,
        keys_only: bool = False,
    ) -> Iterator[Item]:
        """The items of one partition from `sk_from` to `sk_to`, both included, in order of their sort key.

        *shape*: read lazily, a page at a time. Consistent, but for an index, which lags by a fraction of a second.
        """
        partition, sort = (index, "at") if index else ("pk", "sk")
        condition = "#p = :p"
        request: dict[str, Any] = {
            "TableName": self.name,
            "ExpressionAttributeNames": {"#p": partition},
            "ExpressionAttributeValues": {":p": {"S": pk}},
            "ScanIndexForward": not descending,
        }
        if sk_from and sk_to:
            condition += " AND #s BETWEEN :from AND :to"
        elif sk_from:
            condition += " AND #s >= :from"
        elif sk_to:
            condition += " AND #s <= :to"
        for value, name in ((sk_from, ":from"), (sk_to, ":to")):
            if value:
                request["ExpressionAttributeNames"]["#s"] = sort
                request["ExpressionAttributeValues"][name] = {"S": value}
        request["KeyConditionExpression"] = condition
        if index:
            request["IndexName"] = index
        else:
            request["ConsistentRead"] = True
        if keys_only and not index:
            request["ProjectionExpression"] = "pk, sk"
        if page_items:
            request["Limit"] = page_items
        while True:
            with translated():
                page = self.client.query(**request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def count(
        self, pk: str, sk_from: str, *, index: str, behind: Item | None = None, at_most: int | None = None
    ) -> tuple[int, Item | None]:
        """How many entries of an index's partition stand for items whose own `sk` is `sk_from` or greater.

        *shape*: counted backwards, from `behind` on if that is given, and `at_most` so many. With it comes the entry to
        go on behind; None at the end. Nothing but the figure is sent: parsing 10,000 entries would take a second.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": "#p = :p",
            # A filter may not be on the keys of the index. Those of the table are attributes like any other there.
            "FilterExpression": "sk >= :least",
            "ExpressionAttributeNames": {"#p": index},
            "ExpressionAttributeValues": {":p": {"S": pk}, ":least": {"S": sk_from}},
            "ScanIndexForward": False,
            "Select": "COUNT",
        }
        counted = 0
        while at_most is None or counted < at_most:
            if behind:
                request["ExclusiveStartKey"] = behind
            if at_most is not None:
                request["Limit"] = at_most - counted  # entries looked at, so that no page can count too many
            with translated():
                page = self.client.query(**request)
            counted += page["Count"]
            behind = page.get("LastEvaluatedKey")
            if behind is None:
                break
        return counted, behind

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, read consistently."""
        with translated():
            answer: dict[str, Item] = self.client.get_item(
                TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
            )
        return answer.get("Item")

    def get_many(self, wanted: Iterable[tuple[str, str]], deadline: Deadline) -> dict[tuple[str, str], Item]:
        """The items that exist of those with these keys, read consistently."""
        found = {}
        waiting = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in dict.fromkeys(wanted)]
        attempt = 0
        while waiting:
            now, later = waiting[:READS_AT_ONCE], waiting[READS_AT_ONCE:]
            with translated():
                answer = self.client.batch_get_item(RequestItems={self.name: {"Keys": now, "ConsistentRead": True}})
            for item in answer["Responses"].get(self.name, ()):
                found[item["pk"]["S"], item["sk"]["S"]] = item
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            waiting = [*left, *later]
            if left:  # 16 MB of answer, or throttled: either way more comes when asked again
                deadline.pause(attempt)
                attempt += 1
        return found

    def put(self, item: Item, replaces: int | None) -> None:
        """Put a head on condition that version `replaces` is what is stored, or nothing if None.

        *raises* ConditionFailed when something else is stored, or another writer is about to see to that.
        """
        with _first_come(), translated():
            self.client.put_item(**self._conditional(item, replaces))

    def put_together(
        self, head: Item, replaces: int | None, puts: Sequence[Item], deletes: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Put a head as `put` does, and put and remove other items with it or not at all. *raises* ConditionFailed."""
        writes: list[dict[str, Any]] = [{"Put": {"TableName": self.name, "Item": item}} for item in puts]
        writes += [
            {"Delete": {"TableName": self.name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in deletes
        ]
        writes.append({"Put": self._conditional(head, replaces)})
        with _first_come(), translated():
            self.client.transact_write_items(TransactItems=writes)

    def _conditional(self, item: Item, replaces: int | None) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self.name, "Item": item}
        if replaces is None:
            return put | {"ConditionExpression": "attribute_not_exists(pk)"}
        return put | {
            "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"N": str(replaces)}},
        }

    def write(self, puts: Iterable[Item] = (), deletes: Iterable[tuple[str, str]] = (), *, deadline: Deadline) -> None:
        """Store items and remove others, in no order, until all is done."""
        waiting: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
        waiting += [{"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in deletes]
        attempt = 0
        while waiting:
            now, later = _batch(waiting)
            with translated():
                answer = self.client.batch_write_item(RequestItems={self.name: now})
            left = answer.get("UnprocessedItems", {}).get(self.name, [])
            waiting = [*left, *later]
            if left:
                deadline.pause(attempt)
                attempt += 1


@contextmanager
def _first_come() -> Iterator[None]:
    """Whoever is at the item already was first: that is what a condition on its version is there to tell."""
    try:
        yield
    except Contended as error:
        raise ConditionFailed from error


def _batch(requests: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """As many requests as one call takes, and the rest."""
    size = 0
    for count, request in enumerate(requests[:WRITES_AT_ONCE]):
        size += sum(len(value.get("B", b"")) + 200 for value in request.get("PutRequest", {}).get("Item", {}).values())
        if size > BYTES_AT_ONCE and count:
            return requests[:count], requests[count:]
    return requests[:WRITES_AT_ONCE], requests[WRITES_AT_ONCE:]
