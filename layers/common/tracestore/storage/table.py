"""The requests to DynamoDB that the store is made of, each complete: paged to the end, leftovers sent again.

Every request raises Unavailable when DynamoDB is throttled, out of reach, or the request's time runs short. Items that
were stored until then stay stored; that does no harm, since every write is repeatable.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from .deadline import Deadline
from .dynamo import ConditionFailed, Contended, translated
from .model import Item, ItemKey
from .read_budget import ReadBudget

ITEMS_PER_BATCH_WRITE: Final = 25
KEYS_PER_BATCH_GET: Final = 100
"""BatchWriteItem takes 25 items, BatchGetItem 100 keys."""

BYTES_PER_BATCH_WRITE: Final = 14_000_000
"""BatchWriteItem takes 16 MB."""


@dataclass(frozen=True, slots=True)
class Table:
    """The one table, through a client with the methods of `dynamo.Client`."""

    client: Any
    name: str
    budget: ReadBudget | None = None
    """The budget that reads through this object are added to."""

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

        *shape*: read lazily, a page at a time. Reads of the table are consistent; an index lags by a fraction of a
        second.
        """
        request = self._range(pk, sk_from, sk_to, index) | {"ScanIndexForward": not descending}
        if not index:
            request["ConsistentRead"] = True
        if keys_only and not index:
            request["ProjectionExpression"] = "pk, sk"
        if page_items:
            request["Limit"] = page_items
        while True:
            page = self._read(self.client.query, **request)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def count(
        self,
        pk: str,
        sk_from: str,
        at_from: str = "",
        at_to: str = "",
        *,
        index: str,
        is_bounded: bool = False,
    ) -> int | None:
        """Count the entries of an index's partition from `at_from` to `at_to` whose own `sk` is `sk_from` or greater.

        DynamoDB sends the number alone. *absent*: None where it `is_bounded` and the budget is spent before the end.
        """
        request = self._range(pk, at_from, at_to, index) | {
            # A filter may not use the keys of the index. The keys of the table are ordinary attributes there.
            "FilterExpression": "sk >= :least",
            "Select": "COUNT",
        }
        request["ExpressionAttributeValues"][":least"] = {"S": sk_from}
        counted: int = 0
        while True:
            page = self._read(self.client.query, **request)
            counted += page["Count"]
            if "LastEvaluatedKey" not in page:
                return counted
            if is_bounded and self.budget is not None and self.budget.is_spent:
                return None
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _range(self, pk: str, sort_from: str, sort_to: str, index: str | None) -> dict[str, Any]:
        """The members of a query for one partition, of the table or an index, between two sort keys."""
        partition, sort = (index, "at") if index else ("pk", "sk")
        condition = "#p = :p"
        request: dict[str, Any] = {
            "TableName": self.name,
            "ExpressionAttributeNames": {"#p": partition},
            "ExpressionAttributeValues": {":p": {"S": pk}},
        }
        if sort_from and sort_to:
            condition += " AND #s BETWEEN :from AND :to"
        elif sort_from:
            condition += " AND #s >= :from"
        elif sort_to:
            condition += " AND #s <= :to"
        for value, name in ((sort_from, ":from"), (sort_to, ":to")):
            if value:
                request["ExpressionAttributeNames"]["#s"] = sort
                request["ExpressionAttributeValues"][name] = {"S": value}
        request["KeyConditionExpression"] = condition
        return request | {"IndexName": index} if index else request

    def scan(self, index: str) -> Iterator[list[Item]]:
        """All entries of an index, of all users, in pages. For the operator's command alone: no function may scan."""
        request: dict[str, Any] = {"TableName": self.name, "IndexName": index}
        while True:
            with translated():
                page = self.client.scan(**request)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def scan_keys(self, condition: str, values: Item) -> Iterator[list[ItemKey]]:
        """The keys of all items of the table that meet a condition, in pages, read consistently.

        It reads the whole table, at a unit for 4 KB. As `scan`, for the operator's command alone.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "ConsistentRead": True,
            "ProjectionExpression": "pk, sk",
            "FilterExpression": condition,
            "ExpressionAttributeValues": values,
        }
        while True:
            with translated():
                page = self.client.scan(**request)
            yield [(item["pk"]["S"], item["sk"]["S"]) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, read consistently."""
        answer: dict[str, Item] = self._read(
            self.client.get_item, TableName=self.name, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        return answer.get("Item")

    def get_many(self, wanted: Iterable[ItemKey], deadline: Deadline) -> dict[ItemKey, Item]:
        """The items that exist of those with these keys, read consistently."""
        items: dict[ItemKey, Item] = {}
        unread = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in dict.fromkeys(wanted)]
        backoff = deadline.backoff()
        while unread:
            batch, rest = unread[:KEYS_PER_BATCH_GET], unread[KEYS_PER_BATCH_GET:]
            request = {self.name: {"Keys": batch, "ConsistentRead": True}}
            answer = self._read(self.client.batch_get_item, RequestItems=request)
            for item in answer["Responses"].get(self.name, ()):
                items[item["pk"]["S"], item["sk"]["S"]] = item
            unprocessed = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            unread = [*unprocessed, *rest]
            if unprocessed:  # 16 MB of answer, or throttled: in both cases a later request returns them
                backoff.pause()
        return items

    def _read(self, operation: Callable[..., dict[str, Any]], **request: Any) -> dict[str, Any]:
        if self.budget is None:
            with translated():
                return operation(**request)
        with translated():
            answer = operation(**request, ReturnConsumedCapacity="TOTAL")
        self.budget.spend(answer)
        return answer

    def put(self, item: Item, replaces: int | None) -> None:
        """Put an item on condition that version `replaces` is stored; None: that no item is stored.

        *raises*: ConditionFailed when another version is stored, or another writer is at the item at this moment.
        """
        with _contended_is_lost(), translated():
            self.client.put_item(**self._conditional(item, replaces))

    def put_together(
        self, item: Item, replaces: int | None, puts: Sequence[Item], deletes: Sequence[ItemKey] = ()
    ) -> None:
        """Put an item as `put` does, and put and delete others in the same transaction. *raises*: as `put`."""
        writes: list[dict[str, Any]] = [{"Put": {"TableName": self.name, "Item": companion}} for companion in puts]
        writes += [
            {"Delete": {"TableName": self.name, "Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in deletes
        ]
        writes.append({"Put": self._conditional(item, replaces)})
        with _contended_is_lost(), translated():
            self.client.transact_write_items(TransactItems=writes)

    def _conditional(self, item: Item, replaces: int | None) -> dict[str, Any]:
        put: dict[str, Any] = {"TableName": self.name, "Item": item}
        if replaces is None:
            return put | {"ConditionExpression": "attribute_not_exists(pk)"}
        return put | {
            "ConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"N": str(replaces)}},
        }

    def write(self, puts: Iterable[Item] = (), deletes: Iterable[ItemKey] = (), *, deadline: Deadline) -> None:
        """Put items and delete others, in no order, until all of it is done."""
        unwritten: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
        unwritten += [{"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in deletes]
        backoff = deadline.backoff()
        while unwritten:
            batch, rest = _batch(unwritten)
            with translated():
                answer = self.client.batch_write_item(RequestItems={self.name: batch})
            unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
            unwritten = [*unprocessed, *rest]
            if unprocessed:
                backoff.pause()

    def transact(self, writes: Sequence[dict[str, dict[str, Item]]]) -> None:
        """All of these writes, such as `{"Put": {"Item": …}}`, or none. *raises*: Unavailable."""
        named = [{kind: {"TableName": self.name, **write} for kind, write in entry.items()} for entry in writes]
        with translated():
            self.client.transact_write_items(TransactItems=named)


@contextmanager
def _contended_is_lost() -> Iterator[None]:
    """A writer that is at the item already is the faster one: a condition on the version exists to report that."""
    try:
        yield
    except Contended as error:
        raise ConditionFailed from error


def _batch(requests: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """As many write requests as one call takes, and the rest."""
    size = 0
    for count, request in enumerate(requests[:ITEMS_PER_BATCH_WRITE]):
        size += sum(len(value.get("B", b"")) + 200 for value in request.get("PutRequest", {}).get("Item", {}).values())
        if size > BYTES_PER_BATCH_WRITE and count:
            return requests[:count], requests[count:]
    return requests[:ITEMS_PER_BATCH_WRITE], requests[ITEMS_PER_BATCH_WRITE:]
