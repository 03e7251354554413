"""Shortcuts through moto's most expensive steps. Each has the same result as the step that it replaces.

moto copies a table and its stream before each transaction, sorts all items for each query, and looks for values of all
ten types in each attribute of a response. Most of moto's time was spent on that, and more with every write.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from moto.core.serialize import JSONSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table

Items = defaultdict[DynamoType, dict[DynamoType, Item]]
"""The items of a table, by partition key and sort key."""

query = Table.query
transact_write = DynamoDBBackend.transact_write_items
serialize_structure = JSONSerializer._serialize_type_structure


def take() -> None:
    """Take the shortcuts in this process. *repeat*: changes nothing."""
    Table.query = query_partition  # type: ignore[assignment, method-assign]
    DynamoDBBackend.transact_write_items = transact_write_partitions  # type: ignore[assignment, method-assign]
    StreamShard.__deepcopy__ = copy_of_stream  # type: ignore[attr-defined]
    JSONSerializer._serialize_type_structure = serialize_used_members  # type: ignore[assignment, method-assign]


def query_partition(table: Table, *arguments: Any, **named: Any) -> Any:
    """Query a table that has only the items of the partition. moto sorts all items before it leaves out the others."""
    if conditions := named.get("hash_key_conditions"):
        table = copy.copy(table)
        table.items = _partition(table, dict(conditions))
    return query(table, *arguments, **named)


def _partition(table: Table, conditions: dict[str, DynamoType]) -> Items:
    """The items whose attributes have these values: the partition key of the table, or those of an index."""
    found = conditions.get(table.hash_key_attr)
    candidates = table.items if found is None else {found: table.items.get(found, {})}
    partition: Items = defaultdict(dict)
    for hash_key, items in candidates.items():
        for sort_key, item in items.items():
            if all(name in item.attrs and item.attrs[name] == value for name, value in conditions.items()):
                partition[hash_key][sort_key] = item
    return partition


class _CopiedInPart(Items):
    """The items of a table during a transaction, which changes none outside of the partitions that it names."""

    def __init__(self, items: Items, named: set[DynamoType]) -> None:
        super().__init__(dict, items)
        self._named = named

    def __deepcopy__(self, memo: dict[int, Any]) -> Items:
        copied: Items = defaultdict(dict, self)
        for key in self._named & self.keys():
            copied[key] = copy.deepcopy(self[key], memo)
        return copied


def transact_write_partitions(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Write a transaction. Of the copy to which moto returns when it fails, only the named partitions are new."""
    tables = {name: backend.tables[name] for name, _ in _written(backend, transact_items)}
    for name, table in tables.items():
        keys = {key for written, key in _written(backend, transact_items) if written == name}
        table.items = _CopiedInPart(table.items, keys)
    try:
        transact_write(backend, transact_items)
    finally:
        for table in tables.values():
            table.items = defaultdict(dict, table.items)


def _written(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> Iterator[tuple[str, DynamoType]]:
    """The tables and the partition keys of a transaction. *absent*: those that moto refuses."""
    for entry in transact_items:
        for operation in entry.values():
            table = backend.tables.get(operation.get("TableName"))
            key = operation.get("Item", operation.get("Key", {}))
            if table and key.get(table.hash_key_attr):
                yield table.name, DynamoType(key[table.hash_key_attr])


def copy_of_stream(stream: StreamShard, memo: dict[int, Any]) -> StreamShard:
    """A copy with the same records, which never change: the stream has one of every write to its table."""
    memo[id(stream)] = copied = copy.copy(stream)
    copied.items = list(stream.items)
    copied.table = copy.deepcopy(stream.table, memo)
    return copied


def serialize_used_members(serializer: JSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """Serialize the only member of an attribute's value, named by its type. Other structures are left to moto."""
    if shape.name != "AttributeValue" or not isinstance(value, dict) or not value.keys() <= shape.members.keys():
        serialize_structure(serializer, serialized, value, shape, key)
        return
    members: dict[str, Any] = {}
    for name, member in value.items():
        if member is not None:
            serializer._serialize(members, member, shape.members[name], name)
    serializer._default_serialize(serialized, members, shape, key)
