"""Items in DynamoDB's JSON. Binary values are base64 there and bytes in an item; all other values are the same.

*source*: Amazon DynamoDB API Reference, "AttributeValue".
"""

from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from .model import Item


def item_of(members: Mapping[str, Mapping[str, Any]]) -> Item:
    """The item with these attributes."""
    return {
        name: {**value} if "S" in value or "N" in value else _value_of(value)  # almost all values, in half the time
        for name, value in members.items()
    }


def items_of(listed: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[Item]:
    """The items with these attributes."""
    return [item_of(members) for members in listed]


def _value_of(value: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    decoded = _DECODED.get(kind)
    return {kind: decoded(content) if decoded else content}


_DECODED: Final[dict[str, Callable[[Any], Any]]] = {
    "B": a2b_base64,
    "BS": lambda contents: [a2b_base64(content) for content in contents],
    "L": lambda contents: [_value_of(content) for content in contents],
    "M": item_of,
}
"""How the content of a value is decoded, by its type. *absent*: it is taken as it is."""
