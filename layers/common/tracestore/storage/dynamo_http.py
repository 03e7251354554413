"""Requests to DynamoDB with the standard library: one signed POST each, on kept connections, with retries.

*source*: Amazon DynamoDB Developer Guide, "DynamoDB low-level API" (format, CRC32) and "Error handling with DynamoDB".
"""

import json
import random
import time
import uuid
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from .aws_credentials import CredentialSource
from .connections import Answer, Connections
from .dynamo import TRANSIENT, Request, RequestFailed, Unreachable
from .signing import signed_headers

ATTEMPTS: Final = 3
"""How often a request is sent, at most."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0

_BUDGET: Final = 500
_RETRY_COST: Final = 5
"""The tokens of a process, and those that a retry takes: a store that fails all requests receives a fifth more of them,
not three times as many. A request that succeeds returns what its retry took, or one token."""

_RETRIED: Final = TRANSIENT | {"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"}

_SKEW_CODES: Final = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
_SKEW_S: Final = 240
"""A clock that differs from the server's by more than this is the reason for a refused signature: AWS tolerates five
minutes."""


@dataclass(slots=True)
class RetryBudget:
    """The retries that a process has left. Safe for many threads."""

    tokens: int = _BUDGET
    lock: Lock = field(default_factory=Lock)

    def take(self) -> bool:
        """Take the tokens of a retry. Returns whether there were enough."""
        with self.lock:
            if self.tokens < _RETRY_COST:
                return False
            self.tokens -= _RETRY_COST
            return True

    def give(self, tokens: int) -> None:
        """Return tokens after a success."""
        with self.lock:
            self.tokens = min(_BUDGET, self.tokens + tokens)


class HttpSender:
    """A sender of requests to the DynamoDB of one endpoint. Safe for many threads."""

    def __init__(
        self,
        connections: Connections,
        region: str,
        credentials: CredentialSource,
        *,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self._connections = connections
        self._region = region
        self._credentials = credentials
        self._now_s = now_s
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._budget = RetryBudget()
        self._clock_behind_s = 0.0
        """Seconds by which the server's clock is ahead of this machine's."""

    def __call__(self, operation: str, request: Request, /) -> Request:
        """Send a request until it succeeds, fails for good, or has been sent `ATTEMPTS` times.

        *raises*: RequestFailed, Unreachable.
        """
        body = _body(operation, request)
        for attempt in range(1, ATTEMPTS + 1):
            least_pause_s = 0.0
            failure: RequestFailed | Unreachable
            try:
                answer = self._attempt(operation, body)
            except Unreachable as error:
                failure = error
            else:
                if answer.status == HTTPStatus.OK:
                    self._budget.give(1 if attempt == 1 else _RETRY_COST)
                    return _parsed(answer.body)
                failure = refusal = _failure(answer)
                if not self._may_pass(refusal, answer):
                    raise failure
                least_pause_s = _retry_after_s(answer)
            if attempt == ATTEMPTS or not self._budget.take():
                raise failure
            pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S) * self._jitter.random()
            self._sleep(max(pause_s, min(least_pause_s, _LONGEST_PAUSE_S)))
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, operation: str, body: bytes) -> Answer:
        headers = signed_headers(
            {
                "content-type": "application/x-amz-json-1.0",
                "host": self._connections.host,
                "x-amz-target": f"DynamoDB_20120810.{operation}",
            },
            body,
            self._credentials(),
            region=self._region,
            service="dynamodb",
            now_s=self._now_s() + self._clock_behind_s,
        )
        try:
            answer = self._connections.post(headers, body)
        except OSError as error:
            raise Unreachable(type(error).__name__) from error
        checksum = answer.headers.get("x-amz-crc32")
        if checksum is not None and zlib.crc32(answer.body) != int(checksum):
            raise Unreachable("the response does not have the checksum that it states")
        return answer

    def _may_pass(self, failure: RequestFailed, answer: Answer) -> bool:
        """Whether another attempt may succeed. A refused signature sets the clock by the server's first."""
        if failure.code in _SKEW_CODES and (date := answer.headers.get("date")):
            from email.utils import parsedate_to_datetime  # seldom needed, and imported slowly

            behind_s = parsedate_to_datetime(date).timestamp() - self._now_s()
            is_news = abs(behind_s - self._clock_behind_s) > _SKEW_S
            self._clock_behind_s = behind_s if is_news else self._clock_behind_s
            return is_news
        is_cancelled = failure.code == "TransactionCanceledException"  # its reasons are the writer's to weigh
        return not is_cancelled and (failure.code in _RETRIED or failure.status >= 500)


def _body(operation: str, request: Request) -> bytes:
    if operation == "TransactWriteItems" and "ClientRequestToken" not in request:
        # All attempts carry the same token: DynamoDB applies a transaction once, also if its first response is lost.
        request = {**request, "ClientRequestToken": str(uuid.uuid4())}
    return json.dumps(request, default=_base64, ensure_ascii=False, separators=(",", ":")).encode()


def _base64(value: object) -> str:
    """The JSON of a value of type B. *raises*: TypeError for other objects that are not JSON."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"a {type(value).__name__} is no value of a DynamoDB request")
    return b64encode(value).decode()


def _parsed(body: bytes) -> Request:
    response: Request = json.loads(body, object_hook=_with_bytes)
    return response


def _with_bytes(members: dict[str, Any]) -> dict[str, Any]:
    """A JSON object, with bytes where it is a value of type B or BS.

    Members of items and maps are objects themselves, so a text under the name B is always a value.
    """
    if len(members) == 1:
        if isinstance(binary := members.get("B"), str):
            return {"B": b64decode(binary)}
        if isinstance(binaries := members.get("BS"), list):
            return {"BS": [b64decode(each) for each in binaries]}
    return members


def _failure(answer: Answer) -> RequestFailed:
    """The error of a response. A response that DynamoDB did not write, such as a proxy's, has its status as the code.

    *source*: smithy, "AWS JSON 1.0 protocol", "Operation error serialization".
    """
    try:
        error = json.loads(answer.body)
        code = str(error["__type"]).rpartition("#")[2].partition(":")[0]
        message = str(error.get("message") or error.get("Message") or "")
        reasons = tuple(str(reason.get("Code", "")) for reason in error.get("CancellationReasons") or ())
    except (ValueError, TypeError, KeyError, AttributeError):
        return RequestFailed(str(answer.status), status=answer.status)
    return RequestFailed(code, message, status=answer.status, reasons=reasons)


def _retry_after_s(answer: Answer) -> float:
    """The seconds of `Retry-After`. *absent*: 0, also where the header names a date."""
    try:
        return float(answer.headers["retry-after"])
    except (KeyError, ValueError):
        return 0.0
