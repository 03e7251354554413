"""boto3 behind the interface of `dynamo.Client`, and its errors under the names of that module.

Imported only where boto3 is used: importing it takes longer than everything else that a function imports.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as ConnectionFailed

from .connections import CONNECT_TIMEOUT_S, KEPT, READ_TIMEOUT_S
from .dynamo import Request, RequestFailed, Send, Unreachable
from .signed_posts import ATTEMPTS


def sender(endpoint: str | None, *, is_local: bool) -> Send:
    """Send requests with boto3's client, which finds the region and the credentials as boto3 does."""
    session = boto3.Session()
    config = Config(
        parameter_validation=False,  # half of botocore's time for an item, and all items are built by this package
        tcp_keepalive=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=KEPT,
    )
    made_up = "local" if is_local and session.get_credentials() is None else None
    client = session.client(
        "dynamodb",
        config=config,
        endpoint_url=endpoint,
        region_name=session.region_name or ("us-east-1" if is_local else None),
        aws_access_key_id=made_up,
        aws_secret_access_key=made_up,
    )

    def send(operation: str, request: Request, /) -> Request:
        with renamed():
            response: Request = getattr(client, xform_name(operation))(**request)
        return response

    return send


@contextmanager
def renamed() -> Iterator[None]:
    """Raise botocore's errors as RequestFailed and Unreachable."""
    try:
        yield
    except ClientError as error:
        response: Request = dict(error.response)
        reasons = tuple(str(reason.get("Code", "")) for reason in response.get("CancellationReasons") or ())
        description = response.get("Error", {})
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        raise RequestFailed(
            description.get("Code", ""), description.get("Message", ""), status=status, reasons=reasons
        ) from error
    except (HTTPClientError, ConnectionFailed) as error:
        raise Unreachable(type(error).__name__) from error
