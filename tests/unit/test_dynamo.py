"""DynamoDB's failures are translated by their codes, never by their messages, whichever client meets them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tracestore.domain.errors import Unavailable
from tracestore.storage.dynamo import (
    Client,
    ConditionFailed,
    Contended,
    Interceptor,
    RequestFailed,
    Unreachable,
    client,
    translated,
)
from tracestore.storage.dynamo_boto3 import renamed
from tracestore.storage.dynamo_http import HttpSender
from tracestore.storage.table import Table

REFUSALS: dict[type[Exception], list[tuple[str, int, tuple[str, ...]]]] = {
    Unavailable: [
        ("ProvisionedThroughputExceededException", 400, ()),
        ("ThrottlingException", 400, ()),
        ("RequestLimitExceeded", 400, ()),
        ("TransactionInProgressException", 400, ()),
        ("TransactionCanceledException", 400, ("ThrottlingError", "None")),
        ("InternalServerError", 500, ()),
        ("SomethingNew", 503, ()),
    ],
    Contended: [
        ("TransactionConflictException", 400, ()),
        ("TransactionCanceledException", 400, ("None", "TransactionConflict")),
    ],
    ConditionFailed: [
        ("ConditionalCheckFailedException", 400, ()),
        ("TransactionCanceledException", 400, ("None", "ConditionalCheckFailed")),
        ("TransactionCanceledException", 400, ("TransactionConflict", "ConditionalCheckFailed")),
    ],
    RequestFailed: [("ValidationException", 400, ())],
}
CASES = [(expected, *refusal) for expected, refusals in REFUSALS.items() for refusal in refusals]


def client_error(code: str, status: int = 400, reasons: tuple[str, ...] = ()) -> ClientError:
    """The error as botocore raises it."""
    response: Any = {
        "Error": {"Code": code, "Message": "ThrottlingException is only in this message"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(("expected", "code", "status", "reasons"), CASES)
def test_a_refusal_is_translated_by_its_codes(
    expected: type[Exception], code: str, status: int, reasons: tuple[str, ...]
) -> None:
    with pytest.raises(expected) as raised, translated():
        raise RequestFailed(code, "ThrottlingException is only in this message", status=status, reasons=reasons)
    assert type(raised.value) is expected


@pytest.mark.parametrize(("expected", "code", "status", "reasons"), CASES)
def test_a_refusal_that_boto3_reports_is_translated_likewise(
    expected: type[Exception], code: str, status: int, reasons: tuple[str, ...]
) -> None:
    with pytest.raises(expected) as raised, translated(), renamed():
        raise client_error(code, status, reasons)
    assert type(raised.value) is expected


@pytest.mark.parametrize("error", [EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError])
def test_a_store_that_boto3_cannot_reach_is_unavailable(error: Any) -> None:
    with pytest.raises(Unavailable), translated(), renamed():
        raise error(endpoint_url="x")


def test_a_store_that_cannot_be_reached_is_unavailable() -> None:
    with pytest.raises(Unavailable), translated():
        raise Unreachable("cut")


@pytest.mark.parametrize("act", ["put", "put_together"])
def test_a_head_that_another_writer_is_writing_counts_as_changed(act: str) -> None:
    class Busy:
        def put_item(self, **_: object) -> None:
            raise RequestFailed("TransactionConflictException")

        def transact_write_items(self, **_: object) -> None:
            raise RequestFailed("TransactionCanceledException", reasons=("TransactionConflict", "None"))

    table = Table(Busy(), "t")
    with pytest.raises(ConditionFailed):
        table.put({}, 1) if act == "put" else table.put_together({}, 1, [])


def test_interceptors_surround_a_request_the_last_one_outermost() -> None:
    def naming(name: str) -> Interceptor:
        return lambda operation, request, send: {**send(operation, {**request, name: len(request)}), "by": name}

    db = Client(lambda operation, request: {"operation": operation, **request})
    db.interceptors += [naming("inner"), naming("outer")]
    assert db.get_item(Key={}) == {"operation": "GetItem", "Key": {}, "outer": 1, "inner": 2, "by": "outer"}


IN_LAMBDA = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "secret"}


def sender_of(endpoint: str | None, environment: dict[str, str]) -> Any:
    """The object that sends the requests of a client in this environment."""
    return client(endpoint, environment)._send


@pytest.mark.parametrize(
    ("endpoint", "environment", "host"),
    [
        (None, IN_LAMBDA, "dynamodb.eu-west-1.amazonaws.com"),
        (None, {**IN_LAMBDA, "AWS_REGION": "cn-north-1"}, "dynamodb.cn-north-1.amazonaws.com.cn"),
        (None, {**IN_LAMBDA, "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ("http://127.0.0.1:9", {}, "127.0.0.1:9"),
    ],
)
def test_an_environment_that_names_region_and_credentials_needs_no_boto3(
    endpoint: str | None, environment: dict[str, str], host: str
) -> None:
    sender = sender_of(endpoint, environment)
    assert isinstance(sender, HttpSender)
    assert sender.posts.connections.host == host


@pytest.mark.parametrize(
    ("endpoint", "environment"),
    [
        (None, {**IN_LAMBDA, "DYNAMODB_CLIENT": "boto3"}),
        (None, {**IN_LAMBDA, "AWS_USE_FIPS_ENDPOINT": "true"}),
        (None, {**IN_LAMBDA, "AWS_REGION": "us-iso-east-1"}),
        (None, {"AWS_REGION": "eu-west-1"}),
    ],
)
def test_other_environments_are_left_to_boto3(endpoint: str | None, environment: dict[str, str]) -> None:
    assert not isinstance(sender_of(endpoint, environment), HttpSender)
