"""Shortcuts through moto's most expensive steps. Each has the same result as the step that it replaces.

moto copies a table and its stream before each transaction, sorts all items for each query, and looks for values of all
ten types in each attribute of a response. Most of moto's time was spent on that, and more with every write.
"""

import copy
from collections import defaultdict
from typing import Any

from moto.core.serialize import JSONSerializer
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamRecord, Table

query = Table.query
serialize_structure = JSONSerializer._serialize_type_structure


def take() -> None:
    """Take the shortcuts in this process. *repeat*: changes nothing."""
    StreamRecord.__deepcopy__ = itself  # type: ignore[attr-defined]
    Table.query = query_partition  # type: ignore[assignment, method-assign]
    JSONSerializer._serialize_type_structure = serialize_used_members  # type: ignore[assignment, method-assign]


def itself(record: StreamRecord, _: dict[int, Any]) -> StreamRecord:
    """The record in place of its copy, since no record changes.

    The stream has a record of every write and is part of the copies of its table, also when the items are deleted.
    """
    return record


def query_partition(table: Table, *arguments: Any, **named: Any) -> Any:
    """Query a table that has only the items of the partition. moto sorts all items before it leaves out the others."""
    if conditions := named.get("hash_key_conditions"):
        table = copy.copy(table)
        table.items = _partition(table, dict(conditions))
    return query(table, *arguments, **named)


def _partition(table: Table, conditions: dict[str, DynamoType]) -> defaultdict[DynamoType, dict[DynamoType, Item]]:
    """The items whose attributes have these values: the partition key of the table, or those of an index."""
    found = conditions.get(table.hash_key_attr)
    candidates = table.items if found is None else {found: table.items.get(found, {})}
    partition: defaultdict[DynamoType, dict[DynamoType, Item]] = defaultdict(dict)
    for hash_key, items in candidates.items():
        for sort_key, item in items.items():
            if all(name in item.attrs and item.attrs[name] == value for name, value in conditions.items()):
                partition[hash_key][sort_key] = item
    return partition


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
