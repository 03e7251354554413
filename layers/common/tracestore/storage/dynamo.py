"""The DynamoDB client of a process, and the meaning of its failures.

This module knows no items and no keys. Every call is made inside `with translated():`, so that no client's error leaves
this package.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from tracestore.domain.errors import Unavailable

if TYPE_CHECKING:
    from .aws_credentials import CredentialSource

Request: TypeAlias = dict[str, Any]
"""The members of a request or a response, as the DynamoDB API names them. Values of type B are bytes."""

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

INVALID: Final = "ValidationException"
"""The code of a request that DynamoDB never accepts, such as a put of an item above 400 KB."""

_BUSY: Final = "The store is busy or out of reach. Send the same request again after the time in Retry-After."


class ConditionFailed(Exception):
    """Another version is stored than the write was made for: read again and decide anew."""


class Contended(Unavailable):
    """Another writer is at the item at this moment: a caller that can decide anew need not wait long."""


class RequestFailed(Exception):
    """DynamoDB refused a request. `reasons` are the codes for which a transaction was cancelled.

    `status` is that of HTTP. The message is DynamoDB's, which never contains values of items.
    """

    def __init__(self, code: str, message: str = "", *, status: int = 400, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.status = status
        self.reasons = reasons


class Unreachable(Exception):
    """No response came: the connection or the response was cut, or took too long."""


class Send(Protocol):
    """A function that sends one request of an operation ("PutItem"). *raises*: RequestFailed, Unreachable."""

    def __call__(self, operation: str, request: Request, /) -> Request:
        """The members of the response."""
        ...


Interceptor: TypeAlias = Callable[[str, Request, Send], Request]
"""A function around every request of a client: it sends the request with `Send`, and returns its response."""


class Client:
    """The operations that the store uses, as methods with the names and the members that boto3 gives them.

    `interceptors` surround every request, the last one outermost: measurements and faults of tests are added there.
    `signing_with` returns a function that sends with other credentials.
    """

    def __init__(self, send: Send, signing_with: "Callable[[CredentialSource], Send] | None" = None) -> None:
        self.interceptors: list[Interceptor] = []
        self._send = send
        self._signing_with = signing_with

    def with_credentials(self, credentials: "CredentialSource") -> "Client":
        """A client that signs with other credentials, with the same connections and the same interceptors.

        *raises*: ValueError where boto3 sends the requests.
        """
        if self._signing_with is None:
            raise ValueError("The sessions of users need the store's own DynamoDB client: see dynamo.client.")
        client = Client(self._signing_with(credentials))
        client.interceptors = self.interceptors
        return client

    def batch_get_item(self, **request: Any) -> Request:
        """Send BatchGetItem."""
        return self._intercepted("BatchGetItem", request)

    def batch_write_item(self, **request: Any) -> Request:
        """Send BatchWriteItem."""
        return self._intercepted("BatchWriteItem", request)

    def get_item(self, **request: Any) -> Request:
        """Send GetItem."""
        return self._intercepted("GetItem", request)

    def put_item(self, **request: Any) -> Request:
        """Send PutItem."""
        return self._intercepted("PutItem", request)

    def query(self, **request: Any) -> Request:
        """Send Query."""
        return self._intercepted("Query", request)

    def scan(self, **request: Any) -> Request:
        """Send Scan: only commands of an operator do."""
        return self._intercepted("Scan", request)

    def transact_write_items(self, **request: Any) -> Request:
        """Send TransactWriteItems."""
        return self._intercepted("TransactWriteItems", request)

    def _intercepted(self, operation: str, request: Request) -> Request:
        send = self._send
        for interceptor in self.interceptors:
            send = partial(_through, interceptor, send)
        return send(operation, request)


def _through(interceptor: Interceptor, send: Send, operation: str, request: Request) -> Request:
    return interceptor(operation, request, send)


def client(endpoint: str | None, environment: Mapping[str, str]) -> Client:
    """The DynamoDB client of a process with these environment variables, at `endpoint` or in the region that they name.

    Lambda's environment names a region and credentials, which is all that our own client needs. boto3's client is used
    where it must find them elsewhere (profiles, single sign-on, instance metadata), in partitions whose host names only
    it has, and where `DYNAMODB_CLIENT` is `boto3`. An `endpoint` outside AWS gets made-up credentials when the
    environment has none: engines on a developer's machine require some and check nothing.
    """
    from .aws_credentials import Credentials, credential_source

    is_local = endpoint is not None and ".amazonaws.com" not in endpoint
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ("us-east-1" if is_local else "")
    credentials = credential_source(environment) or ((lambda: Credentials("local", "local")) if is_local else None)
    address = endpoint or environment.get("AWS_ENDPOINT_URL_DYNAMODB") or _endpoint(region, environment)
    if environment.get("DYNAMODB_CLIENT") == "boto3" or credentials is None or address is None:
        from . import dynamo_boto3

        return Client(dynamo_boto3.sender(endpoint, is_local=is_local))
    from .connections import Connections
    from .dynamo_http import HttpSender, dynamodb_posts

    connections = Connections(address, trusted=environment.get("AWS_CA_BUNDLE") or None)
    sender = HttpSender(dynamodb_posts(connections, region), credentials)
    return Client(sender, sender.signing_with)


def _endpoint(region: str, environment: Mapping[str, str]) -> str | None:
    """The public endpoint of a region. *absent*: it has another host name, which boto3 finds.

    *source*: AWS General Reference, "Amazon DynamoDB endpoints and quotas".
    """
    is_plain = not environment.get("AWS_USE_FIPS_ENDPOINT") and not environment.get("AWS_USE_DUALSTACK_ENDPOINT")
    if not is_plain or not region or region.startswith(("us-iso", "eu-iso", "eusc-")):
        return None
    return f"https://dynamodb.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


@contextmanager
def translated() -> Iterator[None]:
    """Translate the client's errors into our own, by code and never by message.

    *raises*: Unavailable where a later attempt may succeed (Contended where another writer is at the item),
    ConditionFailed where a condition did not hold. Any other error is a mistake in this code and passes unchanged.
    """
    try:
        yield
    except RequestFailed as error:
        codes = {error.code, *error.reasons}
        if codes & CONDITION_FAILED:
            raise ConditionFailed from error
        if codes & CONTENDED:
            raise Contended(_BUSY) from error
        if codes & TRANSIENT or error.status >= 500:
            raise Unavailable(_BUSY) from error
        raise
    except Unreachable as error:
        raise Unavailable(_BUSY) from error
