"""Stream events, and the wrapper around their consumers: one log line per invocation, failures raised."""

import base64
import json
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools import Logger

from tracestore.domain.errors import Unavailable
from tracestore.http.stream import consuming, records_of, shard_id_of

KEYS = {"pk": {"S": "U#ada"}, "sk": {"S": "H"}}


class Context:
    """The context that Lambda passes to a function."""

    aws_request_id = "lambda-1"


def event(*changes: Mapping[str, Any], name: str = "MODIFY", **fields: Any) -> dict[str, Any]:
    records = [
        {"eventName": name, "dynamodb": {"Keys": KEYS, "SequenceNumber": str(number), **change}}
        for number, change in enumerate(changes, 1)
    ]
    return {"Records": records, **fields}


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_record_has_its_name_sequence_and_keys() -> None:
    (record,) = records_of(event({"SequenceNumber": "0" * 10 + "9" * 30}, name="INSERT"))
    assert record[:4] == ("INSERT", 10**30 - 1, "U#ada", "H")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"S": "text"}, {"S": "text"}),
        ({"N": "7"}, {"N": "7"}),
        ({"NULL": True}, {"NULL": True}),
        ({"B": encoded(b"\xff\x00")}, {"B": b"\xff\x00"}),
        ({"BS": [encoded(b"\x01")]}, {"BS": [b"\x01"]}),
        ({"L": [{"B": encoded(b"\x01")}, {"S": "a"}]}, {"L": [{"B": b"\x01"}, {"S": "a"}]}),
        ({"M": {"in": {"B": encoded(b"\x01")}}}, {"M": {"in": {"B": b"\x01"}}}),
    ],
)
def test_an_image_is_the_item_as_it_was_stored(sent: dict[str, Any], stored: dict[str, Any]) -> None:
    (record,) = records_of(event({"NewImage": {**KEYS, "value": sent}}))
    assert record.new == {**KEYS, "value": stored}


@pytest.mark.parametrize(("image", "field"), [("OldImage", "new"), ("NewImage", "old")])
def test_an_absent_image_is_none(image: str, field: str) -> None:
    (record,) = records_of(event({image: KEYS}))
    assert getattr(record, field) is None


@pytest.mark.parametrize("ending", [{"Records": []}, {}])
def test_a_window_may_end_without_records(ending: dict[str, Any]) -> None:
    assert records_of({**ending, "isFinalInvokeForWindow": True}) == []


def test_an_event_of_a_window_names_its_shard() -> None:
    assert shard_id_of({"Records": [], "shardId": "shardId-1"}) == "shardId-1"


def invoked(consumer: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The log line of an invocation."""
    written = StringIO()
    handler = consuming(consumer, logger=Logger(service=f"test-{id(written)}", stream=written))
    try:
        handler(event({}, {}, shardId="s"), Context())
    finally:
        (text,) = written.getvalue().splitlines()
    line: dict[str, Any] = json.loads(text)
    return line


def test_an_invocation_logs_one_line_with_the_fields_of_the_consumer() -> None:
    def consume(_event: Any, _context: Any, line: dict[str, Any]) -> dict[str, Any]:
        line["jobs"] = 3
        return {}

    line = invoked(consume)
    assert {name: line[name] for name in ("message", "lambda_request_id", "records", "shard", "jobs")} == {
        "message": "stream",
        "lambda_request_id": "lambda-1",
        "records": 2,
        "shard": "s",
        "jobs": 3,
    }


@pytest.mark.parametrize(
    ("error", "name"), [(Unavailable("Busy."), "store_unavailable"), (KeyError("a secret"), "KeyError")]
)
def test_a_failure_is_named_in_the_line_and_raised(error: Exception, name: str) -> None:
    written = StringIO()

    def fail(*_: Any) -> dict[str, Any]:
        raise error

    handler = consuming(fail, logger=Logger(service=f"test-{id(written)}", stream=written))
    with pytest.raises(type(error)):
        handler(event({}), Context())
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["failed"] == name
    assert "secret" not in line


def test_the_result_of_the_consumer_is_returned_to_lambda() -> None:
    handler = consuming(lambda *_: {"state": {"a": 1}}, logger=Logger(service="test-stream", stream=StringIO()))
    assert handler(event({}), Context()) == {"state": {"a": 1}}
