"""AWS failures are translated by their codes, never by their messages."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tracestore.domain.errors import Unavailable
from tracestore.storage.dynamo import ConditionFailed, Contended, client, translated
from tracestore.storage.table import Table


def client_error(code: str, *, status: int = 400, reasons: tuple[str, ...] = ()) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "ThrottlingException is only in this message"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("ThrottlingException"),
        client_error("RequestLimitExceeded"),
        client_error("TransactionInProgressException"),
        client_error("TransactionCanceledException", reasons=("ThrottlingError", "None")),
        client_error("InternalServerError", status=500),
        client_error("SomethingNew", status=503),
        EndpointConnectionError(endpoint_url="x"),
        ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
    ],
    ids=repr,
)
def test_a_transient_failure_is_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable), translated():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        client_error("TransactionConflictException"),
        client_error("TransactionCanceledException", reasons=("None", "TransactionConflict")),
    ],
)
def test_a_conflict_with_another_writer_is_contended(error: Exception) -> None:
    with pytest.raises(Contended), translated():
        raise error


@pytest.mark.parametrize("act", ["put", "put_together"])
def test_a_head_that_another_writer_is_writing_counts_as_changed(act: str) -> None:
    class Busy:
        def put_item(self, **_: object) -> None:
            raise client_error("TransactionConflictException")

        def transact_write_items(self, **_: object) -> None:
            raise client_error("TransactionCanceledException", reasons=("TransactionConflict", "None"))

    table = Table(Busy(), "t")
    with pytest.raises(ConditionFailed):
        table.put({}, 1) if act == "put" else table.put_together({}, 1, [])


@pytest.mark.parametrize(
    "error",
    [
        client_error("ConditionalCheckFailedException"),
        client_error("TransactionCanceledException", reasons=("None", "ConditionalCheckFailed")),
        client_error("TransactionCanceledException", reasons=("TransactionConflict", "ConditionalCheckFailed")),
    ],
)
def test_a_failed_condition_is_condition_failed(error: Exception) -> None:
    with pytest.raises(ConditionFailed), translated():
        raise error


def test_an_invalid_request_is_not_translated_whatever_its_message() -> None:
    with pytest.raises(ClientError), translated():
        raise client_error("ValidationException")


def test_a_local_engine_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    db = client("http://127.0.0.1:9")
    assert db.meta.endpoint_url == "http://127.0.0.1:9"
