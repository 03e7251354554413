"""The meter of the benchmarks: it adds what DynamoDB Local does not report, as AWS bills it."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from dev.bench.meter import Meter
from tracestore.storage.dynamo import RequestFailed

KEYS = [{"pk": {"S": "p"}, "sk": {"S": sk}} for sk in "abc"]


def answering(**response: Any) -> Callable[[str, Any], Any]:
    return lambda _operation, _request: response


@pytest.mark.parametrize(("consistent", "each"), [(True, 1.0), (False, 0.5)])
def test_keys_without_an_item_are_read_units(consistent: bool, each: float) -> None:
    meter = Meter()
    request = {"RequestItems": {"t": {"Keys": KEYS, "ConsistentRead": consistent}}}
    consumed = [{"TableName": "t", "CapacityUnits": each}]
    meter("BatchGetItem", request, answering(Responses={"t": [KEYS[0]]}, ConsumedCapacity=consumed))
    assert meter.take().read_units == 3 * each


def test_keys_that_were_not_processed_are_no_read_units() -> None:
    meter = Meter()
    left = {"t": {"Keys": KEYS}}
    meter("BatchGetItem", {"RequestItems": left}, answering(Responses={}, UnprocessedKeys=left, ConsumedCapacity=[]))
    assert meter.take().read_units == 0


@pytest.mark.parametrize(("reported", "units"), [(0.0, 1.0), (2.0, 2.0)])
def test_a_query_costs_at_least_one_unit(reported: float, units: float) -> None:
    meter = Meter()
    meter("Query", {"ConsistentRead": True}, answering(Items=[], ConsumedCapacity={"CapacityUnits": reported}))
    assert meter.take().read_units == units


def test_a_refused_write_costs_as_much_as_one_that_is_done() -> None:
    def refusing(_operation: str, _request: Any) -> Any:
        raise RequestFailed("ConditionalCheckFailedException")

    meter = Meter()
    with pytest.raises(RequestFailed):
        meter("PutItem", {"Item": {"pk": {"S": "p"}, "b": {"B": bytes(1_500)}}}, refusing)
    consumed = meter.take()
    assert (consumed.write_units, consumed.refused, consumed.call_count) == (2, 1, 1)


def test_calls_at_the_same_time_wait_once() -> None:
    """The inner call begins and ends while the outer one is under way: 1 second of 3."""
    seconds = count()
    meter = Meter(now_s=lambda: float(next(seconds)))
    done = answering(ConsumedCapacity={"CapacityUnits": 1.0})

    def calling(_operation: str, _request: Any) -> Any:
        return meter("PutItem", {}, done)

    meter("PutItem", {}, calling)
    assert meter.take().calls_in_turn == pytest.approx(2 * 3 / (3 + 1))


def test_calls_in_turn_wait_for_each() -> None:
    seconds = count()
    meter = Meter(now_s=lambda: float(next(seconds)))
    for _ in range(5):
        meter("PutItem", {}, answering(ConsumedCapacity={"CapacityUnits": 1.0}))
    consumed = meter.take()
    assert (consumed.calls_in_turn, consumed.write_units) == (5, 5)
    assert meter.take().calls_in_turn == 0
