"""Signed POSTs to one AWS service, on kept connections, with retries. The protocol of the bodies is the caller's.

*source*: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB" (retries); AWS Identity and Access Management
User Guide, "Troubleshoot Signature Version 4 signing" (clocks).
"""

import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Final

from .aws_credentials import CredentialSource
from .connections import Answer, Connections
from .dynamo import TRANSIENT, RequestFailed, Unreachable
from .signing import signed_headers

ATTEMPTS: Final = 3
"""How often a request is sent, at most."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0

_BUDGET: Final = 500
_RETRY_COST: Final = 5
"""The tokens of a process, and those that a retry takes: a service that fails all requests receives a fifth more of
them, not three times as many. A request that succeeds returns what its retry took, or one token."""

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


class SignedPosts:
    """A sender of POSTs to one service in one region. `failure_of` reads its errors. Safe for many threads."""

    def __init__(
        self,
        connections: Connections,
        region: str,
        service: str,
        failure_of: Callable[[Answer], RequestFailed],
        *,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
    ) -> None:
        self.connections = connections
        self._region = region
        self._service = service
        self._failure_of = failure_of
        self._now_s = now_s
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._budget = RetryBudget()
        self._clock_behind_s = 0.0
        """Seconds by which the server's clock is ahead of this machine's."""

    def send(self, headers: dict[str, str], body: bytes, credentials: CredentialSource) -> bytes:
        """Send a body until it succeeds, fails for good, or has been sent `ATTEMPTS` times; returns the response's.

        `headers` has lower-case names. *raises*: RequestFailed, Unreachable.
        """
        for attempt in range(1, ATTEMPTS + 1):
            least_pause_s = 0.0
            failure: RequestFailed | Unreachable
            try:
                answer = self._attempt(headers, body, credentials)
            except Unreachable as error:
                failure = error
            else:
                if answer.status == HTTPStatus.OK:
                    self._budget.give(1 if attempt == 1 else _RETRY_COST)
                    return answer.body
                failure = refusal = self._failure_of(answer)
                if not self._may_pass(refusal, answer):
                    raise failure
                least_pause_s = _retry_after_s(answer)
            if attempt == ATTEMPTS or not self._budget.take():
                raise failure
            pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S) * self._jitter.random()
            self._sleep(max(pause_s, min(least_pause_s, _LONGEST_PAUSE_S)))
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, headers: dict[str, str], body: bytes, credentials: CredentialSource) -> Answer:
        signed = signed_headers(
            {**headers, "host": self.connections.host},
            body,
            credentials(),
            region=self._region,
            service=self._service,
            now_s=self._now_s() + self._clock_behind_s,
        )
        try:
            answer = self.connections.post(signed, body)
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


def _retry_after_s(answer: Answer) -> float:
    """The seconds of `Retry-After`. *absent*: 0, also where the header names a date."""
    try:
        return float(answer.headers["retry-after"])
    except (KeyError, ValueError):
        return 0.0
