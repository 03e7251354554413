"""The one DynamoDB client, and the meaning of its failures.

This module knows no items and no keys. Every call is made inside `with translated():`, so that no botocore error leaves
this package.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import boto3
from botocore.config import Config
from botocore.credentials import EnvProvider
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from tracestore.domain.errors import Unavailable

Client: TypeAlias = Any
"""boto3 creates the classes of its clients at run time, so there is no class to name."""

TRANSIENT: Final = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
"""Codes of failures that may pass: those of single calls, and those of the reasons of a cancelled transaction."""

CONTENDED: Final = frozenset({"TransactionConflict", "TransactionConflictException"})
"""Codes that report another writer at the item at this moment."""

CONDITION_FAILED: Final = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})


_BUSY: Final = "The store is busy or out of reach. Send the same request again after the time in Retry-After."


class ConditionFailed(Exception):
    """Another version is stored than the write was made for: read again and decide anew."""


class Contended(Unavailable):
    """Another writer is at the item at this moment: a caller that can decide anew need not wait long."""


def client(endpoint: str | None = None) -> Client:
    """The DynamoDB client of a process, with timeouts that leave time to respond within API Gateway's 30 seconds.

    An `endpoint` outside AWS gets made-up credentials when the environment has none: engines on a developer's machine
    require some and check nothing.
    """
    session = boto3.Session()
    is_local = endpoint is not None and ".amazonaws.com" not in endpoint
    made_up = "local" if is_local and EnvProvider().load() is None else None
    config = Config(
        parameter_validation=False,  # half of botocore's time for an item, and all items are built by this package
        tcp_keepalive=True,
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=16,
    )
    return session.client(
        "dynamodb",
        config=config,
        endpoint_url=endpoint,
        region_name=session.region_name or ("us-east-1" if is_local else None),
        aws_access_key_id=made_up,
        aws_secret_access_key=made_up,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Translate AWS's errors into our own, by code and never by message.

    *raises*: Unavailable where a later attempt may succeed (Contended where another writer is at the item),
    ConditionFailed where a condition did not hold. Any other error is a mistake in this code and passes unchanged.
    """
    try:
        yield
    except ClientError as error:
        codes = _codes(error)
        if codes & CONDITION_FAILED:
            raise ConditionFailed from error
        if codes & CONTENDED:
            raise Contended(_BUSY) from error
        if codes & TRANSIENT or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise _unavailable() from error
        raise
    except (HTTPClientError, ConnectionFailed) as error:
        raise _unavailable() from error


def _codes(error: ClientError) -> set[str]:
    """The error's own code and the codes of the reasons for which a transaction was cancelled."""
    response: dict[str, Any] = dict(error.response)
    reasons = response.get("CancellationReasons") or ()
    return {response.get("Error", {}).get("Code", ""), *(reason.get("Code", "") for reason in reasons)}


def _unavailable() -> Unavailable:
    return Unavailable(_BUSY)
