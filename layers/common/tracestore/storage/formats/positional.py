"""Lists without names, whose entries are known by their index. They are extended only at the end."""

from collections.abc import Sequence
from typing import Any


def extended(stored: Sequence[Any], absent: Sequence[Any]) -> list[Any]:
    """The stored entries with the current length.

    *absent*: an entry that was declared after the list was stored has its value in `absent`. An entry of a later
    version, which this one has not declared, is left out.
    """
    return [*stored, *absent[len(stored) :]][: len(absent)]


def without_zeros(entries: Sequence[Any]) -> list[Any]:
    """The entries up to the last one that is not 0: `extended` adds the zeros after it again."""
    length = len(entries)
    while length and not entries[length - 1]:
        length -= 1
    return list(entries[:length])
