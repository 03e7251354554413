"""Batches, windows and retries of one shard's records, as in Lambda's event source mapping."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from dev.handover import Handover, Record
from dev.template import Subscription

MINUTE_S = 60


def record(number: int, created_s: float = 0, size: int = 100) -> Record:
    change = {"SequenceNumber": str(number), "ApproximateCreationDateTime": created_s, "SizeBytes": size}
    return {"eventName": "INSERT", "dynamodb": change}


def stateful(event: dict[str, Any]) -> dict[str, Any]:
    """Count the records of a window in its state."""
    return {"state": {"count": event["state"].get("count", 0) + len(event["Records"])}}


def failing(_: dict[str, Any]) -> Any:
    raise RuntimeError("on purpose")


@dataclass
class Shard:
    """A handover with a clock, the events that it sent, and a function whose results the test chooses."""

    answer: Callable[[dict[str, Any]], Any] = lambda _: None
    now_s: float = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def subscribed(self, max_batching_s: float = 100, **settings: Any) -> "Shard":
        self.handover = Handover(
            Subscription("Function", **settings),
            "shardId-1",
            "arn",
            self._invoke,
            now_s=lambda: self.now_s,
            max_batching_s=max_batching_s,
            idle_s=120,
        )
        return self

    def _invoke(self, _: str, event: dict[str, Any]) -> Any:
        self.events.append(event)
        return self.answer(event)

    def take(self, *records: Record) -> list[list[str]]:
        """The records of each invocation after these records have been read."""
        self.handover.take(records)
        return self.handed_over()

    def handed_over(self, *, is_closed: bool = False) -> list[list[str]]:
        before = len(self.events)
        self.handover.hand_over(is_closed=is_closed)
        return [[r["dynamodb"]["SequenceNumber"] for r in event["Records"]] for event in self.events[before:]]


def windowed(answer: Callable[[dict[str, Any]], Any] = stateful, **settings: Any) -> Shard:
    return Shard(answer).subscribed(tumbling_window_s=MINUTE_S, **settings)


def test_without_a_batching_window_records_are_delivered_at_once() -> None:
    shard = Shard().subscribed()
    assert shard.take(record(1), record(2)) == [["1", "2"]]
    assert shard.events == [{"Records": [record(1), record(2)]}]


def test_records_are_collected_until_the_batching_window_has_passed() -> None:
    shard = Shard().subscribed(batching_window_s=5)
    assert shard.take(record(1)) == []
    shard.now_s = 4.9
    assert shard.take(record(2)) == []
    shard.now_s = 5
    assert shard.handed_over() == [["1", "2"]]


def test_records_are_collected_no_longer_than_the_limit() -> None:
    shard = Shard().subscribed(batching_window_s=300, max_batching_s=1)
    shard.take(record(1))
    shard.now_s = 1
    assert shard.handed_over() == [["1"]]


def test_a_full_batch_is_delivered_at_once_and_the_rest_is_collected() -> None:
    shard = Shard().subscribed(batching_window_s=5, batch_size=2)
    assert shard.take(*map(record, range(5))) == [["0", "1"], ["2", "3"]]


def test_a_batch_ends_before_six_megabytes() -> None:
    shard = Shard().subscribed()
    large = [record(number, size=2_500_000) for number in range(3)]
    assert shard.take(*large, record(3, size=7_000_000)) == [["0", "1"], ["2"], ["3"]]


def test_the_records_of_an_ended_shard_are_delivered_at_once() -> None:
    shard = Shard().subscribed(batching_window_s=5)
    shard.take(record(1))
    assert not shard.handover.done
    assert shard.handed_over(is_closed=True) == [["1"]]
    assert shard.handover.done


def test_a_failed_batch_is_repeated_unchanged() -> None:
    shard = Shard(failing).subscribed()
    assert shard.take(record(1)) == [["1"]]
    shard.answer = lambda _: None
    assert shard.take(record(2)) == [["1"], ["2"]]


def test_a_failure_is_returned_and_printed(capfd: pytest.CaptureFixture[str]) -> None:
    shard = Shard(failing).subscribed()
    shard.handover.take([record(1)])
    assert not shard.handover.hand_over()
    assert "on purpose" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        (["3", "2"], ["2", "3"]),
        (["3"], ["3"]),
        ([""], ["1", "2", "3"]),
        ([None], ["1", "2", "3"]),
        (["unknown"], ["1", "2", "3"]),
    ],
)
def test_all_records_from_the_first_failed_one_are_repeated(failed: list[Any], again: list[str]) -> None:
    shard = Shard(lambda _: {"batchItemFailures": [{"itemIdentifier": name} for name in failed]})
    shard.subscribed(reports_item_failures=True)
    assert shard.take(*map(record, (1, 2, 3))) == [["1", "2", "3"]]
    shard.answer = lambda _: {"batchItemFailures": []}
    assert shard.handed_over() == [again]
    assert shard.handover.done


def test_a_mapping_without_item_failures_ignores_them() -> None:
    shard = Shard(lambda _: {"batchItemFailures": [{"itemIdentifier": "1"}]}).subscribed()
    shard.take(record(1))
    assert shard.handed_over() == []


def test_the_event_of_a_window_contains_its_window_and_shard() -> None:
    shard = windowed()
    shard.take(record(1, created_s=65.9))
    assert shard.events == [
        {
            "Records": [record(1, created_s=65.9)],
            "window": {"start": "1970-01-01T00:01:00Z", "end": "1970-01-01T00:02:00Z"},
            "state": {},
            "shardId": "shardId-1",
            "eventSourceARN": "arn",
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }
    ]


def test_the_next_invocation_of_a_window_receives_its_state() -> None:
    shard = windowed()
    shard.take(record(1), record(2))
    shard.take(record(3))
    assert [event["state"] for event in shard.events] == [{}, {"count": 2}]


def test_a_record_of_a_later_window_ends_the_open_one_and_starts_without_state() -> None:
    shard = windowed()
    assert shard.take(record(1, 59), record(2, 60)) == [["1"], [], ["2"]]
    invocations = [
        (event["isFinalInvokeForWindow"], event["state"], event["window"]["start"][14:19]) for event in shard.events
    ]
    assert invocations == [(False, {}, "00:00"), (True, {"count": 1}, "00:00"), (False, {}, "01:00")]


def test_a_window_without_further_records_ends_by_itself() -> None:
    shard = windowed()
    shard.take(record(1))
    shard.now_s = MINUTE_S + 119
    assert shard.handed_over() == []
    shard.now_s = MINUTE_S + 120
    assert shard.handed_over() == [[]]
    assert shard.handover.done


def test_a_window_ends_with_its_shard() -> None:
    shard = windowed(batching_window_s=5)
    shard.take(record(1))
    assert shard.handed_over(is_closed=True) == [["1"], []]
    assert shard.events[-1]["isFinalInvokeForWindow"]


@pytest.mark.parametrize("answer", [None, {}, {"state": None}, {"state": "text"}, {"batchItemFailures": []}])
def test_a_result_without_a_state_is_a_failure(answer: Any) -> None:
    shard = windowed(lambda _: answer)
    shard.take(record(1))
    shard.answer = stateful
    assert shard.handed_over() == [["1"]]
    assert shard.handed_over() == []


def test_a_repeated_batch_receives_the_same_state() -> None:
    shard = windowed()
    shard.take(record(1))
    shard.answer = failing
    shard.take(record(2))
    shard.answer = stateful
    shard.handed_over()
    assert [event["state"] for event in shard.events] == [{}, {"count": 1}, {"count": 1}]


def test_a_state_of_more_than_a_megabyte_ends_the_window_early() -> None:
    shard = windowed(lambda _: {"state": {"text": "x" * 1_000_001}})
    shard.handover.take([record(1)])
    shard.handover.hand_over()
    shard.answer = stateful
    assert shard.take(record(2)) == [["2"]]
    ends = [(e["isFinalInvokeForWindow"], e["isWindowTerminatedEarly"], len(str(e["state"])) > 9) for e in shard.events]
    assert ends == [(False, False, False), (True, True, True), (False, False, False)]


def test_a_failed_final_invocation_is_repeated() -> None:
    shard = windowed(reports_item_failures=True)
    shard.take(record(1))
    shard.answer = lambda event: {**stateful(event), "batchItemFailures": [{"itemIdentifier": ""}]}
    assert shard.handed_over(is_closed=True) == [[]]
    shard.answer = stateful
    assert shard.handed_over(is_closed=True) == [[]]
    assert shard.handover.done
