"""What a process remembers stays within its bytes, and the oldest leaves first."""

from tracestore.storage.bounded_memory import BoundedMemory


def test_the_values_put_first_leave_when_there_is_no_room() -> None:
    memory = BoundedMemory[str](100)
    for number in range(4):
        memory.put(f"k{number}", f"v{number}", 30)
    assert [memory.get(f"k{number}") for number in range(4)] == [None, "v1", "v2", "v3"]
    assert memory.memory_bytes == 90
    memory.put("k1", "new", 40)  # in place of the old one, as the newest
    assert [memory.get(f"k{number}") for number in range(4)] == [None, "new", "v2", "v3"]
    memory.put("k4", "v4", 20)
    assert "k2" not in memory
    assert memory.memory_bytes == 90


def test_a_value_without_room_is_not_kept_and_drives_out_no_other() -> None:
    memory = BoundedMemory[str](100)
    memory.put("small", "value", 50)
    memory.put("large", "value", 101)
    assert ("small" in memory, "large" in memory, memory.memory_bytes) == (True, False, 50)
    memory.put("small", "a longer value", 101)
    assert ("small" in memory, memory.memory_bytes) == (False, 0)
    memory.put("all", "value", 100)
    assert memory.get("all") == "value"
    memory.drop("absent")
    assert memory.memory_bytes == 100
