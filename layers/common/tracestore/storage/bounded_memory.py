"""Values that a process remembers within a number of bytes."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedMemory(Generic[Value]):
    """Values by key. Those that were put first leave when there is no room. Its owner holds a lock: it has none."""

    def __init__(self, bytes_most: int) -> None:
        self.memory_bytes = 0
        self._bytes_most = bytes_most
        self._entries: OrderedDict[str, tuple[Value, int]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str) -> Value | None:
        """The value of a key. *absent*: None."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def put(self, key: str, value: Value, memory_bytes: int) -> None:
        """Remember a value as the newest, in place of the one with the same key. One that has no room is forgotten."""
        self.drop(key)
        if memory_bytes > self._bytes_most:
            return
        self._entries[key] = value, memory_bytes
        self.memory_bytes += memory_bytes
        while self.memory_bytes > self._bytes_most:
            self.drop(next(iter(self._entries)))

    def drop(self, key: str) -> None:
        """Forget the value of a key. *absent*: changes nothing."""
        if (entry := self._entries.pop(key, None)) is not None:
            self.memory_bytes -= entry[1]
