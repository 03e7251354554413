"""The one DynamoDB client, and what its failures mean.

Knows nothing of items or keys. Every call is made inside `with translated():`, so that no botocore error gets past
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
"""boto3 makes its clients at run time, so that there is no class to name."""

PASSING: Final = frozenset(
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
"""Codes that say "not now", those of single calls and those among the reasons of a cancelled transaction."""

CONTENDED: Final = frozenset({"TransactionConflict", "TransactionConflictException"})
"""Codes that say that another writer is at the item at this very moment."""

CONDITION_FAILED: Final = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})


_BUSY: Final = "The store is busy or out of reach. Send the same request again after the time in Retry-After."


class ConditionFailed(Exception):
    """What is stored is not what the write was made for: read again and decide anew."""


class Contended(Unavailable):
    """Another writer is at the item: who can decide anew need not wait for long."""


def client(endpoint: str | None = None) -> Client:
    """The DynamoDB client of a process, with limits that leave time to answer within API Gateway's 30 seconds.

    An `endpoint` outside AWS gets made-up credentials when the environment holds none: engines on a developer's machine
    ask for some and check nothing.
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
    """Turns what AWS answers into our own errors, by code and never by message.

    *raises*: `Unavailable` where a later attempt may pass (`Contended` where another writer is in the way),
    `ConditionFailed` where a condition did not hold. Anything else is a mistake of ours and stays what it is.
    """
    try:
        yield
    except ClientError as error:
        codes = _codes(error)
        if codes & CONDITION_FAILED:
            raise ConditionFailed from error
        if codes & CONTENDED:
            raise Contended(_BUSY) from error
        if codes & PASSING or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
            raise _unavailable() from error
        raise
    except (HTTPClientError, ConnectionFailed) as error:
        raise _unavailable() from error


def _codes(error: ClientError) -> set[str]:
    """The error's own code and those of the reasons why a transaction was cancelled."""
    response: dict[str, Any] = dict(error.response)
    reasons = response.get("CancellationReasons") or ()
    return {response.get("Error", {}).get("Code", ""), *(reason.get("Code", "") for reason in reasons)}


def _unavailable() -> Unavailable:
    return Unavailable(_BUSY)
