"""IAM's decision about a request to DynamoDB, as far as the template's policies need it.

*source*: AWS Identity and Access Management User Guide, "Policy evaluation logic" and "Multivalued context keys".
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

Statement = Mapping[str, Any]


@dataclass(frozen=True)
class Access:
    """One access that a request makes: an action on a table or an index, with the partition keys that it names."""

    action: str
    resource: str
    leading_keys: tuple[str, ...] = ()


_TRANSACTED: Final = {"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "GetItem"}


def accesses_of(operation: str, request: Mapping[str, Any], table_arn: str) -> Iterator[Access]:
    """The accesses of a request to the one table. A transaction is authorized write by write.

    *raises*: KeyError for an operation that the store does not use.
    """
    if operation == "TransactWriteItems":
        for entry in request["TransactItems"]:
            ((kind, write),) = entry.items()
            yield Access(f"dynamodb:{_TRANSACTED[kind]}", table_arn, (_pk(write.get("Item") or write["Key"]),))
        return
    index = request.get("IndexName")
    resource = f"{table_arn}/index/{index}" if index else table_arn
    yield Access(f"dynamodb:{operation}", resource, tuple(_KEYS[operation](request)))


def _pk(item: Mapping[str, Any]) -> str:
    return str(item["pk"]["S"])


def _queried(request: Mapping[str, Any]) -> list[str]:
    """The partition of a query, whose condition begins with its key."""
    name = re.match(r"\S+ = (:\w+)", request["KeyConditionExpression"])
    assert name
    return [request["ExpressionAttributeValues"][name[1]]["S"]]


def _written(request: Mapping[str, Any]) -> list[str]:
    writes = [write for writes in request["RequestItems"].values() for write in writes]
    return [_pk(entry.get("Item") or entry["Key"]) for write in writes for entry in write.values()]


_KEYS: Final[dict[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "BatchGetItem": lambda request: [_pk(key) for got in request["RequestItems"].values() for key in got["Keys"]],
    "BatchWriteItem": _written,
    "GetItem": lambda request: [_pk(request["Key"])],
    "PutItem": lambda request: [_pk(request["Item"])],
    "Query": _queried,
    "Scan": lambda _: [],
}
"""The partition keys in the requests of each operation."""


def is_allowed(statements: Sequence[Statement], access: Access) -> bool:
    """Whether a statement allows the access and none denies it."""
    effects = {statement["Effect"] for statement in statements if _applies(statement, access)}
    return effects == {"Allow"}


def _applies(statement: Statement, access: Access) -> bool:
    is_about = _is_any(statement["Action"], access.action) and _is_any(statement["Resource"], access.resource)
    conditions = statement.get("Condition", {}).items()
    return is_about and all(_holds(operator, keys, access) for operator, keys in conditions)


def _holds(operator: str, keys: Mapping[str, Any], access: Access) -> bool:
    """Whether a condition holds. One about all values holds where there is none.

    *raises*: KeyError for an operator or a key that is not implemented here.
    """
    matches = _OPERATORS[operator]
    values = {"dynamodb:LeadingKeys": access.leading_keys}
    return all(any(matches(pattern, value) for pattern in keys[key]) for key in keys for value in values[key])


def _is_any(patterns: str | Sequence[str], value: str) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(_like(pattern, value) for pattern in listed)


def _like(pattern: str, value: str) -> bool:
    """Whether a pattern of IAM matches the whole value: `*` is any text, `?` any one character."""
    return _regular(pattern).fullmatch(value) is not None


@cache
def _regular(pattern: str) -> re.Pattern[str]:
    parts = ({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile("".join(parts), re.DOTALL)


_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "ForAllValues:StringEquals": lambda pattern, value: pattern == value,
    "ForAllValues:StringLike": _like,
}
