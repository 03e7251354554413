"""What AWS's failures mean, decided by their codes."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from tracestore.domain.errors import Unavailable
from tracestore.storage.dynamo import ConditionFailed, client, translated


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
        refused("TransactionConflictException"),
        refused("TransactionInProgressException"),
        refused("TransactionCanceledException", reasons=("None", "TransactionConflict")),
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
