"""What AWS's failures mean, decided by their codes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tracestore.domain.errors import Unavailable
from tracestore.storage.dynamo import ConditionFailed, Contended, client, translated
from tracestore.storage.table import Table


def refused(code: str, *, status: int = 400, reasons: tuple[str, ...] = ()) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "ThrottlingException, or so it says"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }
    return ClientError(response, "PutItem")


@pytest.mark.parametrize(
    "error",
    [
        refused("ProvisionedThroughputExceededException"),
        refused("ThrottlingException"),
        refused("RequestLimitExceeded"),
        refused("TransactionInProgressException"),
        refused("TransactionCanceledException", reasons=("ThrottlingError", "None")),
        refused("InternalServerError", status=500),
        refused("SomethingNew", status=503),
        EndpointConnectionError(endpoint_url="x"),
        ConnectTimeoutError(endpoint_url="x"),
        ReadTimeoutError(endpoint_url="x"),
    ],
    ids=repr,
)
def test_what_may_pass_is_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable), translated():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        refused("TransactionConflictException"),
        refused("TransactionCanceledException", reasons=("None", "TransactionConflict")),
    ],
)
def test_another_writer_at_the_item_is_told_apart(error: Exception) -> None:
    with pytest.raises(Contended), translated():
        raise error


@pytest.mark.parametrize("act", ["put", "put_together"])
def test_a_head_that_somebody_is_at_counts_as_changed(act: str) -> None:
    class Busy:
        def put_item(self, **_: object) -> None:
            raise refused("TransactionConflictException")

        def transact_write_items(self, **_: object) -> None:
            raise refused("TransactionCanceledException", reasons=("TransactionConflict", "None"))

    table = Table(Busy(), "t")
    with pytest.raises(ConditionFailed):
        table.put({}, 1) if act == "put" else table.put_together({}, 1, [])


@pytest.mark.parametrize(
    "error",
    [
        refused("ConditionalCheckFailedException"),
        refused("TransactionCanceledException", reasons=("None", "ConditionalCheckFailed")),
        refused("TransactionCanceledException", reasons=("TransactionConflict", "ConditionalCheckFailed")),
    ],
)
def test_a_condition_that_did_not_hold_stays_visible(error: Exception) -> None:
    with pytest.raises(ConditionFailed), translated():
        raise error


def test_a_mistake_of_ours_stays_what_it_is_whatever_its_message() -> None:
    with pytest.raises(ClientError), translated():
        raise refused("ValidationException")


def test_an_engine_on_this_machine_needs_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    made = client("http://127.0.0.1:9")
    assert made.meta.endpoint_url == "http://127.0.0.1:9"
