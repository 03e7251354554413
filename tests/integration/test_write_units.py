"""Write units of workloads, from the sizes of the items that are put: one for each KB, and one for each index entry."""

from typing import Any

from dev import workloads
from tests.builders import Clock, store_on, writer
from tests.memory_dynamodb import Item, MemoryDynamoDB
from tracestore.domain.spans import Json
from tracestore.ingest.native import parse_capture
from tracestore.storage.items import item_bytes
from tracestore.storage.model import INDEXES
from tracestore.storage.new_traces import WRITE_UNIT_BYTES


class Billing(MemoryDynamoDB):
    """A table that adds up the write units of new and changed items."""

    def __init__(self) -> None:
        super().__init__()
        self.units = 0

    def _put(self, item: Item) -> None:
        before: dict[str, Any] = self._items.get((item["pk"]["S"], item["sk"]["S"]), {})
        self.units += -(-max(item_bytes(item), item_bytes(before)) // WRITE_UNIT_BYTES)
        self.units += sum(item.get(index) != before.get(index) for index in INDEXES)
        super()._put(item)


def units_per_span(requests: list[workloads.Request]) -> float:
    db, clock = Billing(), Clock()
    store = store_on(db, clock)
    for request in requests:
        clock.advance(s=7)
        body: dict[str, Json] = {"spans": list[Json](request)}
        parsed = parse_capture(body, now_ns=clock.ms * 10**6)
        assert not parsed.rejected
        writer(store, "writer-0a1b2c3d").capture([(trace_id, fields) for _, trace_id, fields in parsed.spans])
    return db.units / sum(map(len, requests))


def test_a_run_of_41_spans_costs_at_most_1_12_units_a_span_turn_by_turn() -> None:
    assert 1 < units_per_span(list(workloads.drip(turns=20, count=6))) <= 1.12


def test_a_chat_costs_two_units_and_two_entries_of_indexes() -> None:
    assert units_per_span(list(workloads.single_chats(50))) == 4


def test_an_agent_of_five_spans_costs_one_unit_a_span() -> None:
    assert 1 <= units_per_span(list(workloads.agents(50, turns=2))) <= 1.02
